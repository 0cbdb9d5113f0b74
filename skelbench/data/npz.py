"""Readers of .npz files: the ragged layout (clips concatenated in time) and the public NTU one (x_train, ...)."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skelbench.data import ntu
from skelbench.data.clips import Clips, DataError, IntArray
from skelbench.data.packing import concatenate, count_unpadded, offsets_of
from skelbench.data.skeletons import NTU_25, skeleton_from

RAGGED_KEYS = ("x", "offsets", "label", "names", "class_names", "joint_names", "edges")
CTRGCN_KEYS = ("x_train", "y_train", "x_test", "y_test")

_CHUNK_BYTES = 64 << 20

# (dataset, pattern of every clip name, joints): public data whose protocols are not the generic ones or whose
# name a report should give.
_KNOWN = (
    ("NW-UCLA", re.compile(r"a\d\d_s\d\d_e\d\d_v\d\d"), 20),
    ("UI-PRMD", re.compile(r"m\d\d_s\d\d_e\d\d\w*"), 12),
    ("HDM05", re.compile(r"HDM_\w+"), 31),
    ("SBU Interaction", re.compile(r"s\d\ds\d\d_a\d\d_r\d+"), 15),
)


class Members(Mapping[str, np.ndarray]):
    """The arrays of an .npz by key; a member stored without compression is memory-mapped instead of read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with zipfile.ZipFile(path) as archive:
            self._infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def __getitem__(self, key: str) -> np.ndarray:
        info = self._infos[key]
        try:
            if info.compress_type == zipfile.ZIP_STORED:
                return self._mapped(info)
            with np.load(self.path, allow_pickle=False) as archive:
                return archive[key]
        except (ValueError, EOFError, zipfile.BadZipFile, struct.error) as error:
            raise DataError(f"{self.path}: array '{key}' cannot be read: {error}") from None

    def _mapped(self, info: zipfile.ZipInfo) -> np.ndarray:
        """The member's bytes lie in the file as they are, after a zip header of 30 bytes, a name and extra fields."""
        with open(self.path, "rb") as file:
            file.seek(info.header_offset)
            name_length, extra_length = struct.unpack("<26x2H", file.read(30))
            file.seek(info.header_offset + 30 + name_length + extra_length)
            version = np.lib.format.read_magic(file)
            read_header = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read_header(file)
            if dtype.hasobject:
                raise ValueError("it holds Python objects")
            if 0 in shape:
                return np.zeros(shape, dtype)
            order = "F" if fortran else "C"
            return np.memmap(self.path, dtype, "r", file.tell(), shape, order)  # type: ignore[call-overload]


def _column(members: Members, key: str, count: int) -> IntArray:
    if key not in members:
        return np.zeros(count, dtype=np.int64)
    array = members[key]
    if array.shape != (count,):
        raise DataError(f"{members.path}: '{key}' has shape {array.shape}, expected ({count},), one per clip")
    if array.dtype.kind not in "iu":
        raise DataError(f"{members.path}: '{key}' is {array.dtype}, expected integers")
    return np.array(array, dtype=np.int64)


