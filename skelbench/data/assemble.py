"""From what a reader found to `Clips`: identity, labels, names and the file's own split, alike for every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data import ntu
from skelbench.data.clips import Clips, DataError, IntArray, Skeleton
from skelbench.data.identity import SYNTHETIC_PREFIX, Identity, identify
from skelbench.data.labels import labelled
from skelbench.data.packing import Packer, offsets_of
from skelbench.data.rates import stated_fps
from skelbench.data.splits import own_splits

COLUMNS = ("subject", "camera", "setup", "replication")


@dataclass
class Reading:
    """What a reader found in a file; `clips` makes `Clips` of it."""

    path: Path
    form: str
    """Name of the format, for `Clips.source`."""
    joints: NDArray[np.float32]
    """Packed rows (R, J, 3), tidied."""
    frames: IntArray
    bodies: IntArray
    skeleton: Skeleton
    names: NDArray[np.str_] | None = None
    """Of the clips, unique or not; None where the file has none."""
    label: NDArray[Any] | None = None
    """Class numbers or class names, -1 or "" where unknown; None where the file has none and only names can tell."""
    class_names: tuple[str, ...] | None = None
    width: int | None = None
    """Number of classes that the file allows without naming them (a one-hot width)."""
    columns: Mapping[str, IntArray] = field(default_factory=dict)
    """subject, camera, setup, replication, as far as the file tells."""
    parts: Mapping[str, IntArray] = field(default_factory=dict)
    """Clip indices of the file's own split, by its own names of them."""
    split: str | None = None
    """Name of the file's own split; None: from the names of its parts."""
    unit: str = ""
    """As stated; "" where the file states none."""
    dataset: str | None = None
    """As stated."""
    length: int | None = None
    """Frames of a padded row; counts for NTU and made-up data, other data have that of their longest clip."""
    synthetic: bool = False
    fps: object = None
    """Frames a second as stated, one number or one for each clip; None where the file states none."""
    numbered: bool = False
    """Whether names may repeat, as nothing in the file rests on them; then they are numbered."""
    notes: tuple[str, ...] = ()

    @classmethod
    def packed(cls, path: Path, form: str, packer: Packer, skeleton: Skeleton) -> Reading:
        """A reading of clips that `packer` has packed; its remaining fields are to be filled in."""
        frames, bodies = packer.frames, packer.bodies
        return cls(path, form, packer.joints(), frames, bodies, skeleton, notes=packer.notes())

    def clips(self) -> Clips:
        """The clips.

        Raises:
            DataError: labels and names contradict each other, or parts name clips that are not there.
        """
        count = len(self.frames)
        names, synthetic = _without_prefix(self.names, self.synthetic)
        width = self.width if self.class_names is None else len(self.class_names)
        splits, validation = own_splits(self.parts, self.split)
        identity = identify(
            self.path,
            names,
            self.joints.shape[1],
            width=width,
            counts=_counts(splits),
            stated=self.dataset,
            synthetic=synthetic,
        )
        # NTU's names are what its protocols rest on; elsewhere the file's own columns go before names.
        first, second = (identity.columns, self.columns) if identity.ntu else (self.columns, identity.columns)
        unknown = np.zeros(count, dtype=np.int64)
        known = {key: first.get(key, second.get(key, unknown)) for key in COLUMNS}
        if names is None:
            names = _numbers(self.parts, count)
        label = self.label
        if label is None:
            label = np.full(count, -1, dtype=np.int64) if identity.expected is None else identity.expected
        found = labelled(self.path, names, label, identity, self.class_names, self.width)
        names, name_notes = _numbered(names) if self.numbered else distinct_names(names, known["camera"])
        longest = int(self.frames.max(initial=1))
        fps = identity.fps if self.fps is None else self.fps
        return Clips(
            joints=self.joints,
            offsets=offsets_of(self.frames, self.bodies),
            bodies=self.bodies,
            label=found.label,
            names=names,
            subject=known["subject"],
            camera=known["camera"],
            setup=known["setup"],
            replication=known["replication"],
            skeleton=self.skeleton,
            class_names=found.class_names,
            dataset=identity.dataset,
            length=_length(self.length, longest, identity, synthetic),
            max_bodies=max(ntu.MAX_BODIES if identity.ntu else 1, int(self.bodies.max(initial=1))),
            source=f"{self.path} ({self.form})",
            unit=self.unit,
            synthetic=synthetic,
            fps=None if fps is None else stated_fps(self.path, fps, count),
            splits=splits,
            validation=validation,
            parts=dict(self.parts),
            notes=(*self.notes, *found.notes, *name_notes),
        )


