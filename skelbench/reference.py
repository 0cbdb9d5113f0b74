"""The ops in plain torch, any dtype and device: the oracle of the tests, the baseline, the fallback."""

from __future__ import annotations

import torch
from torch import Tensor


def contrastive_rows(
    embeddings: Tensor,
    labels: Tensor,
    contrasts: Tensor | None = None,
    contrast_labels: Tensor | None = None,
    *,
    temperature: float = 0.07,
    k1: float = 0.0,
    k2: float = 1.0,
    self_offset: int | None = 0,
) -> tuple[Tensor, Tensor]:
    """Loss of each anchor (N,), 0 where it has no positive, and its number of positives (N,), int64.

    The general form of `skelbench.ops.contrastive_loss`, in the input's dtype, with N x M matrices and a
    maximum taken over the terms that are there, so that it holds for any temperature.
    """
    others = embeddings if contrasts is None else contrasts
    other_labels = labels if contrast_labels is None else contrast_labels
    n, m = embeddings.shape[0], others.shape[0]
    similarity = embeddings @ others.T
    valid = torch.ones(n, m, dtype=torch.bool, device=embeddings.device)
    if contrasts is None:
        valid.fill_diagonal_(False)
    elif self_offset is not None:
        rows = torch.arange(n, device=embeddings.device)
        valid[rows, rows + self_offset] = False
    positive = valid & (labels[:, None] == other_labels[None, :])
    negative = valid & ~positive
    logits = similarity / temperature
    terms = [logits.masked_fill(~positive, -torch.inf)]
    if k2 > 0:
        weight = torch.tensor(k2, dtype=torch.float64).log().item()
        terms.append((logits + weight).masked_fill(~negative, -torch.inf))
    if k1 > 0:
        weight = torch.tensor(k1, dtype=torch.float64).log().item()
        terms.append((weight - similarity).masked_fill(~positive, -torch.inf))
    count = positive.sum(1)
    # Rows without a positive have no loss; a finite dummy keeps their gradient at zero instead of NaN.
    anchor = count > 0
    exponents = torch.cat(terms, 1).masked_fill(~anchor[:, None], 0.0)
    mean_positive = logits.masked_fill(~positive, 0.0).sum(1) / count.clamp(min=1)
    loss = torch.logsumexp(exponents, 1) - mean_positive
    return torch.where(anchor, loss, loss.new_zeros(())), count


def contrastive_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.07,
    k1: float = 0.0,
    k2: float = 1.0,
    contrasts: Tensor | None = None,
    contrast_labels: Tensor | None = None,
    self_offset: int | None = 0,
    reduction: str = "mean",
) -> Tensor:
    """`skelbench.ops.contrastive_loss` in plain torch, in the input's dtype."""
    rows, count = contrastive_rows(
        embeddings,
        labels,
        contrasts,
        contrast_labels,
        temperature=temperature,
        k1=k1,
        k2=k2,
        self_offset=self_offset,
    )
    return reduce(rows, count > 0, reduction)


def reduce(rows: Tensor, anchors: Tensor, reduction: str) -> Tensor:
    """Mean over the anchors that have a positive (0 if none has), sum, or the rows themselves ("none")."""
    if reduction == "mean":
        return rows.sum() / anchors.sum().clamp(min=1)
    return rows.sum() if reduction == "sum" else rows


def supcon_eager(embeddings: Tensor, labels: Tensor, temperature: float = 0.07) -> Tensor:
    """SupCon as SupContrast formulates it (Khosla et al. 2020, eq. 2): the speed baseline. No singletons."""
    logits = embeddings @ embeddings.T / temperature
    logits = logits - logits.max(1, keepdim=True).values.detach()
    positive = (labels[:, None] == labels[None, :]).to(logits.dtype)
    others = torch.ones_like(positive).fill_diagonal_(0)
    positive = positive * others
    exp_logits = torch.exp(logits) * others
    log_prob = logits - torch.log(exp_logits.sum(1, keepdim=True))
    return -((positive * log_prob).sum(1) / positive.sum(1)).mean()


def tcl_eager(
    embeddings: Tensor, labels: Tensor, temperature: float = 0.1, k1: float = 5000.0, k2: float = 1.0
) -> Tensor:
    """TCL as its authors formulate it (WACV 2025): the speed baseline. No singletons."""
    similarity = embeddings @ embeddings.T
    same = (labels[:, None] == labels[None, :]).to(similarity.dtype)
    negative = 1 - same
    positive = same - torch.eye(len(labels), dtype=same.dtype, device=same.device)
    exp_logits = torch.exp(similarity / temperature)
    attraction = (exp_logits * positive).sum(1) + k1 * (torch.exp(-similarity) * positive).sum(1)
    denominator = attraction + k2 * (exp_logits * negative).sum(1)
    log_prob = torch.log(exp_logits / denominator[:, None])
    return -((log_prob * positive).sum(1) / positive.sum(1)).mean()