def read_ragged(members: Members) -> Clips:
    """Clips from x (R, M, J, 3), offsets (N + 1,), label, names (N,), class_names, joint_names, edges (E, 2).

    `subject`, `view`, `rep` (N,), `unit` and `dataset` are optional. Bodies that are zero throughout a clip
    are not kept. Where names repeat and the view tells them apart (UI-PRMD), "_v1", "_v2" is appended to all
    of them.
    """
    path = members.path
    missing = [key for key in RAGGED_KEYS if key not in members]
    if missing:
        raise DataError(f"{path}: a ragged npz needs {', '.join(RAGGED_KEYS)}; missing: {', '.join(missing)}")
    x, offsets = members["x"], np.array(members["offsets"], dtype=np.int64)
    joint_names = [str(name) for name in members["joint_names"]]
    class_names = tuple(str(name) for name in members["class_names"])
    if x.ndim != 4 or x.shape[2:] != (len(joint_names), 3):
        raise DataError(f"{path}: 'x' has shape {x.shape}, expected (frames, bodies, {len(joint_names)}, 3)")
    if x.dtype.kind != "f":
        raise DataError(f"{path}: 'x' is {x.dtype}, expected floating point")
    if offsets.ndim != 1 or not len(offsets) or offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise DataError(f"{path}: 'offsets' must start at 0 and never fall")
    if offsets[-1] != len(x):
        raise DataError(f"{path}: 'offsets' ends at {offsets[-1]}, but 'x' has {len(x)} frames")
    count = len(offsets) - 1
    names = np.array(members["names"])
    if names.shape != (count,) or names.dtype.kind != "U":
        raise DataError(
            f"{path}: 'names' must be {count} strings, one per clip; found {names.shape} {names.dtype}"
        )
    edges = [(int(child), int(parent)) for child, parent in np.reshape(members["edges"], (-1, 2))]
    if any(not 0 <= joint < len(joint_names) for edge in edges for joint in edge):
        raise DataError(f"{path}: 'edges' names joints outside 0..{len(joint_names) - 1}")
    if "label" in members and members["label"].shape != (count,):
        raise DataError(
            f"{path}: 'label' has shape {members['label'].shape}, expected ({count},), one per clip"
        )

    frames = np.diff(offsets)
    view = _column(members, "view", count)
    dataset, numbers = _identify(path, names, len(joint_names), len(class_names))
    if "dataset" in members:
        dataset = str(members["dataset"])
    joints, bodies = _pack_bodies(x, offsets)
    names, notes = _distinct_names(names, view)
    return Clips(
        joints=joints,
        offsets=offsets_of(frames, bodies),
        bodies=bodies,
        label=_column(members, "label", count),
        names=names,
        subject=_column(members, "subject", count) if numbers is None else numbers[2],
        camera=view if numbers is None else numbers[1],
        setup=np.zeros(count, dtype=np.int64) if numbers is None else numbers[0],
        replication=_column(members, "rep", count) if numbers is None else numbers[3],
        skeleton=skeleton_from(joint_names, edges),
        class_names=class_names,
        dataset=dataset,
        length=int(max(frames.max(initial=1), ntu.LENGTH if numbers is not None else 1)),
        max_bodies=x.shape[1],
        source=f"{path} (ragged npz)",
        unit=str(members["unit"]) if "unit" in members else "metre",
        notes=notes,
    )


def _identify(path: Path, names: np.ndarray, joints: int, classes: int) -> tuple[str, IntArray | None]:
    """Dataset name, and for NTU names their numbers, int64 (5, N)."""
    parsed = [ntu.parse_name(name) for name in names.tolist()]
    if joints == 25 and names.size and all(parsed):
        numbers = np.array(parsed, dtype=np.int64).T
        return ntu.dataset_of(classes, int(numbers[0].max())), numbers
    for dataset, pattern, known_joints in _KNOWN:
        if joints == known_joints and names.size and all(map(pattern.fullmatch, names.tolist())):
            return dataset, None
    return path.stem, None


def _pack_bodies(x: NDArray, offsets: IntArray) -> tuple[NDArray[np.float32], IntArray]:
    """Rows of the bodies present, and their number in each clip."""
    frames, most = np.diff(offsets), x.shape[1]
    if most == 1:
        return np.asarray(x[:, 0], dtype=np.float32), np.ones(len(frames), dtype=np.int64)
    bodies = np.ones(len(frames), dtype=np.int64)
    parts = []
    for index, (begin, end) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
        block = x[begin:end]
        bodies[index] = count_unpadded(block[None], trim_frames=False)[1][0] if end > begin else 1
        parts.append(block[:, : bodies[index]])
    return concatenate(parts, int((frames * bodies).sum()), x.shape[2]), bodies


def _distinct_names(names: np.ndarray, view: IntArray) -> tuple[np.ndarray, tuple[str, ...]]:
    if len(np.unique(names)) == len(names):
        return names, ()
    with_view = np.char.add(np.char.add(names, "_v"), view.astype(str))
    if len(np.unique(with_view)) < len(names):
        return names, ()
    return with_view, ("names repeat across views: the view was appended to each (_v1, _v2, ...)",)


