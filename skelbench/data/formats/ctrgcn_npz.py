"""The public NTU layout of SGN, CTR-GCN, ConMLP and MAMP: x_train (N, T, 150), one-hot y_train, x_test, y_test.

150 = 2 bodies x 25 joints x (x, y, z), zero-padded; 75 where there is one body. As an .npz, or as HDF5 with the same
keys. What `write_ctrgcn` writes has more keys, which other readers pass over: names_train, names_test, class_names,
dataset, unit, synthetic.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data import ntu
from skelbench.data.assemble import Reading, marked_names
from skelbench.data.clips import Clips, DataError, IntArray
from skelbench.data.formats.arrays import Arrays, flag, text, texts
from skelbench.data.formats.files import stem_of, written
from skelbench.data.packing import CHUNK_BYTES, Packer
from skelbench.data.protocols import Split, available, protocol
from skelbench.data.skeletons import NTU_25

KEYS = ("x_train", "y_train", "x_test", "y_test")

_STEMS = {
    ntu.NTU_60: {"xsub": "NTU60_CS", "xview": "NTU60_CV"},
    ntu.NTU_120: {"xsub": "NTU120_CSub", "xset": "NTU120_CSet"},
}
_GROUPED_BY = {"xsub": "subject", "xview": "camera", "xset": "setup"}
_BLOCK = 256  # clips padded at a time


def read_ctrgcn(arrays: Arrays, form: str = "CTR-GCN npz") -> Clips:
    """Clips of x_train, x_test (N, T, 75 or 150) and one-hot (N, C) or integer (N,) y_train, y_test.

    The public files name neither clips nor cameras: the clips are then called train-000000, ..., test-000000, ..., and
    the split is the file's. Its protocol comes from the file's name (NTU60_CV, NTU120_CSet, ...), else from the sizes
    of its parts.

    Raises:
        DataError: a key is missing, an array has another shape, or a row of labels is not one-hot.
    """
    path = arrays.path
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise DataError(f"{path}: needs {', '.join(KEYS)}; missing: {', '.join(missing)}")
    packer = Packer(25, padded=True)
    labels, widths, sizes, length = [], [], [], 1
    for part in ("train", "test"):
        x = arrays.rows(f"x_{part}")
        if len(x.shape) != 3 or x.shape[2] not in (75, 150) or x.dtype.kind not in "fiu":
            raise DataError(
                f"{path}: 'x_{part}' is {x.dtype} {x.shape}, expected floats (clips, frames, 75 or 150)"
            )
        y, width = _labels(arrays, part, x.shape[0])
        labels.append(y)
        widths.append(width)
        sizes.append(x.shape[0])
        length = max(length, x.shape[1])
        step = max(1, CHUNK_BYTES // max(1, x.shape[1] * x.shape[2] * x.dtype.itemsize))
        for begin in range(0, x.shape[0], step):
            block = x.read(min(step, x.shape[0] - begin))
            packer.add_block(block.reshape(*block.shape[:2], -1, 25, 3))
    train, test = sizes
    reading = Reading.packed(path, form, packer, NTU_25)
    reading.label = np.concatenate(labels)
    reading.width = None if None in widths else max(width for width in widths if width is not None)
    reading.parts = {"train": np.arange(train), "test": np.arange(train, train + test)}
    reading.split = _protocol(path, (train, test))
    reading.length = length
    reading.unit = text(arrays, "unit", "")
    reading.dataset = text(arrays, "dataset", "") or None
    reading.synthetic = flag(arrays, "synthetic")
    reading.class_names = tuple(texts(arrays, "class_names")) if "class_names" in arrays else None
    if "names_train" in arrays and "names_test" in arrays:
        reading.names = np.array(texts(arrays, "names_train") + texts(arrays, "names_test"), dtype=str)
        if len(reading.names) != train + test:
            raise DataError(f"{path}: {len(reading.names)} names for {train + test} clips")
    else:
        note = "the file names neither clips, subjects nor cameras: only its own split can be used"
        reading.notes = (*reading.notes, note)
    return reading.clips()


def _labels(arrays: Arrays, part: str, count: int) -> tuple[IntArray, int | None]:
    """Labels (count,) and the number of classes that a one-hot form allows."""
    y, path = np.asarray(arrays[f"y_{part}"]), arrays.path
    if y.ndim == 2 and y.shape[1] and len(y) == count and y.dtype.kind in "fiub":
        wrong = np.flatnonzero(np.count_nonzero(y, axis=1) != 1)
        if len(wrong):
            raise DataError(f"{path}: row {wrong[0]} of 'y_{part}' is not one-hot")
        return np.argmax(y != 0, axis=1).astype(np.int64), y.shape[1]
    if y.ndim == 1 and len(y) == count and y.dtype.kind in "fiu":
        with np.errstate(invalid="ignore"):
            labels = y.astype(np.int64)
        if not np.array_equal(labels, y):
            raise DataError(f"{path}: 'y_{part}' holds values that are not whole numbers")
        return labels, None
    raise DataError(
        f"{path}: 'y_{part}' has shape {y.shape} ({y.dtype}), expected ({count},) or one-hot ({count}, classes)"
    )


def _protocol(path: Path, counts: tuple[int, int]) -> str | None:
    """The protocol that the file's name ends with, else the one whose official parts have these sizes."""
    stem = re.sub("[^a-z0-9]", "", path.stem.lower())
    for suffixes, name in (
        (("cv", "xview", "cview", "crossview"), "xview"),
        (("cset", "xset", "crosssetup"), "xset"),
        (("cs", "csub", "xsub", "crosssubject"), "xsub"),
    ):
        if stem.endswith(suffixes):
            return name
    return next((name for (_, name), sizes in ntu.OFFICIAL_COUNTS.items() if sizes == counts), None)


