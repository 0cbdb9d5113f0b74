"""pytorch-metric-learning's losses, with the temperature and the mean that ours have, on rows that are unit already."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def loss_of(name: str, temperature: float) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss "supcon" or "ntxent" as a function of (embeddings, labels).

    Raises:
        ImportError: pytorch-metric-learning is not installed.
    """
    from pytorch_metric_learning.distances import DotProductSimilarity
    from pytorch_metric_learning.losses import NTXentLoss, SupConLoss

    kind = {"supcon": SupConLoss, "ntxent": NTXentLoss}[name]
    # Its default distance would normalise the rows again.
    loss: Callable[[Tensor, Tensor], Tensor] = kind(
        temperature, distance=DotProductSimilarity(normalize_embeddings=False)
    )
    return loss
