"""The contrastive losses as modules, on the fused op."""

from __future__ import annotations

from torch import Tensor, nn

from skelbench.ops import contrastive_loss


class SupConLoss(nn.Module):
    """Supervised contrastive loss (Khosla et al. 2020, the "out" form): the other rows of a label are positives."""

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Unit rows (N, D) and int64 labels (N,) -> scalar."""
        return contrastive_loss(embeddings, labels, temperature=self.temperature)


class NTXentLoss(SupConLoss):
    """NT-Xent (Chen et al. 2020): SupCon whose labels are instance ids."""


class TCLLoss(nn.Module):
    """Tuned Contrastive Loss (Animesh and Chandraker, WACV 2025)."""

    def __init__(self, temperature: float = 0.1, k1: float = 5000.0, k2: float = 1.0) -> None:
        super().__init__()
        self.temperature, self.k1, self.k2 = temperature, k1, k2

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Unit rows (N, D) and int64 labels (N,) -> scalar."""
        return contrastive_loss(embeddings, labels, temperature=self.temperature, k1=self.k1, k2=self.k2)
