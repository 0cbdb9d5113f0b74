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
from skelbench.data.presence import tidy

MIN_FRAMES = 12
"""A body of fewer frames is noise (noise_len_thres = 11)."""
MAX_SPREAD = 0.8
"""A frame in which a body is wider than this share of its height is noisy (noise_spr_thres1)."""
NOISY_SHARE = 0.69754
"""A body of which this share of frames is noisy is noise (noise_spr_thres2)."""

Array = NDArray[np.float32]


@dataclass
class _Body:
    joints: Array
    """(t, 25, 3)"""
    begin: int
    """First frame; a body that leaves and returns is closed up, so it ends at begin + t - 1."""
    good: NDArray[np.bool_] | None = None
    """Frames (t,) that are not noisy, where some are."""

    @property
    def end(self) -> int:
        return self.begin + len(self.joints) - 1

    @property
    def motion(self) -> float:
        """Spread of all joints over all frames, or over the good ones if that is less."""
        found = _motion(self.joints)
        return found if self.good is None else min(found, _motion(self.joints[self.good]))


def actors(tracked: NDArray[np.int32], ids: NDArray[np.uint64], positions: Array) -> tuple[Array, list[str]]:
    """The people of a recording and what was changed: (T, 1 or 2, 25, 3) in camera metres, and a line per change.

    `tracked` (F,), `ids` (B,) and `positions` (B, 25, 3) are bodies, ids and positions of a `SkeletonFile`.
    T counts the frames that remain; T = 0 where nobody is left. A second place that stays empty, as every other body
    continues the first, is none (`skelbench.data.presence`; the public scripts keep it, as zeros).

    Raises:
        DataError: a bodyID stands more than once in a frame.
    """
    changes: list[str] = []
    frames = int(np.count_nonzero(tracked))
    if frames < len(tracked):
        changes.append(f"{len(tracked) - frames} frames without a body left out")
    if not frames:
        return np.zeros((0, 1, 25, 3), dtype=np.float32), changes
    if len(positions) == frames and (ids == ids[0]).all():
        alone = positions[:, None]
        return alone if alone[0].any() and alone[-1].any() else tidy(alone).clip, changes

    bodies = _by_id(tracked, ids, positions)
    for body_id, body in list(bodies.items()):
        if len(body.joints) < MIN_FRAMES:
            del bodies[body_id]
            changes.append(f"body {body_id} left out: {len(body.joints)} frames")
    for body_id, body in list(bodies.items()):
        if len(bodies) <= 1:
            break
        by_joint = np.ascontiguousarray(
            body.joints[:, :, :2].transpose(1, 2, 0)
        )  # (25, 2, t): fast to reduce
        width, height = by_joint.max(axis=0) - by_joint.min(axis=0)
        good = width <= MAX_SPREAD * height
        noisy = len(good) - int(np.count_nonzero(good))
        if noisy / len(good) >= NOISY_SHARE:
            del bodies[body_id]
            changes.append(f"body {body_id} left out: wider than high in {noisy} of {len(good)} frames")
        elif noisy:
            body.good = good
    if not bodies:
        return np.zeros((0, 1, 25, 3), dtype=np.float32), changes

    placed = _place(bodies, frames, changes)
    present = placed.reshape(frames, -1).sum(axis=1) != 0
    if not present.all():
        changes.append(
            f"{frames - int(np.count_nonzero(present))} frames left out: nobody of those kept is there"
        )
        placed = placed[present]
    return tidy(placed).clip, changes


def _by_id(tracked: NDArray[np.int32], ids: NDArray[np.uint64], positions: Array) -> dict[int, _Body]:
    """Bodies in order of appearance."""
    # Frames are numbered without those that have no body.
    present = tracked[tracked > 0]
    frame = np.repeat(np.arange(len(present)), present)
    found = {}
    for body_id in dict.fromkeys(ids.tolist()):
        at = np.flatnonzero(ids == body_id)
        found[body_id] = body = _Body(positions[at], int(frame[at[0]]))
        if body.end > frame[-1]:
            raise DataError(f"body {body_id} is more than once in a frame")
    return found


def _motion(joints: Array) -> float:
    """Spread of all joints over all frames: the sum over x, y, z of their variance."""
    from skelbench.data import _skeleton_file  # to the bits of np.var, which takes twenty times as long

    return _skeleton_file.spread(joints)


def _place(bodies: dict[int, _Body], frames: int, changes: list[str]) -> Array:
    """(frames, 1 or 2, 25, 3): the body of most motion first, then each other where there is room.

    Room is tested on inclusive ends, so one common frame counts as none, and is overwritten.
    """
    placed = np.zeros((frames, min(len(bodies), 2), 25, 3), dtype=np.float32)
    ordered = list(bodies.items())
    if len(ordered) > 1:
        ordered.sort(key=lambda item: item[1].motion, reverse=True)
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
