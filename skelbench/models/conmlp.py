"""ConMLP: the MLP encoder, its projection head, and the decoder that mirrors it.

Source of the sizes: Dai et al., ConMLP (released code, class `Mlp`). Source of the constants: the NITAP report
(Amulya, Sumukh, Jagadeesh: "Advancing Skeleton-based Action Recognition: Exploring New Loss Functions and
Architectures", project report, NIT Andhra Pradesh, 2024), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.divided import DividedClips
from skelbench.models.ragged_input import RaggedInput, RaggedOutput
from skelbench.ops import RaggedClips

HIDDEN = 256
"""Width of both layers. The second one's output is the representation."""
PROJECTION = 128
"""Width of the projection head."""
DROPOUT = 0.6
"""Dropout of the encoder and the decoder."""


@dataclass(frozen=True)
class InputShape:
    """Sizes of a padded clip, and the number of classes."""

    length: int
    """Frames of the padded row."""
    max_bodies: int
    """Bodies of the padded row."""
    joints: int
    """Joints of a body."""
    classes: int
    """Classes of the dataset."""

    @property
    def features(self) -> int:
        """Length of a padded row (45,000 for NTU)."""
        return self.length * self.max_bodies * self.joints * 3


class ConMLP(nn.Module):
    """Linear 256, GELU, LayerNorm, Dropout 0.6, Linear 256: a clip's representation."""

    def __init__(self, shape: InputShape) -> None:
        """Initialise weights as the released code does.

        Args:
            shape: of the clips; the first layer has `shape.features` inputs.
        """
        super().__init__()
        self.width = HIDDEN
        self.first = RaggedInput(shape.features, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-6)
        self.dropout = nn.Dropout(DROPOUT)
        self.second = nn.Linear(HIDDEN, HIDDEN)
        for layer in (self.first, self.second):
            _initialise(layer)

    def forward(self, clips: RaggedClips | DividedClips) -> Tensor:
        """Representations (B, 256)."""
        hidden = self.dropout(self.norm(F.gelu(self.first(clips))))
        representation: Tensor = self.second(hidden)
        return representation


class ProjectionHead(nn.Module):
    """Linear to 128 and unit length: the embeddings of the contrastive losses. Used in training only."""

    def __init__(self, width: int) -> None:
        """Make a head for representations of `width` numbers."""
        super().__init__()
        self.linear = nn.Linear(width, PROJECTION)

    def forward(self, representation: Tensor) -> Tensor:
        """Map representations (B, width) to unit rows (B, 128)."""
        return F.normalize(self.linear(representation), dim=1)


class Decoder(nn.Module):
    """The encoder mirrored: Linear 256, GELU, LayerNorm, Dropout 0.6, Linear to the padded row.

    Only the frames and bodies present are computed: padding holds nothing to reconstruct.
    """

    def __init__(self, shape: InputShape, width: int) -> None:
        """Initialise weights as the encoder's.

        Args:
            shape: of the clips; the last layer has `shape.features` outputs.
            width: of a representation.
        """
        super().__init__()
        self.second = nn.Linear(width, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-6)
        self.dropout = nn.Dropout(DROPOUT)
        self.last = RaggedOutput(HIDDEN, shape.features)
        for layer in (self.second, self.last):
            _initialise(layer)

    def forward(self, representation: Tensor, target: RaggedClips | DividedClips) -> Tensor:
        """Joint coordinates at the rows of `target`, (sum of frames * bodies, J, 3), in the order of its clips."""
        hidden = self.dropout(self.norm(F.gelu(self.second(representation))))
        joints: Tensor = self.last(hidden, target)
        return joints


def _initialise(layer: nn.Linear) -> None:
    """Xavier-uniform weights and biases from N(0, 1e-6), as the released code does."""
    nn.init.xavier_uniform_(layer.weight)
    with torch.no_grad():
        layer.bias.normal_(std=1e-6)
