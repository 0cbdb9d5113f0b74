"""ST-GCN as first published: fixed bones with learned importance, and kernels of nine frames.

Yan et al., "Spatial Temporal Graph Convolutional Networks for Skeleton-Based Action Recognition", AAAI 2018, sections
3.3 to 4.1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.graphs import Shortcut, UnitStack, initialise

KERNEL = 9
DROPOUT = 0.5


class Unit(nn.Module):
    """Graph convolution, then a convolution over nine frames, beside a residual, which the first unit lacks."""

    adjacency: Tensor

    def __init__(self, inputs: int, outputs: int, stride: int, first: bool, adjacency: Tensor) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.importance = nn.Parameter(torch.ones_like(adjacency))
        self.joints = nn.Conv2d(inputs, outputs * len(adjacency), 1)
        time = nn.Conv2d(outputs, outputs, (KERNEL, 1), (stride, 1), (KERNEL // 2, 0))
        self.time = nn.Sequential(
            nn.BatchNorm2d(outputs), nn.ReLU(), time, nn.BatchNorm2d(outputs), nn.Dropout(DROPOUT)
        )
        self.shortcut = None if first else Shortcut(inputs, outputs, stride)
        initialise(self.joints)
        initialise(time)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, inputs, T, J) -> (B, outputs, T / stride, J)."""
        parts = self.joints(clips).unflatten(1, (len(self.adjacency), -1))
        # One product over the joints of all parts, which sums over the parts as well.
        side_by_side = parts.permute(0, 2, 3, 1, 4).flatten(3)
        weights = (self.adjacency * self.importance).permute(0, 2, 1).flatten(0, 1)
        found = self.time(side_by_side @ weights)
        return F.relu(found if self.shortcut is None else found + self.shortcut(clips))


class STGCN(UnitStack):
    """Streams (B, M, T, J, C) -> representations (B, 256)."""

    unit = Unit
