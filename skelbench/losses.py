"""Contrastive losses for embeddings: NTXentLoss, SupConLoss, TCLLoss; GlobalBatchLoss for several processes.

All are called like pytorch-metric-learning's, `loss(embeddings, labels)` with (N, D) rows, or with SupContrast's
shape, `loss(features, labels)` with (B, views, D), where the views of a clip share its label. Without labels each clip
is its own class. They run on `skelbench.ops.contrastive_loss`: exact, with memory O(N D).

Where peers differ, the following holds here:

- Default temperatures differ: SupCon 0.07, as SupContrast (pytorch-metric-learning: 0.1), NT-Xent 0.07, as
  pytorch-metric-learning, TCL 0.1. Pass the temperature to compare losses.
- Rows are L2-normalised here, as pytorch-metric-learning does. SupContrast and TCL expect normalised rows, and then
  give the same value. A row of zeros stays zeros; a row shorter than 1e-12 is divided by 1e-12.
- The loss is the mean over the anchors that have a positive. pytorch-metric-learning also leaves out anchors whose loss
  is exactly 0; SupContrast and TCL return NaN for a batch with a class of one.
- A batch without negatives keeps the value of the formula. pytorch-metric-learning returns 0.
- No factor tau / base_tau: SupContrast multiplies by temperature / 0.07, a scale of the learning rate.
- Each positive has its own logarithm ("out" form, Khosla et al. 2020, eq. 2), not one for all positives ("in").
- Every row is an anchor and every other row a contrast (SupContrast's contrast_mode="all").
- Half-precision input is normalised and computed in float32, also under autocast: a half-precision gradient loses most
  of its digits once the clusters are tight. `skelbench.ops.contrastive_loss` computes bfloat16 rows as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.ops import contrastive_loss, count_positives
from skelbench.ops.checks import FLOATS, check_number, check_tensor
from skelbench.ops.contrastive import WEIGHTS, check_reduction, check_temperature
from skelbench.parallel.ranks import Ranks, gather

# The smallest length that a row is divided by, as in torch.nn.functional.normalize.
_SHORTEST = 1e-12

_LABELS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class _ContrastiveLoss(nn.Module):
    """Normalise, bring both call styles to (N, D) rows with labels, and apply the op."""

    k1 = 0.0
    k2 = 1.0
    temperature: float | Tensor

    def __init__(self, temperature: float | Tensor, reduction: str) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        self.temperature = temperature
        self.reduction = reduction

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor | None = None,
        *,
        positives: Tensor | None = None,
        negatives: Tensor | None = None,
    ) -> Tensor:
        """Loss of a batch.

        Args:
            embeddings: (N, D) or (B, views, D), float32, float64, bfloat16 or float16; normalised here.
            labels: integer (N,) or (B,); may be left out for (B, views, D): every clip its own class. Or (N, L) or
                (B, L): up to L labels of a row or clip, -1 for none; those with one in common are positives.
            positives: bool (N, N) or (B, B), instead of labels: which rows, or rows of which clips, are an anchor's
                positives. Several labels and a mask run in plain torch, at its speed, block by block of anchors.
            negatives: (K, D), embeddings' dtype: a queue of further rows that every anchor is compared with and that
                are nobody's positives; normalised here. Gradients flow to them.

        Returns:
            Reduction "mean": the mean over the anchors with a positive, 0 if none has one. "sum": their sum.
            "none": (N,) or (B * views,), 0 for an anchor without a positive.

        Raises:
            TypeError: an argument (named) is not a tensor.
            ValueError: an argument (named) of the wrong shape, dtype or device.
            RuntimeError: a row (named by its number) is NaN or infinite, or its length overflows float32. With
                `negatives`, the rows are called contrasts, the batch's first. On CUDA the loss is NaN instead.
        """
        rows, row_labels, positives = _rows(embeddings, labels, positives)
        rows = _normalised(rows)
        contrasts = contrast_labels = None
        if negatives is not None:
            check_tensor("negatives", negatives, ("K", rows.shape[1]), embeddings.dtype, like=embeddings)
            contrasts = torch.cat([rows, _normalised(negatives)])
            if positives is not None:
                positives = torch.cat([positives, positives.new_zeros(len(rows), len(negatives))], 1)
            elif row_labels is not None:
                contrast_labels = torch.cat([row_labels, _nobodys(row_labels, len(negatives))])
        return contrastive_loss(
            rows,
            row_labels,
            positives=positives,
            temperature=self.temperature,
            k1=self.k1,
            k2=self.k2,
            contrasts=contrasts,
            contrast_labels=contrast_labels,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings that differ from one module of a class to another."""
        learned = isinstance(self.temperature, Tensor)
        shown = [f"temperature={'tensor' if learned else self.temperature}", *self._weights()]
        if self.reduction != "mean":
            shown.append(f"reduction='{self.reduction}'")
        return ", ".join(shown)

    def _weights(self) -> list[str]:
        return []


