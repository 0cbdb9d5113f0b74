"""CTR-GCN: a topology for every channel, refined by the clip.

Chen et al., "Channel-wise Topology Refinement Graph Convolution for Skeleton-Based Action Recognition", ICCV 2021;
sizes from the authors' code.

1,446,672 parameters with its classifier on NTU RGB+D (2 x 25 joints, 60 classes), 1,426,892 on NW-UCLA (20, 10).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.graphs import MultiScaleTemporal, Shortcut, UnitStack, initialise

# Channels of the relations between joints: this share of the inputs, or so many of raw coordinates.
REDUCTION = 8
RAW_RELATIONS = 8


class Refined(nn.Module):
    """Graph convolution whose matrix is a shared one plus, per channel, relations between the clip's joints (eq. 5).

    (B, inputs, T, J) -> (B, outputs, T, J).
    """

    def __init__(self, inputs: int, outputs: int, relations: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(inputs, relations, 1)
        self.key = nn.Conv2d(inputs, relations, 1)
        self.value = nn.Conv2d(inputs, outputs, 1)
        self.relation = nn.Conv2d(relations, outputs, 1)

    def forward(self, clips: Tensor, shared: Tensor, strength: Tensor) -> Tensor:
        """`shared` (J, J) and `strength` (1,) belong to the unit."""
        # The mean over time commutes with the pointwise convolution.
        still = clips.mean(2, keepdim=True)
        query, key = self.query(still)[:, :, 0], self.key(still)[:, :, 0]
        relation = torch.tanh(query[..., :, None] - key[..., None, :])
        topology = strength * self.relation(relation) + shared
        found: Tensor = self.value(clips) @ topology.mT
        return found


class GraphUnit(nn.Module):
    """Three refined graph convolutions, summed, beside a residual; it begins as the residual alone."""

    def __init__(self, inputs: int, outputs: int, raw: bool, adjacency: Tensor) -> None:
        super().__init__()
        relations = RAW_RELATIONS if raw else inputs // REDUCTION
        self.parts = nn.ModuleList(Refined(inputs, outputs, relations) for _ in adjacency)
        self.adjacency = nn.Parameter(adjacency.clone())
        self.strength = nn.Parameter(torch.zeros(1))
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut = Shortcut(inputs, outputs)
        for module in self.parts.modules():
            if isinstance(module, nn.Conv2d):
                initialise(module)
        nn.init.constant_(self.norm.weight, 1e-6)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, inputs, T, J) -> (B, outputs, T, J)."""
        parts = [
            part(clips, shared, self.strength)
            for part, shared in zip(self.parts, self.adjacency, strict=True)
        ]
        return F.relu(self.norm(torch.stack(parts).sum(0)) + self.shortcut(clips))


class Unit(nn.Module):
    """Over joints, over time, and a residual; the first unit, on raw coordinates, has none."""

    def __init__(self, inputs: int, outputs: int, stride: int, raw: bool, adjacency: Tensor) -> None:
        super().__init__()
        self.graph = GraphUnit(inputs, outputs, raw, adjacency)
        self.temporal = MultiScaleTemporal(outputs, outputs, stride)
        self.shortcut = None if raw else Shortcut(inputs, outputs, stride)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, inputs, T, J) -> (B, outputs, T / stride, J)."""
        found = self.temporal(self.graph(clips))
        return F.relu(found if self.shortcut is None else found + self.shortcut(clips))


class CTRGCN(UnitStack):
    """Streams (B, M, T, J, C) -> representations (B, 256)."""

    unit = Unit
