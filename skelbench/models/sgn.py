"""SGN: what a joint is and when a frame is, told to a small graph network.

Zhang et al., "Semantics-Guided Neural Networks for Efficient Skeleton-Based Human Action Recognition", CVPR 2020; sizes
from the authors' code.

691,048 parameters with its classifier on NTU RGB+D (25 joints, 60 classes, 20 frames).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.graphs import initialise, mean_over_people
from skelbench.models.stream_shape import StreamEncoder, StreamShape

EMBEDDED = 64
WIDTHS = (128, 256, 256)
WIDTH = 512
DROPOUT = 0.2


def _embedding(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, EMBEDDED, 1), nn.ReLU(), nn.Conv2d(EMBEDDED, outputs, 1), nn.ReLU()
    )


class Dynamics(nn.Module):
    """Positions or velocities (B, C, T, J), normalised joint by joint, to (B, 64, T, J)."""

    def __init__(self, channels: int, joints: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels * joints)
        self.embed = _embedding(channels, EMBEDDED)

    def forward(self, clips: Tensor) -> Tensor:
        """Embedded clips."""
        flat = clips.transpose(2, 3).flatten(1, 2)
        normed = self.norm(flat).unflatten(1, (clips.shape[1], -1)).transpose(2, 3)
        found: Tensor = self.embed(normed)
        return found


class GraphConvolution(nn.Module):
    """What a joint receives by the clip's own graph, and its own features, each through a pointwise map."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.neighbours = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.itself = nn.Conv2d(inputs, outputs, 1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, clips: Tensor, graph: Tensor) -> Tensor:
        """(B, inputs, T, J) and (B, T, J, J) -> (B, outputs, T, J)."""
        received = (graph @ clips.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return F.relu(self.norm(self.neighbours(received) + self.itself(clips)))


class SGN(StreamEncoder):
    """Streams (B, M, T, J, C) -> representations (B, 512); velocities are differences of the frames.

    The published loader puts a second person's frames after the first's; here each is a sample of its own, and the
    representation is their mean.
    """

    which_joint: Tensor
    which_frame: Tensor

    def __init__(self, shape: StreamShape) -> None:
        super().__init__()
        self.width = WIDTH
        self.position = Dynamics(shape.channels, shape.joints)
        self.velocity = Dynamics(shape.channels, shape.joints)
        self.joint = _embedding(shape.joints, EMBEDDED)
        self.frame = _embedding(shape.frames, WIDTHS[-1])
        self.register_buffer("which_joint", torch.eye(shape.joints)[None, :, None], persistent=False)
        self.register_buffer("which_frame", torch.eye(shape.frames)[None, :, :, None], persistent=False)
        inputs = 2 * EMBEDDED
        self.query, self.key = (nn.Conv2d(inputs, WIDTHS[-1], 1) for _ in range(2))
        self.graphs = nn.ModuleList(
            GraphConvolution(*sizes) for sizes in zip((inputs, *WIDTHS[:-1]), WIDTHS, strict=True)
        )
        self.over_time = nn.Sequential(
            nn.Conv1d(WIDTHS[-1], WIDTHS[-1], 3, padding=1),
            nn.BatchNorm1d(WIDTHS[-1]),
            nn.ReLU(),
            nn.Dropout1d(DROPOUT),
            nn.Conv1d(WIDTHS[-1], WIDTH, 1),
            nn.BatchNorm1d(WIDTH),
            nn.ReLU(),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                initialise(module)
            elif isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        for graph in self.graphs:
            assert isinstance(graph, GraphConvolution)
            nn.init.zeros_(graph.neighbours.weight)

    def forward(self, streams: Tensor) -> Tensor:
        """Representations, the maximum over joints and then over frames."""
        clips = streams.flatten(0, 1).permute(0, 3, 1, 2)
        steps = F.pad(clips[:, :, 1:] - clips[:, :, :-1], (0, 0, 1, 0))
        dynamics = self.position(clips) + self.velocity(steps)
        joint = self.joint(self.which_joint).expand(clips.shape[0], -1, clips.shape[2], -1)
        found = torch.cat([dynamics, joint], 1)
        query, key = (mapped(found).permute(0, 2, 3, 1) for mapped in (self.query, self.key))
        graph = torch.softmax(query @ key.mT, -1)
        for convolution in self.graphs:
            found = convolution(found, graph)
        frames = self.over_time((found + self.frame(self.which_frame)).amax(3))
        return mean_over_people(frames.amax(2), streams)
