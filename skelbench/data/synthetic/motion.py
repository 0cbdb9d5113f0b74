"""Twelve actions of a jointed body: angles over time, and the 25 Kinect joints they place (forward kinematics).

Body axes: x to the person's left, y up, z forward; angles in radians, lengths in metres. At rest all angles
are zero: upright, limbs hanging down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_DEGREE = np.pi / 180


@dataclass(frozen=True)
class Build:
    """Lengths of one person's body, in metres; adult means after Winter, Biomechanics of Human Movement, table 4."""

    height: float = 1.72
    arm: float = 1.0
    """Relative to the mean proportions, as the three below."""
    leg: float = 1.0
    shoulders: float = 1.0
    trunk: float = 1.0

    @classmethod
    def random(cls, rng: np.random.Generator) -> Build:
        """The build of some adult."""
        return cls(rng.uniform(1.5, 1.92), *rng.uniform(0.93, 1.07, 2), *rng.uniform(0.9, 1.1, 2))


class Pose:
    """Angles (T,) by name, zero where not set; `travel` (T, 3) moves the body in its own axes, `lift` off the floor.

    Arms and legs are addressed by side: `pose["elbow", LEFT]`.
    """

    def __init__(self, frames: int) -> None:
        self.angles: defaultdict[object, Array] = defaultdict(lambda: np.zeros(frames))
        self.travel = np.zeros((frames, 3))
        self.lift = np.zeros(frames)
        self.yaw = np.zeros(frames)

    def __getitem__(self, name: object) -> Array:
        return self.angles[name]

    def add(self, name: object, degrees: Array | float) -> None:
        """Add to an angle."""
        self.angles[name] = self.angles[name] + np.asarray(degrees) * _DEGREE


LEFT, RIGHT = 1, -1


def _rotation(axis: int, angle: Array) -> Array:
    """Rotations (T, 3, 3) about a coordinate axis."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[:, axis, axis] = 1
    matrix[:, i, i] = matrix[:, j, j] = c
    matrix[:, j, i], matrix[:, i, j] = s, -s
    return matrix


def joint_positions(pose: Pose, build: Build) -> Array:
    """The 25 joints (T, 25, 3), y measured from the floor: the lowest foot stands on it, plus the pose's lift."""
    unit = build.height / 1.72
    trunk, arm, leg = unit * build.trunk, unit * build.arm, unit * build.leg
    joints = np.zeros((len(pose.yaw), 25, 3))

    def place(joint: int, parent: int, frame: Array, offset: tuple[float, float, float]) -> None:
        joints[:, joint] = joints[:, parent] + frame @ np.array(offset)

    pelvis = _rotation(1, pose.yaw)
    chest = pelvis @ _rotation(0, pose["bend"]) @ _rotation(2, pose["sway"]) @ _rotation(1, pose["twist"])
    head = chest @ _rotation(0, pose["nod"]) @ _rotation(1, pose["shake"])
    place(1, 0, chest, (0, 0.28 * trunk, 0))
    place(20, 1, chest, (0, 0.25 * trunk, 0))
    place(2, 20, chest, (0, 0.08 * trunk, 0))
    place(3, 2, head, (0, 0.14 * unit, 0.02))
    for side, shoulder, tip, thumb in ((LEFT, 4, 21, 22), (RIGHT, 8, 23, 24)):
        place(shoulder, 20, chest, (side * 0.175 * unit * build.shoulders, -0.03 * trunk, 0))
        upper = chest @ _rotation(2, side * pose["spread", side]) @ _rotation(0, -pose["raise", side])
        upper = upper @ _rotation(1, side * pose["turn", side])
        lower = upper @ _rotation(0, -pose["elbow", side])
        place(shoulder + 1, shoulder, upper, (0, -0.29 * arm, 0))
        place(shoulder + 2, shoulder + 1, lower, (0, -0.25 * arm, 0))
        place(shoulder + 3, shoulder + 2, lower, (0, -0.08 * arm, 0))
        place(tip, shoulder + 3, lower, (0, -0.09 * arm, 0))
        place(thumb, shoulder + 2, lower, (-side * 0.04, -0.07 * arm, 0.03))
    for side, hip in ((LEFT, 12), (RIGHT, 16)):
        place(hip, 0, pelvis, (side * 0.09 * unit, -0.06 * unit, 0))
        thigh = pelvis @ _rotation(2, side * pose["straddle", side]) @ _rotation(0, -pose["hip", side])
        shank = thigh @ _rotation(0, pose["knee", side])
        place(hip + 1, hip, thigh, (0, -0.42 * leg, 0))
        place(hip + 2, hip + 1, shank, (0, -0.41 * leg, 0))
        place(hip + 3, hip + 2, shank, (0, -0.06 * leg, 0.13 * leg))
    joints[:, :, 1] += pose.lift[:, None] - joints[:, :, 1].min(axis=1, keepdims=True)
    return joints + (pelvis @ pose.travel[:, :, None])[:, None, :, 0]


