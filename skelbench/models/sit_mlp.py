"""SiT-MLP: gate units instead of graph convolutions.

Zhang et al., "SiT-MLP: A Simple MLP with Point-wise Topology Feature Learning for Skeleton-based Action Recognition",
2023; sizes from the authors' code.

652,132 parameters with its classifier on NTU RGB+D (2 x 25 joints, 60 classes), 626,122 on NW-UCLA (20, 10).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.graphs import (
    BodyNorm,
    MultiScaleTemporal,
    Shortcut,
    initialise,
    mean_over_clip,
    mean_over_people,
    mix_joints,
)
from skelbench.models.stream_shape import StreamEncoder, StreamShape

# (inputs, outputs, stride over time) of each unit.
UNITS = ((64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1))
HEADS = 4


class Gate(nn.Module):
    """One half of the channels is mixed over joints, and gated by the other half, mixed likewise.

    Both mixing matrices (HEADS, J, J) are free: the first begins as the identity, the gate's as zero.
    (B, width, T, J) -> the same.
    """

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
        self.topology = nn.Parameter(torch.eye(joints).repeat(HEADS, 1, 1))
        self.gate = nn.Parameter(torch.zeros(HEADS, joints, joints))
        self.merge = nn.Conv2d(width, width, 1)

    def forward(self, clips: Tensor) -> Tensor:
        """Gated clips beside their residual."""
        halves = F.gelu(self.widen(self.norm(clips))).chunk(2, 1)
        values, gates = (
            norm(half).unflatten(1, (HEADS, -1)) for norm, half in zip(self.norms, halves, strict=True)
        )
        mixed = mix_joints(values, self.topology) + values * mix_joints(gates, self.gate)
        return F.relu(self.merge(mixed.flatten(1, 2)) + clips)


class Unit(nn.Module):
    """A gate over joints, a multi-scale convolution over time, and a residual."""

    def __init__(self, inputs: int, outputs: int, stride: int, joints: int) -> None:
        super().__init__()
        self.gate = Gate(inputs, joints)
        self.temporal = MultiScaleTemporal(inputs, outputs, stride)
        self.shortcut = Shortcut(inputs, outputs, stride)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, inputs, T, J) -> (B, outputs, T / stride, J)."""
        return F.relu(self.temporal(self.gate(clips)) + self.shortcut(clips))


class SiTMLP(StreamEncoder):
    """Streams (B, M, T, J, C) -> representations (B, 256)."""

    def __init__(self, shape: StreamShape) -> None:
        super().__init__()
        first = UNITS[0][0]
        self.width = UNITS[-1][1]
        self.embed = nn.Linear(shape.channels, first)
        self.joint = nn.Parameter(torch.randn(shape.joints, first))
        self.norm = BodyNorm(shape.bodies, shape.joints, first)
        self.units = nn.Sequential(*(Unit(*sizes, shape.joints) for sizes in UNITS))
        for module in self.modules():
            if isinstance(module, Gate):
                initialise(module.widen)
                initialise(module.merge)

    def forward(self, streams: Tensor) -> Tensor:
        """Representations, the mean over the people of a clip."""
        clips = self.norm(self.embed(streams) + self.joint)
        return mean_over_people(mean_over_clip(self.units(clips)), streams)
