"""Features of clips that somebody else computed, an npz: one row a clip, to be probed as our representations are.

features (N, D), labels (N,) of numbers from 0 or names of classes; what says who trains and who tests: split (N,) with
`train` and `test` (or 0 and 1; 2 or `validation` is left out), train and test (clip numbers), or camera, subject, setup
(N,) for a protocol by name. Optional: names (N,) and class_names (C,), dataset (a text).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data.assemble import Reading, column
from skelbench.data.clips import Clips, DataError, Skeleton
from skelbench.data.formats.arrays import DAMAGE, Arrays, NpzArrays, one_line, text, texts
from skelbench.data.formats.ragged_npz import parts_of
from skelbench.data.regular import regular, shown

MAX_BYTES = 1 << 40
_FORM = "features"
_NO_SKELETON = Skeleton((), (), 0)


def read_features(path: str | os.PathLike[str]) -> Clips:
    """The rows of such a file as clips of one frame without a skeleton, see `features_of`.

    Raises:
        DataError: the file is missing or damaged, lacks an array, or its arrays do not fit; the message names it.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{shown(path)}: no such file; expected an npz with features, labels and a split")
    regular(path, MAX_BYTES)
    try:
        arrays: Arrays = NpzArrays(path)
        return _read(arrays)
    except DAMAGE as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{shown(path)}: cannot be read as an npz: {one_line(error)}") from None


def _read(arrays: Arrays) -> Clips:
    path = arrays.path
    keys = {ours: _one_of(arrays, *names) for ours, names in _NAMES.items()}
    for ours in ("features", "labels"):
        if keys[ours] is None:
            have = ", ".join(arrays) or "nothing"
            raise DataError(f"{path}: has no array '{ours}'; it has {have} (skelbench probe --help)")
    values, label = (np.asarray(arrays[str(keys[ours])]) for ours in ("features", "labels"))
    count = len(values)
    columns = {
        ours: column(path, key, np.asarray(arrays[key]), count)
        for ours in ("subject", "camera", "setup")
        if (key := keys[ours]) is not None
    }
    return features_of(
        values,
        np.array(texts(arrays, str(keys["labels"])), dtype=str) if label.dtype.kind in "SU" else label,
        names=np.array(texts(arrays, "names"), dtype=str) if "names" in arrays else None,
        class_names=tuple(texts(arrays, "class_names")) if "class_names" in arrays else None,
        columns=columns,
        parts=parts_of(arrays, count),
        dataset=text(arrays, "dataset", "") or None,
        path=path,
    )


_NAMES = {
    "features": ("features", "representations", "x"),
    "labels": ("labels", "label"),
    "subject": ("subject", "subjects"),
    "camera": ("camera", "cameras", "view", "views"),
    "setup": ("setup", "setups"),
}


def _one_of(arrays: Arrays, *names: str) -> str | None:
    return next((name for name in names if name in arrays), None)


def features_of(
    values: NDArray[Any],
    label: NDArray[Any],
    *,
    names: NDArray[np.str_] | None = None,
    class_names: tuple[str, ...] | None = None,
    columns: dict[str, NDArray[np.int64]] | None = None,
    parts: dict[str, NDArray[np.int64]] | None = None,
    dataset: str | None = None,
    path: Path = Path("features"),
) -> Clips:
    """Rows of features as clips of one frame without a skeleton, whose joints are the features, three by three.

    Args:
        values: real numbers (N, D), a row a clip; kept as float32.
        label: (N,) class numbers from 0, or class names.
        names: of the clips (N,); None: numbered.
        class_names: of the classes by their number; None: the labels themselves.
        columns: subject, camera, setup (N,), each from 1.
        parts: clip numbers of `train` and `test`, and of other parts by their names.
        dataset: that the clips are of; None: the file's name.
        path: that they come from, for messages.

    Raises:
        DataError: an array has another shape or type, or holds what is no number; the first such clip is named.
    """
    if values.ndim != 2 or not values.size or values.dtype.kind not in "fiu":
        raise DataError(
            f"{path}: 'features' is {values.dtype} {values.shape}, expected numbers (clips, features)"
        )
    count = len(values)
    if label.shape != (count,) or label.dtype.kind not in "iuU":
        raise DataError(
            f"{path}: 'labels' is {label.dtype} {label.shape}, expected {count} whole numbers or names, one per clip"
        )
    if label.dtype.kind != "U":
        # Column by column, as every reader does.
        label = column(path, "labels", label, count)
        if (label < 0).any():
            raise DataError(
                f"{path}: 'labels' holds {label.min()} for clip {int(label.argmin())}, expected 0 and above"
            )
    if names is None:
        names = np.array([f"clip-{number:06d}" for number in range(count)])
    if names.shape != (count,) or len(np.unique(names)) < count:
        raise DataError(f"{path}: 'names' must be {count} different texts, one per clip")
    with np.errstate(over="ignore"):
        rows = values.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise DataError(
            f"{path}: the features of {len(bad):,} clips are not finite (NaN, infinite or beyond float32), first "
            f"{names[bad[0]]}: mend them or leave the clips out"
        )
    joints = -(-values.shape[1] // 3)
    padded = np.zeros((count, 3 * joints), dtype=np.float32)
    padded[:, : values.shape[1]] = rows
    ones = np.ones(count, dtype=np.int64)
    reading = Reading(path, _FORM, padded.reshape(count, joints, 3), ones, ones, _NO_SKELETON)
    reading.names, reading.label, reading.class_names = names, label, class_names
    reading.columns, reading.parts, reading.dataset = columns or {}, parts or {}, dataset
    return reading.clips()


def feature_rows(clips: Clips) -> NDArray[np.float32]:
    """The features (N, D) that `features_of` was given; one or two last columns of zeros may be taken for padding."""
    rows = clips.joints.reshape(len(clips), -1)
    width = rows.shape[1]
    while width > max(1, rows.shape[1] - 2) and not rows[:, width - 1].any():
        width -= 1
    return rows[:, :width]
