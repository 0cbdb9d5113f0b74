"""ConMLP's encoder on resampled clips: frames are embedded one by one, then a clip's embeddings are one row.

As in ConMLP (skelbench.models.conmlp), a row goes through Linear, GELU, LayerNorm, Dropout, Linear. The embedding of
the frames keeps the first layer under a million parameters: 0.6 million for 32 frames of 20 joints.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.stream_shape import StreamEncoder, StreamShape
from skelbench.models.tcn import FrameNorm

FRAME_WIDTH = 64
WIDTH = 256
DROPOUT = 0.5


class FrameMLP(StreamEncoder):
    """Streams (B, M, T, J, C) -> representations (B, 256)."""

    def __init__(self, shape: StreamShape) -> None:
        super().__init__()
        self.width = WIDTH
        self.norm = FrameNorm(shape.features)
        self.embed = nn.Linear(shape.features, FRAME_WIDTH)
        self.first = nn.Linear(shape.frames * FRAME_WIDTH, WIDTH)
        self.hidden = nn.LayerNorm(WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.second = nn.Linear(WIDTH, WIDTH)

    def forward(self, streams: Tensor) -> Tensor:
        """Representations."""
        frames = F.gelu(self.embed(self.norm(streams.transpose(1, 2).flatten(2))))
        hidden = self.dropout(self.hidden(F.gelu(self.first(frames.flatten(1)))))
        found: Tensor = self.second(hidden)
        return found