def ramp(time: Array, begin: float, end: float) -> Array:
    """0 before `begin`, 1 after `end`, smooth between."""
    x = np.clip((time - begin) / (end - begin), 0, 1)
    return x * x * (3 - 2 * x)


def pulse(time: Array, begin: float, end: float) -> Array:
    """Rises from 0 to 1 and falls back between `begin` and `end`."""
    quarter = (end - begin) / 3
    return ramp(time, begin, begin + quarter) - ramp(time, end - quarter, end)


@dataclass(frozen=True)
class Style:
    """How one performance differs: size of the movement, repetitions, where they begin, the side that leads."""

    size: float
    repeats: float
    phase: float
    """Radians."""
    side: int


def _drink(pose: Pose, time: Array, style: Style) -> None:
    held = pulse(time, 0.05, 0.95)
    pose.add(("raise", style.side), 45 * style.size * held)
    pose.add(("elbow", style.side), 125 * held)
    pose.add("nod", -18 * style.size * pulse(time, 0.3, 0.75))


def _throw(pose: Pose, time: Array, style: Style) -> None:
    back, forth = ramp(time, 0.1, 0.45), ramp(time, 0.5, 0.68)
    pose.add(("spread", style.side), 85 * style.size * (back - forth))
    pose.add(("turn", style.side), 80 * (back - forth))
    pose.add(("elbow", style.side), 100 * (back - forth))
    pose.add(("raise", style.side), 80 * style.size * (forth - ramp(time, 0.75, 1)))
    pose.add("twist", -style.side * 30 * style.size * (back - 2 * forth + ramp(time, 0.75, 1)))


def _sit(pose: Pose, time: Array, style: Style) -> None:
    down = ramp(time, 0.15, 0.8)
    for side in (LEFT, RIGHT):
        pose.add(("hip", side), 88 * down)
        pose.add(("knee", side), 88 * down)
        pose.add(("raise", side), 25 * style.size * down)
    pose.add("bend", 38 * style.size * pulse(time, 0.1, 0.9))
    pose.travel[:, 2] -= 0.35 * down


def _stand(pose: Pose, time: Array, style: Style) -> None:
    _sit(pose, 1 - time, style)


def _clap(pose: Pose, time: Array, style: Style) -> None:
    held = pulse(time, 0, 1)
    beat = 0.5 - 0.5 * np.cos(2 * np.pi * (2 + style.repeats) * time + style.phase)
    for side in (LEFT, RIGHT):
        pose.add(("raise", side), 45 * held)
        pose.add(("elbow", side), 70 * held)
        pose.add(("turn", side), -held * (35 - 45 * style.size * beat))


def _wave(pose: Pose, time: Array, style: Style) -> None:
    held = pulse(time, 0, 1)
    pose.add(("spread", style.side), 80 * style.size * held)
    pose.add(("turn", style.side), 85 * held)
    pose.add(
        ("elbow", style.side), held * (70 + 35 * np.sin(2 * np.pi * (1 + style.repeats) * time + style.phase))
    )


def _kick(pose: Pose, time: Array, style: Style) -> None:
    back, forth = pulse(time, 0.15, 0.5), pulse(time, 0.4, 0.85)
    pose.add(("hip", style.side), style.size * (75 * forth - 25 * back))
    pose.add(("knee", style.side), 80 * back + 10 * forth)
    pose.add("bend", -12 * style.size * forth)
    pose.add(("spread", -style.side), 30 * style.size * forth)


