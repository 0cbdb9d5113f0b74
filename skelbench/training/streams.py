"""The input of every row on resampled clips: packed clips in, float32 (B, bodies, frames, joints, channels) out.

The steps, batched over clips on the device of the packed rows, no padded array in between:

1. `resample`: every clip at the plan's number of times, interpolated between its own frames.
2. `level`: y up, x along the shoulders and hips: yaw is removed, the mean over the sampled frames; tilt stays.
3. `augment`, in training views only (skelbench.training.augmentation).
4. `stack`: streams side by side as channels.

A clip of several people keeps a place for each. All lengths and directions are measured from the first body: its root,
its landmarks, its yaw; so the channels of a second body also say where it stands. A body that is absent, throughout or
in some frames, is zero there in every channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from skelbench.data.clips import Clips, IntArray, Skeleton
from skelbench.models.stream_shape import StreamShape
from skelbench.ops import RaggedClips
from skelbench.training.augmentation import augment, draw_times, hide, plain_times
from skelbench.training.joints import JointMaps
from skelbench.training.plan import Plan, Stream

# Displacements between sampled frames are this much smaller than positions; factor for motion and speeds.
MOTION = 8.0
# Numbers of a joint among the invariants, besides the distances to landmarks.
INVARIANTS = 6
# Below this share of agreement between frames, a clip has no direction.
_DIRECTED = 0.01
# Training clips that the unit and the vertical are measured on.
_MEASURED = 1000


@dataclass(frozen=True)
class Axes:
    """What a data set's coordinates mean, measured on its training clips."""

    up: int
    """The axis that spines point along: 0, 1 or 2."""
    unit: float
    """Mean bone length."""

    @staticmethod
    def of(clips: Clips, train: IntArray) -> Axes:
        """Measure the training clips. Without a named spine, the axis is y; without bones, the unit is 1."""
        skeleton = clips.skeleton
        lower, upper = skeleton.spine
        some = train[np.linspace(0, len(train) - 1, min(_MEASURED, len(train))).astype(int)]
        child, parent = (
            (list(side) for side in zip(*skeleton.edges, strict=True)) if skeleton.edges else ([], [])
        )
        spine, bones = np.zeros(3), []
        for index in some:
            body = clips.clip(int(index))[:, 0]
            body = body[body.any(axis=(1, 2))].astype(np.float64)
            if not len(body):
                continue
            if lower and upper:
                line = body[:, list(upper)].mean(1) - body[:, list(lower)].mean(1)
                spine += np.abs(np.median(line, axis=0))
            if child:
                bones.append(np.linalg.norm(body[:, child] - body[:, parent], axis=2).mean())
        unit = float(np.median(bones)) if bones else 1.0
        return Axes(int(spine.argmax()) if spine.any() else 1, unit if unit > 0 else 1.0)


class StreamInput:
    """Packed clips to streams, for one skeleton and one plan.

    Args:
        skeleton: of the clips.
        plan: streams, frames and augmentation.
        axes: of the data set.
        bodies: places for people.
        device: of the packed clips.
    """

    def __init__(self, skeleton: Skeleton, plan: Plan, axes: Axes, bodies: int, device: torch.device) -> None:
        self.skeleton = skeleton
        self.plan = plan
        self.axes = axes
        self.bodies = bodies
        self.joints = JointMaps.of(skeleton, device)

    def shape(self, classes: int) -> StreamShape:
        """What the batches look like to a model."""
        channels = sum(channel_count(stream, len(self.joints.landmarks)) for stream in self.plan.streams)
        joints = len(self.skeleton.joint_names)
        return StreamShape(self.bodies, self.plan.frames, joints, channels, classes, self.skeleton.edges)

    def plain(self, clips: RaggedClips) -> Tensor:
        """The clips as they are, from their first frame to their last."""
        times = plain_times(len(clips), self.plan.frames)
        return self.channels(*self.positions(clips, times))

    def view(self, clips: RaggedClips, generator: torch.Generator, hidden: Tensor | None = None) -> Tensor:
        """One random view of each clip, by the plan's augmentation; `generator` is on the CPU.

        Joints at `hidden`, bool (B, M, J), lie at their body's root.
        """
        strengths = self.plan.augmentation
        times = draw_times(len(clips), self.plan.frames, strengths, generator)
        positions, present = self.positions(clips, times)
        positions = augment(positions, strengths, generator, self.joints)
        if hidden is not None:
            positions = hide(positions, hidden.to(positions.device), self.joints.root)
        return self.channels(positions, present)

    def positions(self, clips: RaggedClips, times: Tensor) -> tuple[Tensor, Tensor]:
        """Levelled positions (B, M, T, J, 3) in mean bone lengths at `times` (B, T), and who is there (B, M, T)."""
        sampled, present = resample(clips, times.to(clips.joints.device), self.bodies)
        return level(sampled / self.axes.unit, present, self.axes.up, self.joints), present

    def channels(self, positions: Tensor, present: Tensor) -> Tensor:
        """The plan's streams of positions (B, M, T, J, 3), and zeros where a body is absent."""
        return stack(positions, present, self.plan.streams, self.joints)


