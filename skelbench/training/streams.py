"""The input of every row on resampled clips: packed clips in, float32 (B, bodies, frames, joints, channels) out.

Here is what a plan and a data set say of it: the times of a batch, what is drawn for its views, the vertical and the
unit of length. `skelbench.ops.resampled_streams` does the rest in one pass, on the device of the packed rows.

A clip of several people keeps a place for each. All lengths and directions are measured from the first body: its root,
its landmarks, its yaw; so the channels of a second body also say where it stands. A body that is absent, throughout or
in some frames, is zero there in every channel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from skelbench.data.clips import Clips, IntArray, Skeleton
from skelbench.data.joints import landmarks, mirrored, parents, torso_pairs
from skelbench.models.stream_shape import StreamShape
from skelbench.ops import JointMaps, RaggedClips, Streams, View, resampled_streams
from skelbench.ops.views import channel_count
from skelbench.training.augmentation import draw_times, draw_view, plain_times
from skelbench.training.plan import Plan

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
    """

    def __init__(self, skeleton: Skeleton, plan: Plan, axes: Axes, bodies: int) -> None:
        self.skeleton = skeleton
        self.plan = plan
        self.axes = axes
        self.bodies = bodies
        self.joints = joint_maps(skeleton)

    def shape(self, classes: int) -> StreamShape:
        """What the batches look like to a model."""
        channels = channel_count(self.plan.streams, len(self.joints.landmarks))
        return StreamShape(
            self.bodies, self.plan.frames, self.joints.joints, channels, classes, self.skeleton.edges
        )

    def plain(self, clips: RaggedClips) -> Tensor:
        """The clips as they are, from their first frame to their last."""
        return self._streams(clips, plain_times(len(clips), self.plan.frames), self.plan.streams).channels

    def view(self, clips: RaggedClips, generator: torch.Generator, hidden: Tensor | None = None) -> Tensor:
        """One random view of each clip, by the plan's augmentation; `generator` is on the CPU.

        Joints at `hidden`, bool (B, M, J), lie at their body's root.
        """
        plan, count = self.plan, len(clips)
        times = draw_times(count, plan.frames, plan.augmentation, generator)
        view = draw_view(count, self.bodies, plan.frames, plan.augmentation, generator, self.joints)
        if hidden is not None:
            view = replace(view, hidden=hidden if view.hidden is None else hidden | view.hidden)
        return self._streams(clips, times, plan.streams, view).channels

    def positions(self, clips: RaggedClips, times: Tensor) -> tuple[Tensor, Tensor]:
        """Levelled positions (B, M, T, J, 3) in mean bone lengths at `times` (B, T), and who is there (B, M, T)."""
        return self._streams(clips, times, ("levelled",))

    def _streams(
        self, clips: RaggedClips, times: Tensor, streams: tuple[str, ...], view: View | None = None
    ) -> Streams:
        device, axes = clips.joints.device, self.axes
        return resampled_streams(
            clips,
            times.to(device),
            self.joints,
            streams,
            places=self.bodies,
            up=axes.up,
            unit=axes.unit,
            view=view and view.to(device),
        )


def joint_maps(skeleton: Skeleton) -> JointMaps:
    """What the input of rows on resampled clips knows of a skeleton's joints."""
    return JointMaps(
        root=skeleton.root,
        origin=tuple(skeleton.origin),
        mirrored=tuple(mirrored(skeleton)),
        parents=tuple(parents(skeleton)),
        landmarks=tuple(landmarks(skeleton)),
        torso=tuple(torso_pairs(skeleton)),
    )
