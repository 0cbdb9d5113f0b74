"""The layout of ST-GCN, 2s-AGCN, CrosSCLR, AimCLR and CMD: train_data*.npy (N, C, T, V, M) and train_label.pkl.

Parts are train, val and test; beside train_data_joint.npy (or train_data.npy, train_position.npy) lies train_label.pkl,
a pickle of (clip names, labels).
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data.assemble import Reading, marked_names
from skelbench.data.clips import Clips, DataError, IntArray, release
from skelbench.data.formats.arrays import DAMAGE, one_line
from skelbench.data.formats.ctrgcn_npz import exportable
from skelbench.data.formats.files import stem_of, written
from skelbench.data.formats.safe_pickle import unpickle
from skelbench.data.packing import CHUNK_BYTES, Packer
from skelbench.data.protocols import canonical
from skelbench.data.regular import regular
from skelbench.data.skeletons import skeleton_of

_DATA = re.compile(r"(train|val|test)_(data_joint|data|position|joint)\.npy")
_PARTS = ("train", "val", "test")
MAX_BYTES = 1 << 40


def data_files(folder: Path) -> dict[str, Path]:
    """The .npy file of each part in a folder, by part; {} where it is no such folder."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        match = _DATA.fullmatch(path.name)
        if match and path.is_file():
            found.setdefault(match[1], path)
    return {part: found[part] for part in _PARTS if part in found}


def read_nctvm(path: Path, labels_required: bool = True) -> Clips:
    """Clips of such a folder, or of one of its files: then all its parts are read, too.

    The split is called as the folder (xview, xsub, ...) where that is a protocol. Two channels are x and y, z is 0.
    Bodies without any coordinate are none, frames at the end without a body are padding.

    Raises:
        DataError: a label file is missing or does not fit, or an array has another shape.
    """
    folder = path if path.is_dir() else path.parent
    files = data_files(folder)
    if path.suffix == ".npy" and path not in files.values():
        part = next((part for part in _PARTS if path.name.startswith(part)), "clips")
        files = {part: path}
    if not files:
        raise DataError(f"{path}: no {_PARTS[0]}_data.npy or {_PARTS[0]}_data_joint.npy lies there")
    packer: Packer | None = None
    names: list[str] = []
    labels: list[int] = []
    parts: dict[str, IntArray] = {}
    length, channels, joints = 1, 3, 0
    for part, file in files.items():
        array = _mapped(file)
        if packer is None:
            joints, packer = array.shape[3], Packer(array.shape[3], padded=True)
        elif array.shape[3] != joints:
            raise DataError(f"{file}: has {array.shape[3]} joints, the part before it {joints}")
        channels, length = array.shape[1], max(length, array.shape[2])
        part_names, part_labels = _labels(folder, part, len(array), labels_required)
        parts[part] = np.arange(len(names), len(names) + len(array))
        names += part_names
        labels += part_labels
        step = max(1, CHUNK_BYTES // max(1, array[:1].nbytes))
        for begin in range(0, len(array), step):
            packer.add_block(_clips(array[begin : begin + step]))
            release(array)
    assert packer is not None
    reading = Reading.packed(
        folder if len(files) > 1 else path, "(N, C, T, V, M) .npy", packer, skeleton_of(joints)
    )
    reading.names, reading.label = np.array(names, dtype=str), np.array(labels, dtype=np.int64)
    reading.parts, reading.length, reading.numbered = parts, length, True
    protocol = canonical(folder.name)[0]
    reading.split = protocol if protocol in ("xsub", "xview", "xset") else None
    if channels == 2:
        reading.notes = (*reading.notes, "two channels: they are x and y, z is 0")
    others = sorted(
        other.name for other in folder.glob("*.npy") if other not in files.values() and "data" in other.name
    )
    if others:
        reading.notes = (*reading.notes, f"not read: {', '.join(others)}")
    return reading.clips()


def _mapped(file: Path) -> NDArray[Any]:
    regular(file, MAX_BYTES)
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except DAMAGE as error:
        raise DataError(f"{file}: cannot be read: {one_line(error)}") from None
    if (
        not isinstance(array, np.ndarray)
        or array.ndim != 5
        or array.shape[1] not in (2, 3)
        or array.dtype.kind not in "fiu"
    ):
        shape = getattr(array, "shape", "?")
        raise DataError(
            f"{file}: has shape {shape}, expected numbers (clips, 2 or 3, frames, joints, bodies)"
        )
    if 0 in array.shape[3:]:
        raise DataError(f"{file}: has shape {array.shape}: no joints or no bodies")
    return array


def _clips(block: NDArray[Any]) -> NDArray[Any]:
    """(B, C, T, V, M) as (B, T, M, V, 3)."""
    moved = block.transpose(0, 2, 4, 3, 1)
    if moved.shape[-1] == 3:
        return moved
    return np.concatenate([moved, np.zeros_like(moved[..., :1])], axis=-1)


def _labels(folder: Path, part: str, count: int, required: bool) -> tuple[list[str], list[int]]:
    path = folder / f"{part}_label.pkl"
    if not path.is_file():
        if required:
            raise DataError(
                f"{path}: is missing; it should hold (names, labels) of the {count} clips of that part"
            )
        return [f"{part}-{number:06d}" for number in range(count)], [-1] * count
    content = unpickle(path)
    if not isinstance(content, tuple | list) or len(content) != 2:
        raise DataError(f"{path}: expected (names, labels), as ST-GCN and 2s-AGCN write them")
    names, labels = (list(part) if isinstance(part, tuple | list | np.ndarray) else None for part in content)
    if names is None or labels is None or len(names) != count or len(labels) != count:
        raise DataError(f"{path}: expected {count} names and {count} labels")
    found = []
    for name, label in zip(names, labels, strict=True):
        if not isinstance(label, int | np.integer) or not -(1 << 31) < int(label) < 1 << 31:
            raise DataError(f"{path}: the label of clip {name} is not an integer")
        found.append(int(label))
    return [str(name).removesuffix(".skeleton") for name in names], found


def write_nctvm(clips: Clips, folder: Path) -> list[Path]:
    """A folder for each protocol: train_data_joint.npy, train_label.pkl, val_data_joint.npy, val_label.pkl."""
    paths = []
    most = clips.max_bodies
    for name, split in exportable(clips).items():
        for part, indices in (("train", split.train), ("val", split.test)):

            def write(path: Path, indices: IntArray = indices) -> None:
                shape = (len(indices), 3, clips.length, clips.joints.shape[1], most)
                array = np.lib.format.open_memmap(path, "w+", np.float32, shape)
                for row, index in enumerate(indices.tolist()):
                    clip = clips.clip(index)
                    array[row, :, : clip.shape[0], :, : clip.shape[1]] = clip.transpose(3, 0, 2, 1)
                array.flush()

            names = marked_names(clips)[indices].tolist()
            labels = clips.label[indices].tolist()

            def write_labels(path: Path, names: list[str] = names, labels: list[int] = labels) -> None:
                path.write_bytes(pickle.dumps((names, labels), protocol=4))

            base = folder / stem_of(name)
            paths.append(written(base / f"{part}_data_joint.npy", write))
            paths.append(written(base / f"{part}_label.pkl", write_labels))
    return paths
