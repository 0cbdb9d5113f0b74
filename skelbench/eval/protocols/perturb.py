"""Perturbed test clips: what a camera, a tracker or a slow machine does to a recording, in growing amounts.

A perturbation takes one clip (T, m, J, 3) to another; a body that is absent stays so. Every row is shown the same
perturbed clips: draws follow from the perturbation, its amount and the place of the clip.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skelbench.data import Clips
from skelbench.data.clips import IntArray, Skeleton
from skelbench.data.joints import landmarks, letters, parents
from skelbench.training.streams import Axes

Clip = NDArray[np.float32]
# Mean bone lengths in a centimetre, where the unit of the coordinates is not known to be a metre.
BONES_PER_CM = 0.05


@dataclass(frozen=True)
class Body:
    """What perturbations have to know of a data set."""

    limbs: list[list[int]]
    """Joints of each arm and leg."""
    up: int
    """Axis along which spines point."""
    cm: float
    """A centimetre in the unit of the coordinates."""

    @staticmethod
    def of(clips: Clips, train: IntArray) -> Body:
        """Measured on the training clips."""
        axes = Axes.of(clips, train)
        cm = 0.01 if clips.unit == "metre" else BONES_PER_CM * axes.unit
        return Body(limbs(clips.skeleton), axes.up, cm)


Perturb = Callable[[Clip, float, np.random.Generator, Body], Clip]


@dataclass(frozen=True)
class Perturbation:
    """One kind, and how much of it."""

    what: str
    amounts: tuple[float, ...]
    perturb: Perturb


def limbs(skeleton: Skeleton) -> list[list[int]]:
    """The joints of each arm and leg: from a hand or foot towards the root, as far as no other landmark's way goes.

    What hangs on them (fingers, toes) belongs to them. Without bones, the hand or foot alone.
    """
    above, names = parents(skeleton), letters(skeleton)

    def way(joint: int) -> list[int]:
        steps = [joint]
        while above[steps[-1]] != steps[-1]:
            steps.append(above[steps[-1]])
        return steps

    ends = landmarks(skeleton)
    ways = [set(way(end)) for end in ends]
    found = []
    for place, end in enumerate(ends):
        others = set().union(*ways[:place], *ways[place + 1 :])
        own = ways[place] - others - {skeleton.root}
        if own and not any(part in names[end] for part in ("head", "neck")):
            found.append([joint for joint in range(len(names)) if own & set(way(joint))])
    return found


def _joints(clip: Clip, share: float, rng: np.random.Generator, body: Body) -> Clip:
    count = clip.shape[2]
    lost = rng.permutation(count)[: round(share * count)]
    return _without(clip, lost)


def _limbs(clip: Clip, count: float, rng: np.random.Generator, body: Body) -> Clip:
    lost = rng.permutation(len(body.limbs))[: int(count)]
    return _without(clip, np.array(sorted({joint for limb in lost for joint in body.limbs[limb]}), dtype=int))


def _without(clip: Clip, joints: NDArray[np.int64]) -> Clip:
    left: Clip = clip.copy()
    left[:, :, joints] = 0
    return left


def _random_frames(clip: Clip, share: float, rng: np.random.Generator, body: Body) -> Clip:
    return clip[np.sort(rng.permutation(len(clip))[: _left(clip, share)])]


def _block_of_frames(clip: Clip, share: float, rng: np.random.Generator, body: Body) -> Clip:
    kept = _left(clip, share)
    begin = int(rng.integers(kept + 1))
    return np.concatenate([clip[:begin], clip[begin + len(clip) - kept :]])


def _regular_frames(clip: Clip, share: float, rng: np.random.Generator, body: Body) -> Clip:
    kept: Clip = clip[np.linspace(0, len(clip) - 1, _left(clip, share)).round().astype(int)]
    return kept


def _left(clip: Clip, share: float) -> int:
    """Frames that are left; at least one."""
    return max(1, round((1 - share) * len(clip)))


def _noise(clip: Clip, cm: float, rng: np.random.Generator, body: Body) -> Clip:
    there = clip.any(axis=(2, 3), keepdims=True)
    noise = rng.normal(scale=cm * body.cm, size=clip.shape).astype(np.float32)
    return clip + np.where(there, noise, np.float32(0))


def _yaw(clip: Clip, degrees: float, rng: np.random.Generator, body: Body) -> Clip:
    return _turned(clip, rng.choice([-1.0, 1.0]) * degrees, np.eye(3)[body.up])


def _tilt(clip: Clip, degrees: float, rng: np.random.Generator, body: Body) -> Clip:
    angle = rng.uniform(0, 2 * np.pi)
    horizontal = np.eye(3)[[axis for axis in range(3) if axis != body.up]]
    return _turned(clip, degrees, np.cos(angle) * horizontal[0] + np.sin(angle) * horizontal[1])


def _turned(clip: Clip, degrees: float, axis: NDArray[np.float64]) -> Clip:
    from scipy.spatial.transform import Rotation

    rotation = Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix()
    turned: Clip = (clip @ rotation.T).astype(np.float32)
    return turned


PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation("joints lost, share", (0.1, 0.2, 0.3, 0.4, 0.5), _joints),
    Perturbation("limbs lost", (1, 2), _limbs),
    Perturbation("frames lost at random, share", (0.25, 0.5, 0.75, 0.9), _random_frames),
    Perturbation("frames lost in a block, share", (0.25, 0.5, 0.75, 0.9), _block_of_frames),
    Perturbation("frames lost regularly, share", (0.25, 0.5, 0.75, 0.9), _regular_frames),
    Perturbation("noise, cm", (1, 2, 3, 4, 5), _noise),
    Perturbation("turned about the vertical, degrees", (15, 30, 45), _yaw),
    Perturbation("tilted, degrees", (5, 10, 20), _tilt),
)


def perturbed(clips: Clips, kind: Perturbation, amount: float, body: Body) -> Clips:
    """All clips, perturbed."""
    found = []
    for index in range(len(clips)):
        rng = np.random.default_rng((zlib.crc32(kind.what.encode()), round(1000 * amount), index))
        clip = kind.perturb(clips.clip(index), amount, rng, body)
        found.append(clip.reshape(-1, *clip.shape[2:]))
    counts = [len(rows) for rows in found]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return replace(clips, joints=np.concatenate(found), offsets=offsets)
