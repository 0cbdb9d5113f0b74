"""The public three-script NTU preprocessing in plain Python and numpy: the oracle of `skelbench.prepare` and its peer.

Written from the description of the pipeline of SGN (Zhang et al., CVPR 2020; after HCN), which CTR-GCN and others use:
read, choose and clean bodies, move to the origin. One file at a time, text split by Python, as those scripts do it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Body = dict[str, Any]
Joints = NDArray[np.float32]

LENGTH = 11
SPREAD = 0.8
NOISY_RATIO = 0.69754


def read(text: str) -> tuple[dict[str, Body], int]:
    """Bodies by id, each with its joints (T * 25, 3), interval and motion; and the number of frames with a body."""
    lines = iter(text.split("\n"))
    bodies: dict[str, Body] = {}
    valid = -1
    for _ in range(int(next(lines))):
        count = int(next(lines))
        if count == 0:
            continue
        valid += 1
        for _ in range(count):
            body_id = next(lines).split()[0]
            joints = np.zeros((int(next(lines)), 3), dtype=np.float32)
            colors = np.zeros((1, len(joints), 2), dtype=np.float32)
            for j in range(len(joints)):
                fields = next(lines).split()
                joints[j] = np.array(fields[:3], dtype=np.float32)
                colors[0, j] = np.array(fields[5:7], dtype=np.float32)
            if body_id not in bodies:
                bodies[body_id] = {"joints": joints, "colors": colors, "interval": [valid]}
            else:
                body = bodies[body_id]
                body["joints"] = np.vstack((body["joints"], joints))
                body["colors"] = np.vstack((body["colors"], colors))
                body["interval"].append(body["interval"][-1] + 1)
    if len(bodies) > 1:
        for body in bodies.values():
            body["motion"] = np.sum(np.var(body["joints"], axis=0))
    return bodies, valid + 1


def choose(bodies: dict[str, Body], frames: int) -> Joints | None:
    """Joints (T, 75) of one actor or (T, 150) of two, or None where no body is left."""
    if not bodies:
        return None
    if len(bodies) == 1:
        return place_one(next(iter(bodies.values())), frames)
    bodies = {key: body for key, body in bodies.items() if len(body["interval"]) > LENGTH}
    if not bodies:
        return None
    for key in list(bodies):
        if len(bodies) == 1:
            break
        body = bodies[key]
        points = body["joints"].reshape(-1, 25, 3)
        spread = points.max(axis=1) - points.min(axis=1)
        good = spread[:, 0] <= SPREAD * spread[:, 1]
        noisy = len(good) - good.sum()
        if noisy / len(good) >= NOISY_RATIO:
            del bodies[key]
        elif noisy:
            body["motion"] = min(body["motion"], np.sum(np.var(points[good].reshape(-1, 3), axis=0)))
    alone = len(bodies) == 1
    joints = place_one(next(iter(bodies.values())), frames) if alone else place_two(bodies, frames)
    kept: Joints = joints[joints.sum(axis=1) != 0]
    return kept


def place_one(body: Body, frames: int) -> Joints:
    """Joints (frames, 75), zero where the body is not there."""
    joints = np.zeros((frames, 75), dtype=np.float32)
    joints[body["interval"][0] : body["interval"][-1] + 1] = body["joints"].reshape(-1, 75)
    return joints


def place_two(bodies: dict[str, Body], frames: int) -> Joints:
    """The body of most motion, and whom else there is room for: (frames, 150)."""
    ordered = sorted(bodies.values(), key=lambda body: body["motion"], reverse=True)
    joints = np.zeros((frames, 150), dtype=np.float32)
    taken = [ordered[0]["interval"][0], ordered[0]["interval"][-1]], [0, 0]
    joints[taken[0][0] : taken[0][1] + 1, :75] = ordered[0]["joints"].reshape(-1, 75)
    for body in ordered[1:]:
        begin, end = body["interval"][0], body["interval"][-1]
        for slot in (0, 1):
            if min(taken[slot][1], end) - max(taken[slot][0], begin) <= 0:
                joints[begin : end + 1, slot * 75 : slot * 75 + 75] = body["joints"].reshape(-1, 75)
                taken[slot][:] = min(taken[slot][0], begin), max(taken[slot][1], end)
                break
    return joints


def to_origin(joints: Joints) -> Joints:
    """Joint 2 of the first actor, in its first frame that is not zero, becomes the origin."""
    first = 0
    while first < len(joints) and not joints[first, :75].any():
        first += 1
    if first == len(joints):
        return joints
    actors = joints.shape[1] // 75
    moved: Joints = joints - np.tile(joints[first, 3:6], 25 * actors)
    if actors == 2:
        for slot in (0, 1):
            part = slice(slot * 75, slot * 75 + 75)
            moved[joints[:, part].sum(axis=1) == 0, part] = 0
    return moved


def prepare_file(path: Path) -> Joints | None:
    """Joints (T, 75 or 150) of one .skeleton file, as the pipeline stores them before padding."""
    joints = choose(*read(path.read_text()))
    return None if joints is None else to_origin(joints)
