"""A training step as the released ConMLP code takes it: padded rows, float64 numpy shear, list reversal, eager loss.

Written from the description of what it computes; no line of it is copied.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from skelbench.models.conmlp import ConMLP
from skelbench.ops import reference


class PaddedConMLP(ConMLP):
    """The encoder over padded rows (B, features)."""

    def forward(self, rows: Tensor) -> Tensor:  # type: ignore[override]
        """Representations (B, 256)."""
        first = F.linear(rows, self.first.weight, self.first.bias)
        representation: Tensor = self.second(self.dropout(self.norm(F.gelu(first))))
        return representation


def views(
    rows: NDArray[np.float32], index: NDArray[np.int64], shear: NDArray[np.float64], reverse: bool
) -> Tensor:
    """Both views of the clips at `index` of rows (N, frames, points * 3), one draw for the batch: (2 B, features)."""
    x = rows[index]
    frames = x.shape[1]
    first = np.dot(x.reshape(len(x), frames, -1, 3), shear).reshape(x.shape)
    second = x[:, list(reversed(range(frames)))] if reverse else x
    return torch.from_numpy(np.concatenate([first, second])).float().flatten(1)


loss = reference.supcon_eager