def resample(clips: RaggedClips, times: Tensor, bodies: int) -> tuple[Tensor, Tensor]:
    """Clips at given times, linear between their frames.

    Between a frame in which a body is absent (all zero) and one in which it is there, the latter is taken.

    Args:
        clips: B packed clips; frames before `start` and padding are not part of a clip.
        times: float (B, T) in [0, 1], from a clip's first frame to its last.
        bodies: M, places for people; a clip's further bodies are left out.

    Returns:
        Positions (B, M, T, J, 3), zero where absent, and bool (B, M, T), who is there.
    """
    last = (clips.frames - 1)[:, None]
    at = times * last
    first = torch.minimum(at.floor().long(), last)
    second = torch.minimum(first + 1, last)
    share = (at - first).to(clips.joints.dtype)[:, None]
    body = torch.arange(bodies, device=first.device)
    exists = (body < clips.bodies[:, None])[:, :, None]

    def frames(index: Tensor) -> tuple[Tensor, Tensor]:
        rows = clips.offsets[:, None, None] + index[:, None] * clips.bodies[:, None, None] + body[:, None]
        found = clips.joints[torch.where(exists, rows, clips.offsets[:, None, None])]
        return found, exists & (found != 0).flatten(3).any(3)

    (before, before_there), (after, after_there) = frames(first), frames(second)
    # A frame that is hit exactly does not ask whether the next one is there.
    left, right = (1 - share) * before_there, share * after_there
    total = left + right
    present = total > 0
    total = torch.where(present, total, 1.0)
    mixed = (left / total)[..., None, None] * before + (right / total)[..., None, None] * after
    return mixed, present


def level(positions: Tensor, present: Tensor, up: int, joints: JointMaps) -> Tensor:
    """Positions (B, M, T, J, 3) with y up, turned about it so that the first body's left side lies along +x.

    A frame's direction is that of the sum of the lines from right to left shoulder and hip, on the floor; the clip's is
    their mean over the frames in which the first body is there. A clip whose directions cancel out is not turned, nor
    is a skeleton whose names tell no such pairs.
    """
    if up != 1:
        order = [1, 0, 2] if up == 0 else [0, 2, 1]
        positions = positions[..., order]
    if not len(joints.torso):
        return positions
    first = positions[:, 0]
    across = (first[:, :, joints.torso[:, 0]] - first[:, :, joints.torso[:, 1]]).sum(2)
    # Frame by frame a direction on the floor; their mean turns with the body, which a median by coordinates does not.
    directions = F.normalize(across[..., ::2], dim=-1) * present[:, 0, :, None]
    total = directions.sum(1)
    known = torch.linalg.vector_norm(total, dim=1) > _DIRECTED * positions.shape[2]
    cos, sin = F.normalize(total, dim=1).unbind(1)
    cos, sin = (torch.where(known, *pair)[:, None, None, None] for pair in ((cos, 1.0), (sin, 0.0)))
    px, py, pz = positions.unbind(-1)
    return torch.stack([cos * px + sin * pz, py, cos * pz - sin * px], -1)


def stack(positions: Tensor, present: Tensor, streams: tuple[Stream, ...], joints: JointMaps) -> Tensor:
    """Streams of positions (B, M, T, J, 3), y up, side by side: float (B, M, T, J, channels).

    - `position`: from the first body's root in the first frame (3).
    - `joint`: from the first body's root in the same frame; the root's own place holds its `position` (3).
    - `bone`: from the joint's parent; zero without one (3).
    - `motion`: MOTION times the displacement to the next sampled frame; zero in the last (3).
    - `invariant`: what no rotation about the vertical changes: distance to the root, its horizontal part, height above
      it, speed, its horizontal part, rising speed, and the distances to the landmarks (6 + landmarks). All are taken
      from the first body's root and landmarks in the same frame; speeds as in `motion`.

    `present` bool (B, M, T): all channels are zero where a body is absent.
    """
    root = positions[:, :1, :, joints.origin].mean(3, keepdim=True)
    found: list[Tensor] = []
    needs_motion = {"motion", "invariant"} & set(streams)
    motion = _motion(positions, present) if needs_motion else positions
    for stream in streams:
        if stream == "position":
            found.append(positions - root[:, :, :1])
        elif stream == "joint":
            relative = positions - root
            relative[:, :1, :, joints.root] = (root - root[:, :, :1])[:, :, :, 0]
            found.append(relative)
        elif stream == "bone":
            found.append(positions - positions[..., joints.parents, :])
        elif stream == "motion":
            found.append(motion)
        else:
            relative = positions - root
            found += [_lengths(relative), _lengths(motion)]
            found.append(_distances(positions, positions[:, :1, :, joints.landmarks]))
    return torch.cat(found, -1) * present[..., None, None]


def channel_count(stream: Stream, landmarks: int) -> int:
    """Channels of a stream for a skeleton with so many landmarks."""
    return INVARIANTS + landmarks if stream == "invariant" else 3


def _motion(positions: Tensor, present: Tensor) -> Tensor:
    both = (present[:, :, 1:] & present[:, :, :-1])[..., None, None]
    steps = MOTION * (positions[:, :, 1:] - positions[:, :, :-1]) * both
    return F.pad(steps, (0, 0, 0, 0, 0, 1))


def _lengths(vectors: Tensor) -> Tensor:
    """Length, horizontal length and vertical part of vectors (..., 3): (..., 3)."""
    x, y, z = vectors.unbind(-1)
    horizontal = x * x + z * z
    return torch.stack([(horizontal + y * y).sqrt(), horizontal.sqrt(), y], -1)


def _distances(points: Tensor, marks: Tensor) -> Tensor:
    """Distances (..., J, L) of points (..., J, 3) from marks (..., L, 3)."""
    # Axis by axis: a norm over runs of three takes several times as long.
    total: Tensor | None = None
    for point, mark in zip(points.unbind(-1), marks.unbind(-1), strict=True):
        square = (point[..., None] - mark[..., None, :]).square_()
        total = square if total is None else total.add_(square)
    assert total is not None
    return total.sqrt_()
