"""Preprocessing: the body to the origin, and on request upright with its shoulders along x; clips of bounded length."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data.checks import some
from skelbench.data.clips import Clips, DataError, IntArray, release
from skelbench.data.missing import clip_missing, origin_joints
from skelbench.data.packing import offsets_of
from skelbench.data.presence import present

ALIGNMENTS: dict[str, int | None] = {"body": 10, "body-median": None}
"""A clip's orientation is the median over its first so many usable frames; None: over all of them."""
MOST_FRAMES = 300
"""Frames of the longest clip, where nothing else is said: NTU RGB+D's own longest, the most of the public sets.

A padded row has as many frames as the longest clip, so one clip of three minutes would make every MLP ten times larger.
"""

_CHUNK = 4096  # clips
_MIN_LENGTH = 1e-3  # of spine and shoulder line, in the data's unit
_MIN_SINE = 0.1  # of the angle between them, about 6 degrees


def preprocess(clips: Clips, align: str = "none", length: int | None = None) -> Clips:
    """`clips` moved so that the root joint of the first body, in its first non-zero frame, is the origin.

    The rule of SGN's and CTR-GCN's seq_transformation: one translation per clip, for all frames and bodies;
    rows of a body that is absent stay zero. Applying it twice changes nothing, and clips that lie there
    already are returned without a copy. Where the skeleton has no joint in the middle, the origin is midway between the
    hips. A root of zeros was not found, unless the data were centred before: then the first frame that has it counts.

    Args:
        clips: the clips.
        align: "body": each clip is also rotated once, all bodies alike: y runs from the hips to the neck and x from the
            left to the right shoulder of the first body, as the median over its first 10 usable frames
            ("body-median": over all of them). It is a rotation, whatever the data's own axes (SBU's y points down).
            Where a clip's pose does not define it (spine and shoulders of no length or parallel) the clip is not
            rotated, and `notes` counts and names it.
        length: most frames of a clip, and the frames of a padded row; longer clips are resampled (`resampled`). None:
            MOST_FRAMES for longer clips, and the padded row stays as it is where there are none.

    Raises:
        DataError: the skeleton does not tell shoulders and spine; `align` is none of "none", "body" and "body-median";
            `length` is below 1.
    """
    if align != "none" and align not in ALIGNMENTS:
        raise DataError(f"align {align!r}: choose none, {' or '.join(ALIGNMENTS)}")
    clips = resampled(clips, length)
    origins, absent, late = _origins(clips)
    notes = list(clips.notes)
    if len(absent):
        which = some(clips.names[i] for i in absent)
        notes.append(f"{len(absent)} clips have nobody in any frame and were not moved: {which}")
    if len(late):
        which = some(clips.names[i] for i in late)
        notes.append(
            f"{len(late)} clips have no root joint in their first frame; a later one is the origin: {which}"
        )
    rotations = None
    if align != "none":
        rotations, degenerate = _rotations(clips, ALIGNMENTS[align])
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


def resampled(clips: Clips, length: int | None = None) -> Clips:
    """`clips` of at most `length` frames each, and with a padded row of `length`; None as `preprocess` says.

    A longer clip keeps its first and last frame and those between at even steps, each the nearest of its own frames:
    nothing is averaged, and the clip keeps its whole course.

    Raises:
        DataError: `length` is below 1.
    """
    if length is not None and length < 1:
        raise DataError(f"length {length}: at least 1 frame")
    most = length or MOST_FRAMES
    frames = clips.frames
    long = np.flatnonzero(frames > most)
    if not len(long):
        return clips if length is None or length == clips.length else replace(clips, length=length)
    kept = np.minimum(frames, most)
    offsets = offsets_of(kept, clips.bodies)
    joints = np.empty((int(offsets[-1]), *clips.joints.shape[1:]), dtype=np.float32)
    for index in range(len(clips)):
        clip = clips.clip(index)
        if frames[index] > most:
            clip = clip[np.round(np.linspace(0, len(clip) - 1, most)).astype(np.int64)]
        joints[offsets[index] : offsets[index + 1]] = clip.reshape(-1, *clips.joints.shape[1:])
    numbers = clips.max_bodies * clips.joints.shape[1] * 3
    longest = int(frames.max())
    note = (
        f"{len(long)} clips of more than {most:,} frames were resampled to {most:,} evenly spread ones of their own; "
        f"at the {longest:,} of the longest, an MLP's input would have {longest * numbers:,} numbers instead of "
        f"{most * numbers:,} (--length sets it): {some(clips.names[i] for i in long)}"
    )
    # A clip lasts as long as before.
    fps = None if clips.fps is None else clips.fps * np.where(frames > most, most / frames, 1.0)
    return replace(clips, joints=joints, offsets=offsets, length=most, fps=fps, notes=(*clips.notes, note))