def read_ctrgcn(members: Members) -> Clips:
    """Clips from x_train, x_test (N, T, 75 or 150) and one-hot (N, C) or integer (N,) y_train, y_test.

    The layout of SGN, CTR-GCN, ConMLP and MAMP: 150 = 2 bodies x 25 joints x (x, y, z), zero-padded. The file
    names neither clips nor cameras: the clips are called train-000000, ..., test-000000, ..., and the split
    is the file's. Which dataset and protocol it is comes from the file's name (NTU60_CV, NTU120_CSet, ...),
    else from the number of classes and the size of the parts.
    """
    path = members.path
    missing = [key for key in CTRGCN_KEYS if key not in members]
    if missing:
        raise DataError(f"{path}: needs {', '.join(CTRGCN_KEYS)}; missing: {', '.join(missing)}")
    parts: list[NDArray[np.float32]] = []
    frames, bodies, labels, widths, lengths = [], [], [], [], []
    for part in ("train", "test"):
        x = members[f"x_{part}"]
        if x.ndim != 3 or x.shape[2] not in (75, 150) or x.dtype.kind != "f":
            raise DataError(
                f"{path}: 'x_{part}' is {x.dtype} {x.shape}, expected floats (clips, frames, 75 or 150)"
            )
        y, classes = _labels(members, part, len(x))
        labels.append(y)
        widths.append(classes)
        lengths.append(x.shape[1])
        step = max(1, _CHUNK_BYTES // max(1, x[:1].nbytes))
        for begin in range(0, len(x), step):
            block = np.asarray(x[begin : begin + step], dtype=np.float32)
            block = block.reshape(*block.shape[:2], -1, 25, 3)
            clip_frames, clip_bodies = count_unpadded(block, trim_frames=True)
            frames.append(clip_frames)
            bodies.append(clip_bodies)
            counts = zip(block, clip_frames.tolist(), clip_bodies.tolist(), strict=True)
            parts += [clip[:t, :m] for clip, t, m in counts]  # views: copied once, when the size is known
    train, test = len(labels[0]), len(labels[1])
    all_frames, all_bodies = np.concatenate(frames), np.concatenate(bodies)
    classes = max(widths)
    dataset, protocol = _dataset_and_protocol(path, classes, (train, test))
    unknown = np.zeros(train + test, dtype=np.int64)
    return Clips(
        joints=concatenate(parts, int((all_frames * all_bodies).sum()), 25),
        offsets=offsets_of(all_frames, all_bodies),
        bodies=all_bodies,
        label=np.concatenate(labels),
        names=np.array(
            [f"train-{i:06d}" for i in range(train)] + [f"test-{i:06d}" for i in range(test)], dtype=str
        ),
        subject=unknown,
        camera=unknown,
        setup=unknown,
        replication=unknown,
        skeleton=NTU_25,
        class_names=ntu.class_names(classes),
        dataset=dataset,
        length=max(lengths),
        max_bodies=ntu.MAX_BODIES,
        source=f"{path} (CTR-GCN npz)",
        splits={protocol: (np.arange(train), np.arange(train, train + test))},
        notes=("the file names neither clips, subjects nor cameras: only its own split can be used",),
    )


def _labels(members: Members, part: str, count: int) -> tuple[IntArray, int]:
    """Labels (count,) and the number of classes they allow."""
    y, path = members[f"y_{part}"], members.path
    if y.ndim == 2 and len(y) == count and y.shape[1]:
        if not (np.count_nonzero(y, axis=1) == 1).all():
            row = int(np.flatnonzero(np.count_nonzero(y, axis=1) != 1)[0])
            raise DataError(f"{path}: row {row} of 'y_{part}' is not one-hot")
        return np.argmax(y, axis=1).astype(np.int64), y.shape[1]
    if y.ndim == 1 and len(y) == count:
        labels = np.array(y, dtype=np.int64)
        if not np.array_equal(labels, y):
            raise DataError(f"{path}: 'y_{part}' holds values that are not whole numbers")
        return labels, 60 if labels.max(initial=0) < 60 else 120
    raise DataError(
        f"{path}: 'y_{part}' has shape {y.shape}, expected ({count},) or one-hot ({count}, classes)"
    )


def _dataset_and_protocol(path: Path, classes: int, counts: tuple[int, int]) -> tuple[str, str]:
    stem = re.sub("[^a-z0-9]", "", path.stem.lower())
    dataset = ntu.NTU_120 if "ntu120" in stem or classes > 60 else ntu.NTU_60
    for suffixes, protocol in (
        (("cv", "xview", "cview", "crossview"), "xview"),
        (("cset", "xset", "crosssetup"), "xset"),
        (("cs", "csub", "xsub", "crosssubject"), "xsub"),
    ):
        if stem.endswith(suffixes):
            return dataset, protocol
    for (official, protocol), sizes in ntu.OFFICIAL_COUNTS.items():
        if official == dataset and sizes == counts:
            return dataset, protocol
    return dataset, "file"
