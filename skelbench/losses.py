"""Contrastive losses for embeddings: NTXentLoss, SupConLoss, TCLLoss.

All are called like pytorch-metric-learning's, `loss(embeddings, labels)` with (N, D) rows, or with
SupContrast's shape, `loss(features, labels)` with (B, views, D), where the views of a clip share its label;
without labels each clip is its own class. They run on `skelbench.ops.contrastive_loss`: memory O(N D), exact.

Where peers differ, this is what holds here:

- Rows are L2-normalised here, as pytorch-metric-learning does (SupContrast and TCL expect normalised rows;
  both give the same value then). A row of zeros stays zeros.
- The loss is the mean over the anchors that have a positive. pytorch-metric-learning also leaves out anchors
  whose loss is exactly 0; SupContrast and TCL return NaN for a batch with a class of one.
- No factor tau / base_tau: SupContrast multiplies by temperature / 0.07, a scale of the learning rate.
- Each positive has its own logarithm ("out" form, Khosla et al. 2020, eq. 2), not one for all positives
("in"). - Every row is an anchor and every other row a contrast (SupContrast's contrast_mode="all").
- Computed in float32 for half-precision input, and returned as float32; under autocast the input is taken as
it comes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.ops import contrastive_loss


class _ContrastiveLoss(nn.Module):
    """Normalises, brings both call styles to (N, D) rows with labels, and applies the op."""

    k1 = 0.0
    k2 = 1.0

    def __init__(self, temperature: float) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, not {temperature}")
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """Loss of a batch.

        Args:
            embeddings: (N, D) or (B, views, D), any floating dtype; normalised here.
            labels: integer (N,) or (B,); may be left out for (B, views, D): every clip its own class.

        Returns:
            Scalar: the mean over the anchors with a positive, 0 if none has one.

        Raises:
            ValueError: wrong shape or dtype of an argument.
            RuntimeError: a row is NaN or infinite (named by its number; on CUDA the loss is NaN instead).
        """
        rows, row_labels = _rows(embeddings, labels)
        return contrastive_loss(
            F.normalize(rows, dim=1), row_labels, temperature=self.temperature, k1=self.k1, k2=self.k2
        )

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}"


def _rows(embeddings: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """(N, D) rows and their int64 labels (N,) from either call style; the views of a clip stay together."""
    shape = tuple(embeddings.shape)
    if embeddings.dim() not in (2, 3) or shape[-1] == 0:
        raise ValueError(f"embeddings must be (N, D) or (B, views, D) with D > 0, not {shape}")
    if labels is None:
        if embeddings.dim() == 2:
            raise ValueError(f"embeddings {shape} need labels (N,); only (B, views, D) may go without")
        labels = torch.arange(shape[0], device=embeddings.device)
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be integers, not {labels.dtype}")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"labels must be ({shape[0]},), one per row of embeddings, not {tuple(labels.shape)}"
        )
    labels = labels.to(torch.int64)
    if embeddings.dim() == 3:
        return embeddings.flatten(0, 1), labels.repeat_interleave(shape[1])
    return embeddings, labels


class SupConLoss(_ContrastiveLoss):
    """Supervised contrastive loss, "out" form (Khosla et al. 2020, eq. 2)."""

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__(temperature)


class NTXentLoss(_ContrastiveLoss):
    """Normalised temperature-scaled cross-entropy (SimCLR, Chen et al. 2020, eq. 1).

    Labels are the clips' ids: the rows of one id are views of one clip. With two views per clip it is
    SimCLR's loss; with more, each positive has its own logarithm, the others staying in the denominator
    (pytorch-metric-learning leaves them out there).
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__(temperature)


class TCLLoss(_ContrastiveLoss):
    """Tuned contrastive learning (WACV 2025, arXiv 2305.10675).

    k1 adds exp(-s_ip), without temperature, for every positive to the denominator, which pulls harder on
    positives that are far; k2 weighs the negatives.
    """

    def __init__(self, temperature: float = 0.1, k1: float = 5000.0, k2: float = 1.0) -> None:
        super().__init__(temperature)
        for name, value in (("k1", k1), ("k2", k2)):
            if not value >= 0:
                raise ValueError(f"{name} must not be negative, not {value}")
        self.k1, self.k2 = float(k1), float(k2)

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}, k1={self.k1}, k2={self.k2}"