def _jump(pose: Pose, time: Array, style: Style) -> None:
    crouch = pulse(time, 0.1, 0.42) + pulse(time, 0.62, 0.95)
    flight = np.clip((time - 0.38) / 0.28, 0, 1)
    for side in (LEFT, RIGHT):
        pose.add(("hip", side), 55 * style.size * crouch)
        pose.add(("knee", side), 75 * style.size * crouch)
        pose.add(("raise", side), 100 * style.size * pulse(time, 0.25, 0.75) - 30 * pulse(time, 0.05, 0.35))
    pose.add("bend", 22 * crouch)
    pose.lift += 0.35 * style.size * 4 * flight * (1 - flight)


def _pick_up(pose: Pose, time: Array, style: Style) -> None:
    down = pulse(time, 0.08, 0.92)
    pose.add("bend", 85 * style.size * down)
    pose.add(("raise", style.side), 80 * down)
    for side in (LEFT, RIGHT):
        pose.add(("hip", side), 25 * down)
        pose.add(("knee", side), 40 * style.size * down)


def _walk(pose: Pose, time: Array, style: Style) -> None:
    step = 2 * np.pi * style.repeats * time + style.phase
    for side in (LEFT, RIGHT):
        swing = np.sin(step) * side * style.side
        pose.add(("hip", side), 28 * style.size * swing)
        pose.add(("knee", side), 18 + 22 * style.size * np.cos(step) * side * style.side)
        pose.add(("raise", side), -25 * style.size * swing)
    pose.travel[:, 2] += 0.55 * style.size * style.repeats * (time - 0.5)


def _punch(pose: Pose, time: Array, style: Style) -> None:
    blow = pulse(time, 0.25, 0.6)
    pose.add(("elbow", style.side), 110 * pulse(time, 0.05, 0.9) - 95 * blow)
    pose.add(("raise", style.side), 85 * style.size * blow)
    pose.add("twist", style.side * 25 * style.size * blow)
    pose.travel[:, 2] += 0.15 * style.size * blow


def _punched(pose: Pose, time: Array, style: Style) -> None:
    hit = ramp(time, 0.4, 0.55) - ramp(time, 0.75, 1)
    pose.add("bend", -25 * style.size * hit)
    pose.add("nod", -20 * hit)
    pose.travel[:, 2] -= 0.25 * style.size * hit
    pose.add(("hip", style.side), -15 * style.size * hit)


def _shake_hands(pose: Pose, time: Array, style: Style) -> None:
    held = pulse(time, 0.05, 0.95)
    beat = np.sin(2 * np.pi * (1 + style.repeats) * time + style.phase)
    pose.add(("raise", RIGHT), held * (40 + 6 * style.size * beat))
    pose.add(("elbow", RIGHT), held * (45 + 12 * style.size * beat))
    pose.add("bend", 8 * style.size * held)


Motion = Callable[[Pose, Array, Style], None]

ACTIONS: tuple[tuple[str, Motion, Motion | None], ...] = (
    ("drink", _drink, None),
    ("throw", _throw, None),
    ("sit down", _sit, None),
    ("stand up", _stand, None),
    ("clap", _clap, None),
    ("hand wave", _wave, None),
    ("kick", _kick, None),
    ("jump up", _jump, None),
    ("pick up", _pick_up, None),
    ("walk", _walk, None),
    ("punch", _punch, _punched),
    ("shake hands", _shake_hands, _shake_hands),
)
"""Name, motion of the first person, motion of the second where there is one."""

_IDLE = (
    "bend",
    "sway",
    "twist",
    "nod",
    "shake",
    *((a, s) for a in ("raise", "spread", "elbow") for s in (LEFT, RIGHT)),
)


def perform(motion: Motion, frames: int, style: Style, rng: np.random.Generator) -> Pose:
    """The angles of one performance: the motion at an uneven pace, on top of a posture that is never quite still."""
    pose = Pose(frames)
    time = np.linspace(0, 1, frames)
    begin, end = rng.uniform(0, 0.12), rng.uniform(0.88, 1)
    motion(pose, np.clip((time - begin) / (end - begin), 0, 1) ** rng.uniform(0.8, 1.25), style)
    for name in _IDLE:
        pose.add(
            name,
            rng.normal(0, 5)
            + rng.normal(0, 3) * np.sin(2 * np.pi * (rng.uniform(0.3, 1) * time + rng.random())),
        )
    for side in (LEFT, RIGHT):
        pose.add(("spread", side), rng.uniform(4, 14))
        pose.add(("elbow", side), rng.uniform(5, 25))
        pose.add(("straddle", side), rng.uniform(0, 8))
    return pose
