"""Late fusion of trained models: each has its own input, and their class probabilities are averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FusedEncoder(nn.Module):
    """Encoders side by side: one input for each, their representations (B, w) one after the other."""

    def __init__(self, encoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(encoders)

    def forward(self, inputs: Sequence[Any]) -> Tensor:
        """Representations (B, sum of the widths)."""
        return torch.cat([one(given) for one, given in zip(self.members, inputs, strict=True)], 1)


class FusedClassifier(nn.Module):
    """Linear classifiers, each of its own columns: logits whose softmax is the mean of theirs, all weights 1."""

    def __init__(self, classifiers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.members = nn.ModuleList(classifiers)
        self.widths = [layer.in_features for layer in classifiers]

    def forward(self, representations: Tensor) -> Tensor:
        """Representations (B, sum of the widths) to logits (B, classes), the logarithm of the mean probability."""
        parts = representations.split(self.widths, 1)
        shares = [F.log_softmax(one(part), 1) for one, part in zip(self.members, parts, strict=True)]
        return torch.stack(shares).logsumexp(0) - math.log(len(shares))
