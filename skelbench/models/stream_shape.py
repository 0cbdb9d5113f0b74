"""What resampled clips look like to a model."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class StreamShape:
    """Shape of a batch of resampled clips, float32 (B, bodies, frames, joints, channels), and its skeleton.

    A body that is absent is zero in all frames and channels; the first body is always there.
    """

    bodies: int
    frames: int
    joints: int
    channels: int
    classes: int
    edges: tuple[tuple[int, int], ...]
    """(child, parent) joint indices of one body."""

    @property
    def features(self) -> int:
        """Numbers of one frame: bodies x joints x channels."""
        return self.bodies * self.joints * self.channels


class StreamEncoder(nn.Module):
    """What an encoder of streams is: a module built from a StreamShape that knows the width of its output."""

    width: int

    def forward(self, streams: Tensor) -> Tensor:
        """Streams (B, M, T, J, C) -> representations (B, width)."""
        raise NotImplementedError