def origin_of(
    clip: NDArray[np.float32], origin: tuple[int, ...], centred: bool = False
) -> NDArray[np.float32] | None:
    """Mean of the joints `origin` of the first body of a clip (T, m, J, 3), in the first frame that has them, (3,).

    A frame has them where the body is present and none is zero or NaN; where no frame has, and in data that were
    `centred` before, where zero is the origin, the body's first counts. None where nobody is in any frame.
    """
    for body in range(clip.shape[1]):
        joints = clip[:, body]
        there = np.flatnonzero(present(joints))
        if len(there):
            has = there if centred else there[~clip_missing(joints[there][:, list(origin)]).any(axis=1)]
            frame = has[0] if len(has) else there[0]
            return _mean(joints[frame], origin)
    return None


def _mean(body: NDArray[Any], joints: tuple[int, ...]) -> NDArray[Any]:
    """Mean of some joints (..., J, 3), (..., 3); of one joint, itself to the bit."""
    if len(joints) == 1:
        return np.array(body[..., joints[0], :])
    mean: NDArray[Any] = body[..., list(joints), :].mean(axis=-2)
    return mean


def moved(rows: NDArray[np.float32], origin: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bodies (R, J, 3) with `origin` (3,) subtracted; the rows of absent bodies, all zero, stay zero."""
    flat = rows.reshape(len(rows), -1)
    # Over whole rows: numpy takes ten times as long over runs of three.
    result = flat - origin[np.arange(flat.shape[1]) % 3]
    for row in np.flatnonzero(flat[:, 0] == 0).tolist():
        if not flat[row].any():
            result[row] = 0
    return result.reshape(rows.shape)


def _origins(clips: Clips) -> tuple[NDArray[np.float32], IntArray, IntArray]:
    """Origin of each clip (N, 3), the clips without anybody, and those whose origin is not in their first frame."""
    joints = clips.skeleton.origin
    origins = np.zeros((len(clips), 3), dtype=np.float32)
    ready = np.zeros(len(clips), dtype=bool)
    lacking = np.zeros(len(clips), dtype=bool)
    some_frames = np.flatnonzero(np.diff(clips.offsets) > 0)
    for begin in range(0, len(some_frames), _CHUNK):
        part = some_frames[begin : begin + _CHUNK]
        first = np.asarray(clips.joints[clips.offsets[part]])
        origins[part] = _mean(first, joints)
        ready[part] = present(first)
        lacking[part] = ready[part] & clip_missing(first[:, list(joints)]).any(axis=1)
        release(clips.joints)
    centred = bool((~ready | lacking).any()) and set(joints) <= set(origin_joints(clips))
    if centred:
        lacking[:] = False
    absent = []
    for index in np.flatnonzero(~ready | lacking).tolist():
        origin = origin_of(clips.clip(index), joints, centred)
        if origin is None:
            absent.append(index)
        else:
            origins[index] = origin
    return origins, np.array(absent, dtype=np.int64), np.flatnonzero(lacking)


def _first_person(clip: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first body that is in any frame, in the frames in which it is, (T', J, 3)."""
    there = present(clip)
    body = int(np.argmax(there.any(axis=0))) if len(clip) else 0
    person: NDArray[np.float32] = clip[there[:, body], body]
    return person


def _rotations(clips: Clips, frames: int | None) -> tuple[NDArray[np.float64], IntArray]:
    """Rotation matrices (N, 3, 3), rows = the new axes, and the clips that do not define one (identity).

    The median over the first so many usable frames, or over all.
    """
    skeleton = clips.skeleton
    lower, upper = skeleton.spine
    if skeleton.left_shoulder is None or skeleton.right_shoulder is None or not lower or not upper:
        raise DataError(
            f"{clips.source}: align=body needs joints named as left and right shoulder, hip (or pelvis, or left and "
            f"right hip) and neck (or head); this skeleton has {some(skeleton.joint_names, 40)}"
        )
    spine, shoulders = np.zeros((len(clips), 3)), np.zeros((len(clips), 3))
    for index in range(len(clips)):
        body = _first_person(clips.clip(index)).astype(np.float64)
        left, right = body[:, skeleton.left_shoulder], body[:, skeleton.right_shoulder]
        hip, neck = _mean(body, lower), _mean(body, upper)
        usable = np.flatnonzero((left != right).any(axis=1) & (hip != neck).any(axis=1))[:frames]
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
