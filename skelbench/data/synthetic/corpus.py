"""The synthetic corpus: what is trained on where there is no data, in NTU RGB+D's own terms.

A performance (a subject of their own build doing one of twelve actions, some with a second person) is seen by
three cameras 45 degrees apart, each with its own noise, occlusions and drop-outs, as NTU RGB+D was recorded:
facing camera 2 in the first replication and camera 3 in the second, so that camera 1 always looks at 45
degrees.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelbench.data import ntu
from skelbench.data.clips import Clips, DataError
from skelbench.data.packing import concatenate
from skelbench.data.synthetic.motion import ACTIONS, LEFT, RIGHT, Build, Style, joint_positions, perform

CAMERAS = 3
# Of the corpus in memory, per second; half of Kinect's, so that a small machine trains on it.
FRAME_RATE = 15

_AZIMUTH = {1: 0.0, 2: -np.pi / 4, 3: np.pi / 4}  # of each camera, seen from the performer
_LIMBS = ((5, 6, 7, 21, 22), (9, 10, 11, 23, 24), (13, 14, 15), (17, 18, 19))  # what is occluded together
_QUANTUM = 2.0**-12  # coordinates are rounded to 0.24 mm, so that last-bit differences of sin and cos vanish


class Performance(NamedTuple):
    """One performance in the world: metres, y up from the floor, z towards camera 1."""

    setup: int
    subject: int
    replication: int
    action: int
    """1-based."""
    people: NDArray[np.float64]
    """(T, 1 or 2, 25, 3)."""


def performances(
    count: int, seed: int, *, subjects: int = 8, mean_frames: float = 48, most_frames: int = 75
) -> Iterator[Performance]:
    """`count` performances, balanced over actions, then subjects, replications and setups."""
    for index in range(count):
        action = index % len(ACTIONS)
        subject = index // len(ACTIONS) % subjects
        replication = index // (len(ACTIONS) * subjects) % 2
        round_ = index // (len(ACTIONS) * subjects * 2)
        rng = np.random.default_rng([seed, 0, index])
        setup = (subject + 3 * replication + round_ * 5) % 17
        frames = int(
            np.clip(mean_frames * np.exp(rng.normal(-0.05, 0.32)), max(8, mean_frames / 2), most_frames)
        )
        people = _people(action, subject, replication, frames, seed, rng)
        yield Performance(setup + 1, subject + 1, replication + 1, action + 1, people)


def _people(
    action: int, subject: int, replication: int, frames: int, seed: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    facing = _AZIMUTH[2 + replication] + rng.uniform(-1.2, 1.2)
    distance = rng.uniform(0.8, 1.1)
    people = []
    for role, motion in enumerate(ACTIONS[action][1:]):
        if motion is None:
            continue
        # A subject keeps build and manner in every clip; the second person is another subject.
        person = np.random.default_rng([seed, 1, subject + 1000 * role])
        build = Build.random(person)
        side = LEFT if rng.random() < 0.4 else RIGHT
        size = person.uniform(0.75, 1.1) * rng.uniform(0.85, 1.1)
        pose = perform(
            motion, frames, Style(size, rng.uniform(1.2, 2.6), rng.uniform(0, 2 * np.pi), side), rng
        )
        pose.yaw += facing + np.pi * role
        pose.travel[:, 2] -= distance / 2 if len(ACTIONS[action]) > 2 and ACTIONS[action][2] else 0
        people.append(joint_positions(pose, build))
    spot = np.array([rng.normal(0, 0.2), 0, rng.normal(0, 0.2)])
    placed: NDArray[np.float64] = np.stack(people, axis=1) + spot
    return placed


def observe(performance: Performance, camera: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """What a Kinect reports of it: (T', m, 25, 3), metres, y up, z away from the camera; absent bodies are 0.

    T' can be less than the performance's frames: frames in which nobody was tracked are not recorded.
    """
    # The three recordings of a performance do not start and end on the same frame.
    late, early = rng.integers(0, len(performance.people) // 4, 2)
    people_seen = performance.people[late : len(performance.people) - early]
    joints = _in_camera(people_seen, camera, performance.setup)
    frames, people = joints.shape[:2]
    for body in range(people):
        joints[:, body] += _noise(joints[:, body], rng)
    tracked = np.ones((frames, people), dtype=bool)
    for body in range(people):
        if rng.random() < (0.25 if people > 1 else 0.1):
            begin = int(rng.integers(0, frames))
            tracked[begin : begin + int(rng.integers(2, max(3, frames // 5))), body] = False
    joints[~tracked] = 0
    seen = tracked.any(axis=1)
    joints = joints[seen]
    spread = joints.reshape(len(joints), people, -1, 3).var(axis=(0, 2)).sum(axis=-1)
    joints = joints[:, np.argsort(-spread, kind="stable")]
    return (np.round(joints / _QUANTUM) * _QUANTUM).astype(np.float32)


def _in_camera(world: NDArray[np.float64], camera: int, setup: int) -> NDArray[np.float64]:
    """World to camera coordinates; the setup decides the camera's distance, height and tilt."""
    azimuth = _AZIMUTH[camera]
    distance, height = 2.4 + 0.35 * (setup % 5), 0.9 + 0.3 * (setup % 3)
    sine, cosine = np.sin(azimuth), np.cos(azimuth)
    towards = np.array([sine, 0, cosine])
    axes = np.array([[-cosine, 0, sine], [0, 1, 0], -towards])
    tilt = np.arctan2(height - 0.9, distance)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    seen: NDArray[np.float64] = (world - towards * distance - np.array([0, height, 0])) @ (turn @ axes).T
    return seen


def _noise(body: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Sensor noise (slow and fast), worse on the far side of the body, and limbs lost for a while: what to add."""
    frames = len(body)
    far = np.clip((body[:, :, 2:] - body[:, 1:2, 2:]) / 0.3, 0, 1)
    fast = rng.normal(0, 0.006, body.shape)
    knots = rng.normal(0, 0.03, (frames // 8 + 2, *body.shape[1:]))
    slow = np.stack(
        [np.interp(np.arange(frames) / 8, np.arange(len(knots)), k) for k in knots.reshape(len(knots), -1).T]
    )
    noise = (fast + slow.T.reshape(body.shape)) * (1 + 2 * far)
    for limb in _LIMBS:
        if rng.random() < 0.35:
            begin = int(rng.integers(0, frames))
            end = begin + int(rng.integers(3, max(4, frames // 3)))
            # The tracker keeps the limb where it last was relative to the trunk, plus a wrong guess.
            guess = rng.normal(0, 0.15, 3)
            stuck = body[begin, limb] - body[begin, 1] + guess + body[begin:end, 1:2]
            noise[begin:end, limb] += stuck - body[begin:end, limb]
    return noise


def clip_name(performance: Performance, camera: int) -> str:
    """SsssCcccPpppRrrrAaaa."""
    p = performance
    return f"S{p.setup:03d}C{camera:03d}P{p.subject:03d}R{p.replication:03d}A{p.action:03d}"


def synthetic_corpus(clips: int = 720, seed: int = 0) -> Clips:
    """`clips` clips of 12 actions by 8 subjects or more under 3 cameras, 18 to 60 frames at 15 a second.

    The same `clips` and `seed` give the same corpus.

    Raises:
        DataError: fewer than 36 clips (one of each class and camera) are asked for.
    """
    if clips < len(ACTIONS) * CAMERAS:
        raise DataError(f"a synthetic corpus needs at least {len(ACTIONS) * CAMERAS} clips, not {clips}")
    count = -(-clips // CAMERAS)
    subjects = int(np.clip(count // (2 * len(ACTIONS)), 8, 40))
    parts, names = [], []
    for index, performance in enumerate(performances(count, seed, subjects=subjects)):
        for camera in range(1, CAMERAS + 1):
            rng = np.random.default_rng([seed, 2, index, camera])
            parts.append(observe(performance, camera, rng))
            names.append(clip_name(performance, camera))
    parts, names = parts[:clips], names[:clips]
    frames = np.array([part.shape[0] for part in parts], dtype=np.int64)
    bodies = np.array([part.shape[1] for part in parts], dtype=np.int64)
    return ntu.clips_by_name(
        names,
        concatenate(parts, int((frames * bodies).sum()), 25),
        frames,
        bodies,
        class_names=tuple(name for name, *_ in ACTIONS),
        dataset="synthetic",
        length=int(frames.max()),  # not the 300 of NTU: the main job shall run in minutes without any data
        source=f"synthetic corpus (clips={clips}, seed={seed})",
        synthetic=True,
        fps=np.full(len(names), float(FRAME_RATE)),
    )
