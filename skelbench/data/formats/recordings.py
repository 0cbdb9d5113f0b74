"""Recordings that are a file each: raw NTU .skeleton files and BVH, labelled by a table beside them, or not at all.

BVH is read by pybvh (the extra `bvh`): positions by forward kinematics, end sites included. All files of a folder must
have one skeleton.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data.assemble import Reading
from skelbench.data.bodies import actors
from skelbench.data.clips import Clips, DataError, Skeleton
from skelbench.data.formats.tables import LabelTable
from skelbench.data.packing import Packer
from skelbench.data.preprocess import moved, origin_of
from skelbench.data.regular import regular
from skelbench.data.skeleton_file import read_positions
from skelbench.data.skeletons import NTU_25, skeleton_from

ENDINGS = (".skeleton", ".bvh")

NO_BODY = "no body in any frame"
NOBODY_LEFT = "no body passes the noise rules"
TOO_LARGE = "coordinates too large to be moved to the origin"

RawClip = tuple[NDArray[np.float32] | None, list[str]]
"""Joints (T, m, 25, 3) and what was changed, or None and why the clip is left out."""


def read_raw(path: str) -> RawClip:
    """The people of a .skeleton file by the rules of the public pipeline, moved to the origin."""
    try:
        tracked, ids, positions = read_positions(path)
        clip, changes = actors(tracked, ids, positions)
    except DataError as error:
        return None, [str(error)]
    if not len(clip):
        return None, [NOBODY_LEFT if tracked.any() else NO_BODY]
    origin = origin_of(clip, NTU_25.origin)
    if origin is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            clip = moved(clip.reshape(-1, 25, 3), origin).reshape(clip.shape)
        if not np.isfinite(clip).all():
            return None, [TOO_LARGE]
    return clip, changes


def recordings_in(folder: Path) -> list[Path]:
    """The files of a folder that are recordings, by name; all of the ending that comes first in ENDINGS."""
    for ending in ENDINGS:
        found = sorted(path for path in folder.iterdir() if path.suffix == ending)
        if found:
            return found
    return []


def read_recordings(
    paths: Sequence[Path], table: LabelTable | None = None, where: Path | None = None, required: bool = True
) -> Clips:
    """Clips of such files, one each.

    Args:
        paths: the files, all .skeleton or all .bvh.
        table: what they are labelled by; None: names as NTU's tell, else labels stay unknown (-1).
        where: the folder, for `Clips.source`; None: the first file.
        required: whether every file must be in the table.

    Raises:
        DataError: a file cannot be read, or holds no body; it is named.
    """
    where = where or paths[0]
    endings = sorted({path.suffix for path in paths})
    if len(endings) > 1:
        raise DataError(f"{where}: recordings of one kind at a time, not {' and '.join(endings)}")
    for path in paths:
        regular(path)
    notes: list[str] = []
    rates: list[float] | None = None
    if endings == [".skeleton"]:
        packer, skeleton = Packer(25, padded=False), NTU_25
        for path in paths:
            clip, remarks = read_raw(os.fspath(path))
            if clip is None:
                raise DataError(remarks[0] if str(path) in remarks[0] else f"{path}: {remarks[0]}")
            notes += remarks
            packer.add(clip)
    else:
        packer, skeleton, rates = _bvh(paths)
    reading = Reading.packed(where, f"{endings[0]} recordings", packer, skeleton)
    names = [path.stem for path in paths]
    reading.names = np.array(names, dtype=str)
    reading.fps = rates
    if table is not None:
        table.describe(reading, names, required)
    if endings == [".skeleton"]:
        reading.unit = "metre"
    if notes:
        reading.notes = (*reading.notes, f"{len(notes)} changes by the noise rules, the first: {notes[0]}")
    return reading.clips()


def _bvh(paths: Sequence[Path]) -> tuple[Packer, Skeleton, list[float] | None]:
    """The clips, their skeleton, and the frames a second of each; None where one of them states no time."""
    rates: list[float] = []
    packer: Packer | None = None
    first: Skeleton | None = None
    for path in paths:
        joints, skeleton, seconds = _read_bvh(path)
        if math.isfinite(seconds) and seconds > 0:
            rates.append(1 / seconds)
        if packer is None or first is None:
            packer, first = Packer(joints.shape[1], padded=False), skeleton
        elif skeleton != first:
            raise DataError(f"{path}: has another skeleton than {paths[0].name}")
        packer.add(joints[:, None])
    assert packer is not None
    assert first is not None
    return packer, first, rates if len(rates) == len(paths) else None


def _read_bvh(path: Path) -> tuple[NDArray[np.float32], Skeleton, float]:
    """Positions (T, J, 3) in the file's unit, the skeleton, and the seconds of a frame; end sites are joints, too."""
    try:
        from pybvh import read_bvh_file
    except ImportError:
        raise DataError(f"{path}: reading BVH needs pybvh: pip install 'skelbench[bvh]'") from None
    try:
        with warnings.catch_warnings():
            # Which way is up plays no part in the positions.
            warnings.simplefilter("ignore")
            bvh: Any = read_bvh_file(path)
            joints = np.asarray(bvh.node_positions(), dtype=np.float32)
            names = [node.name for node in bvh.nodes]
            edges = [(int(child), int(parent)) for child, parent in bvh.node_edges]
            seconds = float(bvh.frame_time)
    except Exception as error:  # the library raises what it meets in a damaged file
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: not a readable BVH file: {reason}") from None
    return joints, skeleton_from(names, edges), seconds
