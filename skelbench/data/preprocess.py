"""Preprocessing: the body to the origin, and on request upright with its shoulders along x."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skelbench.data.checks import some
from skelbench.data.clips import Clips, DataError, IntArray, release

ALIGN_FRAMES = 10  #: a clip's orientation is the median over its first so many usable frames

_CHUNK = 4096  # clips
_MIN_LENGTH = 1e-3  # of spine and shoulder line, in the data's unit
_MIN_SINE = 0.1  # of the angle between them, about 6 degrees


def preprocess(clips: Clips, align: str = "none") -> Clips:
    """`clips` moved so that the root joint of the first body, in its first non-zero frame, is the origin.

    The rule of SGN's and CTR-GCN's seq_transformation: one translation per clip, for all frames and bodies;
    rows of a body that is absent stay zero. Applying it twice changes nothing, and clips that lie there
    already are returned without a copy. With `align="body"` each clip is also rotated once, all bodies alike:
    y runs from the hips to the neck and x from the left to the right shoulder of the first body, as the
    median over its first ALIGN_FRAMES usable frames. It is a rotation, whatever the data's own axes (SBU's y
    points down). Where a clip's pose does not define it (spine and shoulders of no length or parallel) the
    clip is not rotated, and `notes` counts and names it.

    Raises:
        DataError: the skeleton does not tell shoulders and spine; `align` is neither "none" nor "body".
    """
    if align not in ("none", "body"):
        raise DataError(f"align {align!r}: choose none or body")
    origins, absent = _origins(clips)
    notes = list(clips.notes)
    if len(absent):
        which = some(clips.names[i] for i in absent)
        notes.append(f"{len(absent)} clips have an all-zero first body and were not moved: {which}")
    rotations = None
    if align == "body":
        rotations, degenerate = _rotations(clips)
        if len(degenerate):
            which = some(clips.names[i] for i in degenerate)
            notes.append(
                f"{len(degenerate)} clips were not aligned (no spine or shoulder line to go by): {which}"
            )
    if rotations is None and not origins.any():
        return replace(clips, notes=tuple(notes))

    joints = np.empty(clips.joints.shape, dtype=np.float32)
    turn = None if rotations is None else rotations.transpose(0, 2, 1).astype(np.float32)
    for index, (begin, end) in enumerate(pairwise(clips.offsets.tolist())):
        rows = moved(clips.joints[begin:end], origins[index])
        joints[begin:end] = rows if turn is None else rows @ turn[index]
    return replace(clips, joints=joints, notes=tuple(notes))


def origin_of(clip: NDArray[np.float32], root: int) -> NDArray[np.float32] | None:
    """Joint `root` of the first body of a clip (T, m, J, 3) in its first non-zero frame, (3,).

    None where the first body is never there.
    """
    body = clip[:, 0]
    if body[0].any():
        return np.array(body[0, root])
    seen = np.flatnonzero(body.any(axis=(1, 2)))
    return np.array(body[seen[0], root]) if len(seen) else None


def moved(rows: NDArray[np.float32], origin: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bodies (R, J, 3) with `origin` (3,) subtracted; the rows of absent bodies, all zero, stay zero."""
    flat = rows.reshape(len(rows), -1)
    # Over whole rows: numpy takes ten times as long over runs of three.
    result = flat - origin[np.arange(flat.shape[1]) % 3]
    for row in np.flatnonzero(flat[:, 0] == 0).tolist():
        if not flat[row].any():
            result[row] = 0
    return result.reshape(rows.shape)


def _origins(clips: Clips) -> tuple[NDArray[np.float32], IntArray]:
    """Root of the first body in its first non-zero frame, (N, 3), and the clips whose first body is never there."""
    origins = np.empty((len(clips), 3), dtype=np.float32)
    present = np.empty(len(clips), dtype=bool)
    for begin in range(0, len(clips), _CHUNK):
        first = np.asarray(clips.joints[clips.offsets[:-1][begin : begin + _CHUNK]])
        origins[begin : begin + _CHUNK] = first[:, clips.skeleton.root]
        present[begin : begin + _CHUNK] = first.any(axis=(1, 2))
        release(clips.joints)
    absent = []
    for index in np.flatnonzero(~present).tolist():
        origin = origin_of(clips.clip(index), clips.skeleton.root)
        if origin is None:
            absent.append(index)
        else:
            origins[index] = origin
    return origins, np.array(absent, dtype=np.int64)


def _rotations(clips: Clips) -> tuple[NDArray[np.float64], IntArray]:
    """Rotation matrices (N, 3, 3), rows = the new axes, and the clips that do not define one (identity)."""
    skeleton = clips.skeleton
    named = (skeleton.left_shoulder, skeleton.right_shoulder, skeleton.hip, skeleton.neck)
    roles = [joint for joint in named if joint is not None]
    if len(roles) < len(named):
        raise DataError(
            f"{clips.source}: align=body needs joints named as left and right shoulder, hip (or pelvis) and neck "
            f"(or head); this skeleton has {', '.join(skeleton.joint_names)}"
        )
    spine, shoulders = np.zeros((len(clips), 3)), np.zeros((len(clips), 3))
    for index in range(len(clips)):
        body = clips.clip(index)[:, 0]
        left, right, hip, neck = body[:, roles].transpose(1, 0, 2).astype(np.float64)
        usable = np.flatnonzero((left != right).any(axis=1) & (hip != neck).any(axis=1))[:ALIGN_FRAMES]
        if len(usable):
            spine[index] = np.median(neck[usable] - hip[usable], axis=0)
            shoulders[index] = np.median(right[usable] - left[usable], axis=0)
    height, width = np.linalg.norm(spine, axis=1), np.linalg.norm(shoulders, axis=1)
    up = spine / np.maximum(height, _MIN_LENGTH)[:, None]
    across = shoulders / np.maximum(width, _MIN_LENGTH)[:, None]
    across -= (across * up).sum(axis=1, keepdims=True) * up
    sine = np.linalg.norm(across, axis=1)
    degenerate = (height < _MIN_LENGTH) | (width < _MIN_LENGTH) | (sine < _MIN_SINE)
    across /= np.maximum(sine, _MIN_SINE)[:, None]
    rotations = np.stack([across, up, np.cross(across, up)], axis=1)
    rotations[degenerate] = np.eye(3)
    return rotations, np.flatnonzero(degenerate)
