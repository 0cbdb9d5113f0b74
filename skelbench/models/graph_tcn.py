"""Light graph blocks on pairs of frames, one vector per frame, then temporal blocks: 0.32 million parameters.

Joints are mixed by matrices that begin as the bones and are learned, one per head (as the adaptive graphs of Shi et
al., "Two-Stream Adaptive Graph Convolutional Networks", CVPR 2019), and time by depth-wise convolutions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.graphs import partitions
from skelbench.models.stream_shape import StreamEncoder, StreamShape
from skelbench.models.tcn import FrameNorm, TemporalBlock, mean_and_max

# Frames that make one token of a joint.
PATCH = 2
WIDTHS = (32, 64)
HEADS = 4
KERNEL = 5
DROPOUT = 0.1
FRAME_WIDTH = 128
TEMPORAL_BLOCKS = 2


class LastNorm(nn.Module):
    """Batch normalisation of the last axis."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, values: Tensor) -> Tensor:
        """Values (..., width), normalised."""
        normed: Tensor = self.norm(values.reshape(-1, values.shape[-1]))
        return normed.view(values.shape)


class GraphBlock(nn.Module):
    """Learned mixing of joints in heads, then a depth-wise convolution over time: (B, T, J, in) -> (B, T, J, out)."""

    def __init__(self, inputs: int, outputs: int, adjacency: Tensor) -> None:
        super().__init__()
        self.adjacency = nn.Parameter(
            adjacency.repeat(HEADS, 1, 1) + 0.05 * torch.randn(HEADS, *adjacency.shape)
        )
        self.value = nn.Linear(inputs, outputs)
        self.mixed = LastNorm(outputs)
        self.over_time = nn.Conv2d(outputs, outputs, (KERNEL, 1), padding=(KERNEL // 2, 0), groups=outputs)
        self.pointwise = nn.Linear(outputs, outputs)
        self.timed = LastNorm(outputs)
        self.dropout = nn.Dropout(DROPOUT)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs, bias=False)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips that have seen neighbouring joints and frames."""
        heads = self.value(clips).unflatten(-1, (HEADS, -1)).permute(0, 3, 2, 1, 4)
        flat = self.adjacency @ heads.flatten(3)
        mixed = flat.unflatten(3, heads.shape[3:]).permute(0, 3, 2, 1, 4).flatten(3)
        mixed = F.relu(self.mixed(mixed))
        timed = self.over_time(mixed.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return F.relu(self.shortcut(clips) + self.dropout(self.timed(self.pointwise(timed))))


class GraphTCN(StreamEncoder):
    """Streams (B, M, T, J, C), T even -> representations (B, 256).

    The joints of all people are one graph, in which no bone joins two people; the learned matrices may.
    """

    def __init__(self, shape: StreamShape) -> None:
        super().__init__()
        if shape.frames % PATCH:
            raise ValueError(f"frames: {shape.frames} cannot be taken {PATCH} at a time")
        self.width = 2 * FRAME_WIDTH
        joints = shape.bodies * shape.joints
        one = partitions(shape).sum(0)
        adjacency = torch.kron(torch.eye(shape.bodies), one / one.sum(1, keepdim=True))
        self.norm = FrameNorm(shape.features)
        self.embed = nn.Linear(PATCH * shape.channels, WIDTHS[0])
        self.joint = nn.Parameter(0.1 * torch.randn(joints, WIDTHS[0]))
        pairs = zip((WIDTHS[0], *WIDTHS[:-1]), WIDTHS, strict=True)
        self.graphs = nn.Sequential(*(GraphBlock(*sizes, adjacency) for sizes in pairs))
        self.frame = nn.Linear(joints * WIDTHS[-1], FRAME_WIDTH)
        self.framed = LastNorm(FRAME_WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.blocks = nn.Sequential(
            *(TemporalBlock(FRAME_WIDTH, KERNEL, DROPOUT) for _ in range(TEMPORAL_BLOCKS))
        )

    def forward(self, streams: Tensor) -> Tensor:
        """Representations."""
        channels = streams.shape[-1]
        frames = self.norm(streams.transpose(1, 2).flatten(2)).unflatten(2, (-1, channels))
        pairs = frames.unflatten(1, (-1, PATCH)).transpose(2, 3).flatten(3)
        clips = self.graphs(F.relu(self.embed(pairs) + self.joint))
        vectors = F.relu(self.framed(self.frame(self.dropout(clips.flatten(2)))))
        return mean_and_max(self.blocks(vectors))
