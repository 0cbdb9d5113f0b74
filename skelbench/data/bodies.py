"""Which tracked bodies of an NTU recording are people, and where they go: one or two actors over T frames.

The rules and constants of the public pipeline (get_raw_skes_data and get_raw_denoised_data of SGN, CTR-GCN and others,
after HCN), quirks included: they decide what everybody trains on. Its motion thresholds are defined there but never
used, so they are not here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import DataError
from skelbench.data.skeleton_file import SkeletonFile

MIN_FRAMES = 12  #: a body of fewer frames is noise (noise_len_thres = 11)
MAX_SPREAD = (
    0.8  #: a frame in which a body is wider than this share of its height is noisy (noise_spr_thres1)
)
NOISY_SHARE = 0.69754  #: a body of which this share of frames is noisy is noise (noise_spr_thres2)

Array = NDArray[np.float32]


@dataclass
class _Body:
    joints: Array  #: (t, 25, 3)
    begin: int  #: first frame; a body that leaves and returns is closed up, so it ends at begin + t - 1
    motion: float = 0.0

    @property
    def end(self) -> int:
        return self.begin + len(self.joints) - 1


def actors(recording: SkeletonFile) -> tuple[Array, list[str]]:
    """The people of a recording and what was changed: (T, 1 or 2, 25, 3) in camera metres, and a line per change.

    T counts the frames that remain; T = 0 where nobody is left. Two places are given where more than one body passes
    the rules, even if the second then stays empty.

    Raises:
        DataError: a bodyID stands more than once in a frame.
    """
    changes: list[str] = []
    positions = np.ascontiguousarray(recording.positions)
    tracked = recording.bodies > 0
    frames = int(np.count_nonzero(tracked))
    if frames < recording.frames:
        changes.append(f"{recording.frames - frames} frames without a body left out")
    if not frames:
        return np.zeros((0, 1, 25, 3), dtype=np.float32), changes
    if (recording.ids == recording.ids[0]).all() and len(positions) == frames:
        return positions[:, None], changes

    bodies = _by_id(recording, positions)
    for body_id, body in list(bodies.items()):
        if len(body.joints) < MIN_FRAMES:
            del bodies[body_id]
            changes.append(f"body {body_id} left out: {len(body.joints)} frames")
    for body_id, body in list(bodies.items()):
        if len(bodies) <= 1:
            break
        spread = np.ptp(body.joints, axis=1)
        good = spread[:, 0] <= MAX_SPREAD * spread[:, 1]
        noisy = len(good) - int(np.count_nonzero(good))
        if noisy / len(good) >= NOISY_SHARE:
            del bodies[body_id]
            changes.append(f"body {body_id} left out: wider than high in {noisy} of {len(good)} frames")
        elif noisy:
            body.motion = min(body.motion, _motion(body.joints[good]))
    if not bodies:
        return np.zeros((0, 1, 25, 3), dtype=np.float32), changes

    placed = _place(bodies, frames, changes)
    present = placed.reshape(frames, -1).sum(axis=1) != 0
    if not present.all():
        changes.append(
            f"{frames - int(np.count_nonzero(present))} frames left out: nobody of those kept is there"
        )
        placed = placed[present]
    return placed, changes


def _by_id(recording: SkeletonFile, positions: Array) -> dict[int, _Body]:
    """Bodies in order of appearance."""
    # Frames are numbered without those that have no body.
    frame = np.repeat(np.arange(np.count_nonzero(recording.bodies)), recording.bodies[recording.bodies > 0])
    ids, first = np.unique(recording.ids, return_index=True)
    found = {}
    for body_id, at in sorted(zip(ids.tolist(), first.tolist(), strict=True), key=lambda pair: pair[1]):
        joints = positions[recording.ids == body_id]
        found[body_id] = body = _Body(joints, int(frame[at]), _motion(joints))
        if body.end > frame[-1]:
            raise DataError(f"body {body_id} is more than once in a frame")
    return found


def _motion(joints: Array) -> float:
    """Spread of all joints over all frames: the sum over x, y, z of their variance."""
    return float(np.sum(np.var(joints.reshape(-1, 3), axis=0)))


def _place(bodies: dict[int, _Body], frames: int, changes: list[str]) -> Array:
    """(frames, 1 or 2, 25, 3): the body of most motion first, then each other where there is room.

    Room is tested on inclusive ends, so one common frame counts as none, and is overwritten.
    """
    placed = np.zeros((frames, min(len(bodies), 2), 25, 3), dtype=np.float32)
    ordered = sorted(bodies.items(), key=lambda item: item[1].motion, reverse=True)
    (_, main), *others = ordered
    placed[main.begin : main.end + 1, 0] = main.joints
    taken = [[main.begin, main.end], [0, 0]]
    for body_id, body in others:
        for place, (begin, end) in enumerate(taken):
            if min(end, body.end) - max(begin, body.begin) <= 0:
                placed[body.begin : body.end + 1, place] = body.joints
                taken[place] = [min(begin, body.begin), max(end, body.end)]
                if place == 0:
                    changes.append(f"body {body_id} continues the first")
                break
        else:
            changes.append(f"body {body_id} left out: there is room for two")
    return placed
