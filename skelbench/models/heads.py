"""What trains beside an encoder of streams and is not kept: the projection head and the decoder."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.stream_shape import StreamEncoder, StreamShape


class ProjectionMLP(nn.Sequential):
    """Linear, BatchNorm, ReLU, Linear: the head of SimCLR (Chen et al. 2020, section 4.2)."""

    def __init__(self, width: int, hidden: int, output: int) -> None:
        super().__init__(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, output)
        )


class StreamDecoder(nn.Module):
    """Representations (B, width) -> numbers of every sampled frame and joint, (B, M, T, J, channels)."""

    HIDDEN = 256

    def __init__(self, width: int, output: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.output = output
        bodies, frames, joints, channels = output
        self.first = nn.Linear(width, self.HIDDEN)
        self.last = nn.Linear(self.HIDDEN, bodies * frames * joints * channels)

    def forward(self, representation: Tensor) -> Tensor:
        """What is predicted."""
        found: Tensor = self.last(F.gelu(self.first(representation)))
        return found.view(-1, *self.output)


class Centred(StreamEncoder):
    """An encoder whose representations are moved so that their mean over the training clips is zero.

    Cosine similarity then compares how clips differ from the mean clip.
    """

    mean: Tensor

    def __init__(self, encoder: StreamEncoder, mean: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.width = len(mean)
        self.register_buffer("mean", mean)

    def forward(self, streams: Tensor) -> Tensor:
        """Representations (B, width)."""
        found: Tensor = self.encoder(streams) - self.mean
        return found


class Flat(StreamEncoder):
    """No encoder: the streams themselves as one row, (B, M, T, J, C) -> (B, features)."""

    def __init__(self, shape: StreamShape) -> None:
        super().__init__()
        self.width = shape.features * shape.frames

    def forward(self, streams: Tensor) -> Tensor:
        """Rows."""
        return streams.flatten(1)
