"""ConMLP: the MLP encoder, its projection head, and the decoder that mirrors it.

Source of the sizes: Dai et al., ConMLP (released code, class `Mlp`); constants in the report, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.ops import ragged
from skelbench.ops.clips import RaggedClips

HIDDEN = 256  #: width of both layers; the second one's output is the representation
PROJECTION = 128  #: width of the projection head
DROPOUT = 0.6


@dataclass(frozen=True)
class InputShape:
    """What a clip looks like to a model once padded."""

    length: int  #: frames
    max_bodies: int
    joints: int
    classes: int

    @property
    def features(self) -> int:
        """Length of a padded row (45,000 for NTU)."""
        return self.length * self.max_bodies * self.joints * 3


class RaggedInput(nn.Linear):
    """A linear layer over padded rows that never multiplies the padding."""

    #: Where an optimiser sets a list, backward adds (clips, gradient of the output) to it, the factors of the weight's
    #: gradient, and forms no gradient of the weight (`skelbench.training.descent`).
    factors: list[tuple[RaggedClips, Tensor]] | None = None

    def forward(self, clips: RaggedClips) -> Tensor:  # type: ignore[override]
        """(B clips) -> (B, out_features)."""
        kept = self.factors
        learns = torch.is_grad_enabled() and self.weight.requires_grad and self.bias.requires_grad
        if kept is None or not learns or not ragged.can_descend(clips):
            return ragged.ragged_linear(clips, self.weight, self.bias)
        output = ragged.ragged_linear(clips, self.weight.detach(), self.bias)
        output.register_hook(lambda grad: kept.append((clips, grad)))
        return output


class ConMLP(nn.Module):
    """Linear 256, GELU, LayerNorm, Dropout 0.6, Linear 256: a clip's representation."""

    def __init__(self, shape: InputShape) -> None:
        super().__init__()
        self.width = HIDDEN
        self.first = RaggedInput(shape.features, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-6)
        self.dropout = nn.Dropout(DROPOUT)
        self.second = nn.Linear(HIDDEN, HIDDEN)
        for layer in (self.first, self.second):
            _initialise(layer)

    def forward(self, clips: RaggedClips) -> Tensor:
        """Representations (B, 256)."""
        hidden = self.dropout(self.norm(F.gelu(self.first(clips))))
        return self.second(hidden)


class ProjectionHead(nn.Module):
    """Linear to 128 and unit length: what the contrastive losses compare. Used in training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, PROJECTION)

    def forward(self, representation: Tensor) -> Tensor:
        """(B, width) -> unit rows (B, 128)."""
        return F.normalize(self.linear(representation), dim=1)


class Decoder(nn.Module):
    """The encoder mirrored: Linear 256, GELU, LayerNorm, Dropout 0.6, Linear to the padded row.

    It is read only at the frames and bodies present: there is nothing to reconstruct in padding.
    """

    def __init__(self, shape: InputShape, width: int) -> None:
        super().__init__()
        self.second = nn.Linear(width, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-6)
        self.dropout = nn.Dropout(DROPOUT)
        self.last = nn.Linear(HIDDEN, shape.features)
        for layer in (self.second, self.last):
            _initialise(layer)

    def forward(self, representation: Tensor, target: RaggedClips) -> Tensor:
        """Joint coordinates at the rows of `target`, (sum of frames * bodies, J, 3), in the order of its clips."""
        hidden = self.dropout(self.norm(F.gelu(self.second(representation))))
        # Under autocast the layers before this one gave bfloat16; the op computes in its weight's dtype.
        weight, bias = self.last.weight, self.last.bias
        return ragged.ragged_decode(hidden.to(weight.dtype), weight, bias, target)


def _initialise(layer: nn.Linear) -> None:
    """Xavier-uniform weights and biases from N(0, 1e-6), as the released code does."""
    nn.init.xavier_uniform_(layer.weight)
    with torch.no_grad():
        layer.bias.normal_(std=1e-6)