def _normalised(rows: Tensor) -> Tensor:
    """Rows of unit length, in float32 for half precision, whose own squares overflow or vanish."""
    if rows.dtype in (torch.bfloat16, torch.float16):
        rows = rows.float()
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    # An infinite length would make the row zero. As NaN, the op finds it.
    length = length.masked_fill(length.isinf(), torch.nan)
    unit: Tensor = rows / length.clamp_min(_SHORTEST)
    return unit


def _nobodys(labels: Tensor, count: int) -> Tensor:
    """A label that no row has, for `count` more rows."""
    if labels.dim() == 2:
        return labels.new_full((count, labels.shape[1]), -1)
    return (labels.max() + 1 if len(labels) else labels.new_zeros(())).expand(count)


def _rows(
    embeddings: Tensor, labels: Tensor | None, positives: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """(N, D) rows and their int64 labels or mask from either call style; the views of a clip stay together."""
    views = isinstance(embeddings, Tensor) and embeddings.dim() == 3
    check_tensor("embeddings", embeddings, ("B", "views", "D") if views else ("N", "D"), *FLOATS)
    shape = tuple(embeddings.shape)
    if shape[-1] == 0:
        raise ValueError(f"embeddings must be (N, D) or (B, views, D) with D > 0, not {shape}")
    if positives is not None:
        check_tensor("positives", positives, (shape[0], shape[0]), torch.bool, like=embeddings)
        if labels is not None:
            raise ValueError("positives goes without labels: give one or the other")
        if views:
            positives = positives.repeat_interleave(shape[1], 0).repeat_interleave(shape[1], 1)
            embeddings = embeddings.flatten(0, 1)
        return embeddings, None, positives
    if labels is None:
        if not views:
            raise ValueError(
                f"labels must be given with embeddings {shape}; only (B, views, D) may go without"
            )
        labels = torch.arange(shape[0], device=embeddings.device)
    several = isinstance(labels, Tensor) and labels.dim() == 2
    check_tensor("labels", labels, (shape[0], "L") if several else (shape[0],), *_LABELS, like=embeddings)
    labels = labels.to(torch.int64)
    if views:
        return embeddings.flatten(0, 1), labels.repeat_interleave(shape[1], 0), None
    return embeddings, labels, None


class SupConLoss(_ContrastiveLoss):
    """Supervised contrastive loss, "out" form (Khosla et al. 2020, eq. 2)."""

    def __init__(self, temperature: float | Tensor = 0.07, *, reduction: str = "mean") -> None:
        """Make the loss.

        Args:
            temperature: tau in [1e-10, 1e10]; an `nn.Parameter` with one number is learned.
            reduction: "mean" over the anchors with a positive, "sum", or "none".

        Raises:
            TypeError: a temperature that is neither a number nor a tensor.
            ValueError: an argument (named) outside its range.
        """
        super().__init__(temperature, reduction)


class NTXentLoss(_ContrastiveLoss):
    """Normalised temperature-scaled cross-entropy (SimCLR, Chen et al. 2020, eq. 1).

    Labels are the clips' ids: the rows of one id are views of one clip. With two views per clip it is SimCLR's loss.
    With more, each positive has its own logarithm and the others stay in the denominator (pytorch-metric-learning
    leaves them out there).
    """

    def __init__(self, temperature: float | Tensor = 0.07, *, reduction: str = "mean") -> None:
        """Make the loss; arguments as in `SupConLoss`."""
        super().__init__(temperature, reduction)


class TCLLoss(_ContrastiveLoss):
    """Tuned contrastive learning (WACV 2025, arXiv 2305.10675).

    k1 adds exp(-s_ip), without temperature, for every positive to the denominator, which pulls harder on positives
    that are far; k2 weighs the negatives.
    """

    def __init__(
        self,
        temperature: float | Tensor = 0.1,
        k1: float = 5000.0,
        k2: float = 1.0,
        *,
        reduction: str = "mean",
    ) -> None:
        """Make the loss.

        Args:
            temperature: tau in [1e-10, 1e10]; an `nn.Parameter` with one number is learned.
            k1: weight of the positives' repelling term, 0 or in [1e-30, 1e30].
            k2: weight of the negatives, 0 or in [1e-30, 1e30].
            reduction: "mean" over the anchors with a positive, "sum", or "none".

        Raises:
            TypeError: an argument (named) that is no number.
            ValueError: an argument (named) outside its range.
        """
        super().__init__(temperature, reduction)
        for name, value in (("k1", k1), ("k2", k2)):
            check_number(name, value, *WEIGHTS, or_zero=True)
        self.k1, self.k2 = float(k1), float(k2)

    def _weights(self) -> list[str]:
        return [f"k1={self.k1}", f"k2={self.k2}"]


class GlobalBatchLoss(nn.Module):
    """A contrastive loss of the batches of all processes together, with the gradient that one process would have.

    Each process scores its own rows against everybody's: its value is the sum of its anchors' losses over the number
    of anchors, in all processes, that have a positive. Exact for batches of any sizes. A process sends its rows to the
    others, and the gradients of theirs back; memory is O((N + M) D), where it has N of M rows.
    """

    def __init__(
        self, loss: _ContrastiveLoss, ranks: Ranks | None = None, *, gradients: str = "mean"
    ) -> None:
        """Make the loss.

        Args:
            loss: a SupConLoss, NTXentLoss or TCLLoss; its reduction must be "mean".
            ranks: the processes; None: those of torch's default process group.
            gradients: what becomes of the processes' gradients. "mean": they are averaged, as
                DistributedDataParallel does, and the value is multiplied by the number of processes. "sum": they are
                added up, and the values add up to the loss of the global batch.

        Raises:
            ValueError: another reduction, or another word for `gradients`.
        """
        super().__init__()
        if not isinstance(loss, _ContrastiveLoss) or loss.reduction != "mean":
            raise ValueError("loss must be a SupConLoss, NTXentLoss or TCLLoss with reduction 'mean'")
        if gradients not in ("mean", "sum"):
            raise ValueError(f"gradients must be 'mean' or 'sum', not {gradients!r}")
        self.loss = loss
        self.ranks = ranks or Ranks.of_torch()
        self.gradients = gradients

    def forward(
        self, embeddings: Tensor, labels: Tensor | None = None, sizes: Sequence[int] | None = None
    ) -> Tensor:
        """This process's part of the loss of the global batch.

        Args:
            embeddings: as the loss takes them; (B, views, D) needs labels, which tell clips of all processes apart.
            labels: integer (N,) or (B,), one for each; equal ones are positives, in whichever processes they are.
            sizes: rows of every process, where they are known; None: they are exchanged.

        Raises:
            TypeError, ValueError, RuntimeError: as the loss itself.
            RankError: another process ended or does not answer.
        """
        ranks = self.ranks
        if ranks.size == 1:
            value: Tensor = self.loss(embeddings, labels)
            return value
        if labels is None:
            raise ValueError(
                "labels must be given: without them, clips of two processes would have one label"
            )
        rows, row_labels, _ = _rows(embeddings, labels, None)
        if row_labels is None or row_labels.dim() != 1:
            raise ValueError(
                "labels must be one for each row or clip: several are not divided among processes"
            )
        rows = _normalised(rows)
        sizes = sizes or ranks.sizes(rows)
        every_row, every_label = gather(rows, ranks, sizes), ranks.gathered(row_labels, sizes)
        anchors = (count_positives(every_label) > 0).sum()
        part = contrastive_loss(
            rows,
            row_labels,
            temperature=self.loss.temperature,
            k1=self.loss.k1,
            k2=self.loss.k2,
            contrasts=every_row,
            contrast_labels=every_label,
            self_offset=sum(sizes[: ranks.rank]),
            reduction="sum",
        )
        return part / anchors.clamp(min=1) * (ranks.size if self.gradients == "mean" else 1)


def part_of(loss: nn.Module, ranks: Ranks) -> Callable[[Tensor, Tensor, Sequence[int]], Tensor]:
    """This process's part of a mean loss of the global batch, `part(outputs, labels, sizes)`; the parts add up to it.

    Contrastive losses of this module and `nn.CrossEntropyLoss` are computed from the process's own rows. Any other loss
    is computed by every process from all rows.
    """
    if ranks.size == 1:
        return lambda outputs, labels, sizes: loss(outputs, labels)
    if isinstance(loss, _ContrastiveLoss) and loss.reduction == "mean":
        return GlobalBatchLoss(loss, ranks, gradients="sum")
    if isinstance(loss, nn.CrossEntropyLoss) and loss.weight is None and loss.reduction == "mean":
        smoothing = loss.label_smoothing
        return lambda outputs, labels, sizes: (
            F.cross_entropy(outputs, labels, reduction="sum", label_smoothing=smoothing) / sum(sizes)
        )
    return lambda outputs, labels, sizes: (
        loss(gather(outputs, ranks, sizes), ranks.gathered(labels, sizes)) / ranks.size
    )
