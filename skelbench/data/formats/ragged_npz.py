"""The ragged layout: clips concatenated in time, as an .npz (or as HDF5, with the same keys).

x (R, M, J, 3), offsets (N + 1,), label, names (N,), class_names, joint_names, edges (E, 2); optional: root (a joint
number), subject, view, setup, rep (N,), split (N,) or train, test, validation, part-NAME (clip numbers), unit, dataset,
length, synthetic, fps (frames a second: one number, or (N,)).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data.assemble import Reading, column, marked_names
from skelbench.data.clips import Clips, DataError, IntArray, Skeleton
from skelbench.data.formats.arrays import Arrays, Rows, flag, text, texts, whole
from skelbench.data.formats.files import written
from skelbench.data.packing import CHUNK_BYTES, Packer
from skelbench.data.presence import present
from skelbench.data.rates import written_fps
from skelbench.data.skeletons import skeleton_from
from skelbench.data.splits import named_parts

KEYS = ("x", "offsets", "label", "names", "class_names", "joint_names", "edges")
PARTS = ("train", "test", "validation")
"""What the numbers 0, 1, 2 of `split` mean; also keys of arrays of clip indices, in its place."""

PART = "part-"
"""Begins the key of an array of clip indices of a part of any name."""

_COLUMNS = {"subject": "subject", "view": "camera", "setup": "setup", "rep": "replication"}


def read_ragged(arrays: Arrays, form: str = "ragged npz", labels_required: bool = True) -> Clips:
    """Clips of a ragged file; bodies are tidied (`skelbench.data.presence`).

    `split` gives each clip the name of its part, or 0 train, 1 test, 2 validation. Where names repeat and the view
    tells them apart (UI-PRMD), "_v1", "_v2" is appended to all of them.

    Raises:
        DataError: a key is missing, or an array does not fit the others.
    """
    path = arrays.path
    needed = KEYS if labels_required else tuple(key for key in KEYS if key not in ("label", "class_names"))
    missing = [key for key in needed if key not in arrays]
    if missing:
        raise DataError(f"{path}: a ragged file needs {', '.join(KEYS)}; missing: {', '.join(missing)}")
    joint_names, offsets, names = texts(arrays, "joint_names"), _offsets(arrays), None
    x = arrays.rows("x")
    if len(x.shape) != 4 or x.shape[2:] != (len(joint_names), 3) or not x.shape[1]:
        raise DataError(f"{path}: 'x' has shape {x.shape}, expected (frames, bodies, {len(joint_names)}, 3)")
    if x.dtype.kind not in "fiu":
        raise DataError(f"{path}: 'x' is {x.dtype}, expected floating point or integers")
    if offsets[-1] != x.shape[0]:
        raise DataError(f"{path}: 'offsets' ends at {offsets[-1]}, but 'x' has {x.shape[0]} frames")
    count = len(offsets) - 1
    names = np.asarray(arrays["names"])
    if names.shape != (count,) or names.dtype.kind not in "US":
        raise DataError(
            f"{path}: 'names' must be {count} strings, one per clip; found {names.shape} {names.dtype}"
        )
    skeleton, notes = _skeleton(path, joint_names, np.asarray(arrays["edges"]))
    if "root" in arrays:
        skeleton = replace(skeleton, root=_root(arrays, len(joint_names)), centred=True)
    label: NDArray[Any] | None = None
    if "label" in arrays:
        label = np.asarray(arrays["label"])
        if label.dtype.kind in "US" and label.shape == (count,):
            label = np.array(texts(arrays, "label"), dtype=str)
        else:
            label = column(path, "label", label, count)
    reading = _read_joints(arrays, form, offsets, skeleton)
    reading.names = np.array(texts(arrays, "names"), dtype=str)
    reading.label = label
    reading.class_names = tuple(texts(arrays, "class_names")) if "class_names" in arrays else None
    reading.columns = {
        ours: column(path, key, np.asarray(arrays[key]), count)
        for key, ours in _COLUMNS.items()
        if key in arrays
    }
    reading.parts = parts_of(arrays, count)
    reading.unit = text(arrays, "unit", "")
    reading.dataset = text(arrays, "dataset", "") or None
    reading.length = whole(arrays, "length")
    reading.synthetic = flag(arrays, "synthetic")
    reading.fps = np.asarray(arrays["fps"]) if "fps" in arrays else None
    reading.notes = (*reading.notes, *notes)
    return reading.clips()


def _offsets(arrays: Arrays) -> IntArray:
    offsets = np.asarray(arrays["offsets"])
    if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or not len(offsets):
        raise DataError(
            f"{arrays.path}: 'offsets' is {offsets.dtype} {offsets.shape}, expected integers (clips + 1,)"
        )
    offsets = offsets.astype(np.int64)
    if offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise DataError(f"{arrays.path}: 'offsets' must start at 0 and never fall")
    return offsets


def _root(arrays: Arrays, joints: int) -> int:
    root = np.asarray(arrays["root"])
    if root.size != 1 or root.dtype.kind not in "iu" or not 0 <= int(root.reshape(-1)[0]) < joints:
        raise DataError(f"{arrays.path}: 'root' should be a joint number from 0 to {joints - 1}")
    return int(root.reshape(-1)[0])


def _skeleton(path: Path, joint_names: list[str], edges: NDArray[Any]) -> tuple[Skeleton, tuple[str, ...]]:
    if edges.size and (edges.dtype.kind not in "iu" or edges.ndim != 2 or edges.shape[1] != 2):
        raise DataError(f"{path}: 'edges' is {edges.dtype} {edges.shape}, expected integers (bones, 2)")
    pairs = (
        [(int(child), int(parent)) for child, parent in edges.reshape(-1, 2).tolist()] if edges.size else []
    )
    return skeleton_checked(path, joint_names, pairs)


def skeleton_checked(
    path: Path, joint_names: list[str], edges: list[tuple[int, int]]
) -> tuple[Skeleton, tuple[str, ...]]:
    """A skeleton of a file, and what was changed: a joint paired with itself is the root, a bone counts once.

    Raises:
        DataError: a bone names a joint that is not there.
    """
    joints = len(joint_names)
    outside = [joint for edge in edges for joint in edge if not 0 <= joint < joints]
    if outside:
        lowest = min(joint for edge in edges for joint in edge)
        hint = "; they begin at 1: subtract 1" if lowest == 1 and max(outside) == joints else ""
        raise DataError(f"{path}: 'edges' names joints outside 0..{joints - 1} ({outside[0]}){hint}")
    kept = list(dict.fromkeys(edge for edge in edges if edge[0] != edge[1]))
    notes = []
    selves = [child for child, parent in edges if child == parent]
    if selves:
        named = ", ".join(joint_names[joint] for joint in dict.fromkeys(selves))
        notes.append(
            f"{len(selves)} bones join a joint with itself ({named}): they name the root, and are left out"
        )
    repeated = len(edges) - len(selves) - len(kept)
    if repeated:
        notes.append(f"{repeated} bones are named twice, and count once")
    return skeleton_from(joint_names, kept, selves[0] if selves else None), tuple(notes)


def _read_joints(arrays: Arrays, form: str, offsets: IntArray, skeleton: Skeleton) -> Reading:
    """The packed joints; those of one body, as float32, stay memory-mapped."""
    x = arrays.rows("x")
    if x.shape[1] == 1 and x.dtype == np.float32 and isinstance(mapped := arrays.mapped("x"), np.memmap):
        frames = np.diff(offsets)
        if _is_tidy(mapped, offsets):
            rows = np.asarray(mapped[:, 0])
            return Reading(arrays.path, form, rows, frames, np.ones(len(frames), dtype=np.int64), skeleton)
    packer = Packer(x.shape[2], padded=False)
    for block_offsets, block in _blocks(x, offsets):
        for begin, end in pairwise(block_offsets.tolist()):
            packer.add(block[begin:end])
    return Reading.packed(arrays.path, form, packer, skeleton)


def _is_tidy(x: NDArray[Any], offsets: IntArray) -> bool:
    """Whether clips of one body need no tidying: each begins and ends with a body."""
    some = np.diff(offsets) > 0
    return all(present(x[ends, 0]).all() for ends in (offsets[:-1][some], offsets[1:][some] - 1))


def _blocks(x: Rows, offsets: IntArray) -> Iterator[tuple[IntArray, NDArray[Any]]]:
    """Whole clips of about CHUNK_BYTES: their offsets in the block, and the block (frames, M, J, 3)."""
    row = int(np.prod(x.shape[1:])) * x.dtype.itemsize
    step = max(1, CHUNK_BYTES // max(1, row))
    begin = 0
    while begin < len(offsets) - 1:
        end = int(np.searchsorted(offsets, offsets[begin] + step, side="right")) - 1
        end = max(end, begin + 1)
        yield offsets[begin : end + 1] - offsets[begin], x.read(int(offsets[end] - offsets[begin]))
        begin = end


def parts_of(arrays: Arrays, count: int) -> dict[str, IntArray]:
    """The parts of a file of `count` clips: its key `split`, or clip numbers under `train`, `test`, `part-NAME`.

    Raises:
        DataError: they do not fit the clips.
    """
    path = arrays.path
    if "split" in arrays:
        split = np.asarray(arrays["split"])
        if split.shape != (count,):
            raise DataError(f"{path}: 'split' has shape {split.shape}, expected ({count},), one per clip")
        if split.dtype.kind in "iu":
            if split.size and not 0 <= int(split.min()) <= int(split.max()) < len(PARTS):
                raise DataError(
                    f"{path}: 'split' should hold 0 (train), 1 (test), 2 (validation), or names of parts"
                )
            return {
                part: np.flatnonzero(split == value)
                for value, part in enumerate(PARTS)
                if (split == value).any()
            }
        named = np.array(texts(arrays, "split"))
        return {part: np.flatnonzero(named == part) for part in dict.fromkeys(named.tolist()) if part}
    found = {}
    keys = {key: key.removeprefix(PART) for key in arrays if key in PARTS or key.startswith(PART)}
    for key, part in keys.items():
        indices = np.asarray(arrays[key])
        inside = not indices.size or 0 <= int(indices.min()) <= int(indices.max()) < count
        if indices.dtype.kind not in "iu" or indices.ndim != 1 or not inside:
            raise DataError(f"{path}: '{key}' should hold clip numbers from 0 to {count - 1}")
        found[part] = indices.astype(np.int64)
    return found


def ragged_arrays(clips: Clips) -> dict[str, NDArray[Any]]:
    """The arrays of a ragged file of these clips, bodies padded to the most of them."""
    frames, most = clips.frames, int(clips.bodies.max(initial=1))
    x = np.zeros((int(frames.sum()), most, *clips.joints.shape[1:]), dtype=np.float32)
    offsets = np.concatenate([[0], np.cumsum(frames)]).astype(np.int64)
    for index in range(len(clips)):
        clip = clips.clip(index)
        x[offsets[index] : offsets[index + 1], : clip.shape[1]] = clip
    arrays = {
        "x": x,
        "offsets": offsets,
        "label": clips.label,
        "names": marked_names(clips),
        "class_names": np.array(clips.class_names, dtype=str),
        "joint_names": np.array(clips.skeleton.joint_names, dtype=str),
        "edges": np.array(clips.skeleton.edges, dtype=np.int64).reshape(-1, 2),
        **{key: getattr(clips, ours) for key, ours in _COLUMNS.items()},
        **({"root": np.array(clips.skeleton.root)} if clips.skeleton.centred else {}),
        "unit": np.array(clips.unit),
        "dataset": np.array(clips.dataset),
        "length": np.array(clips.length),
        "synthetic": np.array(clips.synthetic),
        **({} if (fps := written_fps(clips)) is None else {"fps": np.array(fps)}),
    }
    for name, indices in named_parts(clips).items():
        arrays[f"{PART}{name}"] = indices
    return arrays


def write_ragged(clips: Clips, path: Path) -> Path:
    """Writes a ragged npz, uncompressed, so that it can be memory-mapped."""

    def write(partial: Path) -> None:
        with open(partial, "wb") as file:
            np.savez(file, **ragged_arrays(clips))  # type: ignore[arg-type]

    return written(path, write)