def write_ctrgcn(clips: Clips, folder: Path) -> list[Path]:
    """NTU60_CS.npz and so on: uncompressed, one per protocol.

    Rows are grouped by subject, camera or setup, then ordered by name, as the public script orders them. For
    NTU RGB+D 120 a single actor is written into both places, as its script does.

    Raises:
        DataError: the clips have other than 25 joints, or more than two bodies.
    """
    if clips.joints.shape[1] != 25 or clips.bodies.max() > 2:
        raise DataError(f"{clips.source}: the layout of CTR-GCN holds at most two bodies of 25 joints")
    stems = _STEMS.get(clips.dataset, {})
    paths = []
    for name, split in exportable(clips).items():

        def write(path: Path, split: Split = split, name: str = name) -> None:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                for part, indices in (("train", split.train), ("test", split.test)):
                    group = getattr(clips, _GROUPED_BY.get(name, "label"))[indices]
                    ordered = indices[np.lexsort((clips.names[indices], group))]
                    shape = (len(ordered), clips.length, 150)
                    _write_member(archive, f"x_{part}", shape, np.dtype(np.float32), _padded(clips, ordered))
                    _write_array(archive, f"y_{part}", np.eye(clips.classes)[clips.label[ordered]])
                    _write_array(archive, f"names_{part}", marked_names(clips)[ordered])
                for key, value in (
                    ("class_names", np.array(clips.class_names, dtype=str)),
                    ("dataset", np.array(clips.dataset)),
                    ("unit", np.array(clips.unit)),
                    ("synthetic", np.array(clips.synthetic)),
                ):
                    _write_array(archive, key, value)

        stem = stems.get(name, stem_of(f"{clips.dataset}_{name}"))
        paths.append(written(folder / f"{stem}.npz", write))
    return paths


def exportable(clips: Clips) -> dict[str, Split]:
    """The protocols that leave clips for both parts; `skelbench prepare --check` says why another does not."""
    found = {}
    for name in available(clips):
        with suppress(DataError):
            found[name] = protocol(clips, name)
    return found


def _write_array(archive: zipfile.ZipFile, key: str, array: NDArray[Any]) -> None:
    _write_member(archive, key, array.shape, array.dtype, iter([array]))


def _write_member(
    archive: zipfile.ZipFile,
    key: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    blocks: Iterator[NDArray[Any]],
) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for block in blocks:
            member.write(np.ascontiguousarray(block, dtype=dtype).tobytes())


def _padded(clips: Clips, indices: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for begin in range(0, len(indices), _BLOCK):
        some = indices[begin : begin + _BLOCK].tolist()
        rows = np.zeros((len(some), clips.length, 2, 25, 3), dtype=np.float32)
        for row, index in zip(rows, some, strict=True):
            clip = clips.clip(index)
            row[: clip.shape[0], : clip.shape[1]] = clip
            if clip.shape[1] == 1 and clips.dataset == ntu.NTU_120:
                row[: clip.shape[0], 1] = clip[:, 0]
        yield rows.reshape(len(some), clips.length, 150)