def _length(stated: int | None, longest: int, identity: Identity, synthetic: bool) -> int:
    if not identity.ntu:
        return longest
    if stated is None:
        stated = 1 if synthetic else ntu.LENGTH
    return max(stated, longest)


def _counts(splits: Mapping[str, tuple[IntArray, IntArray]]) -> tuple[int, int] | None:
    if len(splits) != 1:
        return None
    ((train, test),) = splits.values()
    return len(train), len(test)


def _without_prefix(names: NDArray[np.str_] | None, synthetic: bool) -> tuple[NDArray[np.str_] | None, bool]:
    """The names as `Clips` has them, and whether the clips, or any of them, are marked as made up."""
    if names is None or not len(names):
        return names, synthetic
    marked = np.char.startswith(names, SYNTHETIC_PREFIX)
    if not marked.any():
        return names, synthetic
    return np.array([name.removeprefix(SYNTHETIC_PREFIX) for name in names.tolist()], dtype=str), True


def _numbers(parts: Mapping[str, IntArray], count: int) -> NDArray[np.str_]:
    """Names of clips that have none: their part and number in it (train-000000, ...)."""
    names = [f"clip-{index:06d}" for index in range(count)]
    for part, indices in parts.items():
        for number, index in enumerate(indices.tolist()):
            names[index] = f"{part}-{number:06d}"
    return np.array(names, dtype=str)


def _numbered(names: NDArray[np.str_]) -> tuple[NDArray[np.str_], tuple[str, ...]]:
    """Names with "#2", "#3" appended from their second occurrence on."""
    seen: Counter[str] = Counter()
    found = []
    for name in names.tolist():
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    repeated = len(names) - len(seen)
    notes = (f"{repeated} clips have a name that a clip before them has: they were numbered (#2, #3, ...)",)
    return np.array(found, dtype=str), notes if repeated else ()


def distinct_names(names: NDArray[np.str_], view: IntArray) -> tuple[NDArray[np.str_], tuple[str, ...]]:
    """Names with "_v1", "_v2" appended to all of them, where they repeat and the view tells them apart (UI-PRMD)."""
    if len(np.unique(names)) == len(names):
        return names, ()
    with_view = np.char.add(np.char.add(names, "_v"), view.astype(str))
    if len(np.unique(with_view)) < len(names):
        return names, ()
    return with_view, ("names repeat across views: the view was appended to each (_v1, _v2, ...)",)


def marked_names(clips: Clips) -> NDArray[np.str_]:
    """The names as files have them: those of made-up clips begin with SYNTHETIC_PREFIX."""
    return np.char.add(SYNTHETIC_PREFIX, clips.names) if clips.synthetic else clips.names


def column(path: Path, key: str, array: NDArray[Any], count: int) -> IntArray:
    """An integer array (count,) of a file.

    Raises:
        DataError: it has another shape, or is no integer.
    """
    if array.shape != (count,):
        raise DataError(f"{path}: '{key}' has shape {array.shape}, expected ({count},), one per clip")
    if array.dtype.kind not in "iu":
        raise DataError(f"{path}: '{key}' is {array.dtype}, expected integers")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise DataError(f"{path}: '{key}' holds {array.max()}, which is out of range")
    return np.array(array, dtype=np.int64)
