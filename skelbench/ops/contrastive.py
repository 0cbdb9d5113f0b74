"""SupCon, NT-Xent and TCL in one op that never stores an N x N matrix (`csrc/contrastive/README.md`)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from skelbench.ops import _contrastive, _library, reference
from skelbench.ops._autograd import has_tangent, transforms_are_active
from skelbench.ops.checks import FLOATS, check_dense, check_integer, check_number, check_tensor

TEMPERATURES = (1e-10, 1e10)
"""Range of the temperature. 1/tau and its products with similarities are finite in float32 there."""
WEIGHTS = (1e-30, 1e30)
"""Range of k1 and k2, besides 0: their products with a row's terms are neither 0 nor infinite in float32."""
REDUCTIONS = ("mean", "sum", "none")


def contrastive_loss(
    embeddings: Tensor,
    labels: Tensor | None = None,
    *,
    positives: Tensor | None = None,
    temperature: float | Tensor = 0.07,
    k1: float = 0.0,
    k2: float = 1.0,
    contrasts: Tensor | None = None,
    contrast_labels: Tensor | None = None,
    self_offset: int | None = 0,
    reduction: str = "mean",
) -> Tensor:
    """Contrastive loss of unit embeddings against all others, memory O((N + M) D).

    With P(i) the other rows of anchor i's label, N(i) the rest, s_ij = z_i . z_j and tau the temperature:

        D_i = sum_{p in P(i)} exp(s_ip/tau) + k1 sum_{p in P(i)} exp(-s_ip) + k2 sum_{n in N(i)} exp(s_in/tau)
        L_i = log D_i - (1/|P(i)|) sum_{p in P(i)} s_ip/tau

    SupCon (Khosla et al. 2020, eq. 2) is k1 = 0, k2 = 1. NT-Xent (Chen et al. 2020, eq. 1) is SupCon whose labels
    are instance ids. TCL (WACV 2025, arXiv 2305.10675) has k1 > 0, usually with temperature 0.1 and k1 5000.

    Edges of the definition:

    - An anchor without a positive has loss 0 and is left out of the mean. If no anchor has one, the mean is 0.
    - Without negatives the loss stays as defined: log(N - 1) where all N rows are equal (pytorch-metric-learning
      returns 0 for a batch without negatives).
    - An anchor whose one positive is its only term (a lone pair, or k2 = 0, with k1 = 0) has loss and gradient
      exactly 0.

    Derivatives: first-order reverse mode, also by `torch.func.grad` and `jacrev`. Forward mode, and a device that the
    extension was not built for, run in plain torch with N x M memory. A second derivative raises NotImplementedError.

    Args:
        embeddings: (N, D) float32, float64, bfloat16 or float16. Meant to be unit rows: the op does not
            normalise (`skelbench.losses` does). Rows of any length give the formula's value, at less speed.
        labels: int64 (N,); or (N, L), up to L labels per row and -1 for none: rows with one in common are positives.
            Several labels run in plain torch, in float32 at least, block by block of anchors.
        positives: bool (N, M), instead of labels: which contrasts are an anchor's positives. An anchor is never its
            own. Runs as several labels do.
        temperature: tau in [1e-10, 1e10]. A tensor with one number may need a gradient; half-precision embeddings are
            then computed in float32. On a GPU its range is not checked. In compiled code, pass one that changes as a
            tensor, with k1 = 0: torch compiles an op anew for each value of a number.
        k1: weight of the positives' repelling term (without tau), 0 or in [1e-30, 1e30].
        k2: weight of the negatives, 0 or in [1e-30, 1e30].
        contrasts: (M, D), embeddings' dtype and device: what anchors are compared with, if not with each
            other. A data-parallel rank passes the gathered batch; a queue of negatives is appended to the batch under
            a label that no anchor has. Gradients flow to both.
        contrast_labels: int64 (M,), or (M, L'), with `contrasts` and labels.
        self_offset: anchor i is contrast i + self_offset, and is not compared with it; None: no contrast is
            an anchor.
        reduction: "mean" over the anchors with a positive, "sum", or "none" (N,).

    Returns:
        A scalar, or (N,); float64 for float64 inputs, else float32 (sums are kept in at least float32).

    Raises:
        TypeError: an argument (named) of another type, such as labels in a list.
        ValueError: an argument (named) of the wrong shape, dtype, device or range.
        RuntimeError: a row (named) is NaN or infinite. On CUDA, where nothing may wait for the device, the loss is NaN
            instead.
    """
    _check(embeddings, labels, positives, contrasts, contrast_labels, self_offset)
    check_temperature(temperature)
    for name, value in (("k1", k1), ("k2", k2)):
        check_number(name, value, *WEIGHTS, or_zero=True)
    check_reduction(reduction)
    compiled = _library.has_kernels(embeddings) and not has_tangent(embeddings, contrasts, temperature)
    several = labels is None or labels.dim() == 2
    learned = None
    if isinstance(temperature, Tensor) and compiled and not several:
        embeddings, contrasts, temperature, learned = _absorb(embeddings, contrasts, temperature, k1)
    if several:
        settings = {"temperature": temperature, "k1": k1, "k2": k2}
        losses, count = _in_blocks(
            embeddings, labels, positives, contrasts, contrast_labels, self_offset, settings
        )
    else:
        assert labels is not None
        batch = embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset
        if compiled and learned is None and reduction != "none" and embeddings.device.type == "cpu":
            loss: Tensor = _contrastive.reduced(
                *batch, reduction == "mean", _needed(embeddings), _needed(contrasts)
            )[0]
            return loss
        losses, count = _losses(*batch, compiled, learned)
    # The reduced op leaves out a term that is the only one by itself.
    others = (embeddings if contrasts is None else contrasts).shape[0]
    others -= contrasts is None or self_offset is not None
    if k1 == 0 and (k2 == 0 or others == 1):
        losses = losses * (count != 1)
    return reference.reduce(losses, count > 0, reduction)


def count_positives(
    labels: Tensor, contrast_labels: Tensor | None = None, self_offset: int | None = 0
) -> Tensor:
    """Number of positives |P(i)| of each anchor of `contrastive_loss`, int64 (N,).

    The loss is a mean over the anchors that have one. Data-parallel ranks that weight their losses by
    `(count_positives(...) > 0).sum()` get the mean over the whole batch.

    Args:
        labels: (N,) int64.
        contrast_labels: (M,) int64, as in `contrastive_loss`.
        self_offset: as in `contrastive_loss`.

    Raises:
        TypeError: an argument (named) of another type.
        ValueError: an argument (named) of the wrong shape, dtype, device or range.
    """
    check_tensor("labels", labels, ("N",), torch.int64)
    others = labels
    if contrast_labels is not None:
        check_tensor("contrast_labels", contrast_labels, ("M",), torch.int64, like=labels)
        others = contrast_labels
    _check_offset(labels.shape[0], others.shape[0], self_offset)
    ordered = others.sort().values
    count = torch.searchsorted(ordered, labels, right=True) - torch.searchsorted(ordered, labels)
    if contrast_labels is None:
        return count - 1
    if self_offset is None:
        return count
    return count - (others[self_offset : self_offset + labels.shape[0]] == labels).to(torch.int64)


def check_temperature(temperature: object) -> None:
    """Check the type and range of a temperature.

    Raises:
        TypeError: neither a number nor a tensor.
        ValueError: a tensor of another shape or dtype, or a value outside `TEMPERATURES`.
    """
    if isinstance(temperature, Tensor):
        if temperature.numel() != 1 or temperature.dtype not in FLOATS:
            raise ValueError(
                f"temperature must be one floating number, not {temperature.dtype} {tuple(temperature.shape)}"
            )
        if temperature.device.type != "cpu" or torch.compiler.is_compiling() or _is_wrapped(temperature):
            return
        temperature = float(temperature.detach())
    check_number("temperature", temperature, *TEMPERATURES)


def check_reduction(reduction: object) -> None:
    """Raise ValueError unless `reduction` is one of `REDUCTIONS`."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}")


def _is_wrapped(x: Tensor) -> bool:
    """Whether a transform of torch.func hides the value of `x`."""
    return torch._C._functorch.is_functorch_wrapped_tensor(x)


def _absorb(
    embeddings: Tensor, contrasts: Tensor | None, temperature: Tensor, k1: float
) -> tuple[Tensor, Tensor | None, float, Tensor | None]:
    """Rows and a number in place of a temperature that is a tensor, and that tensor where it still needs a gradient.

    With k1 = 0 the temperature occurs in s/tau only, and (z_i / sqrt(tau)) . (z_j / sqrt(tau)) is s_ij/tau: autograd
    differentiates the rows.
    """
    if k1 > 0:
        if not (temperature.requires_grad and torch.is_grad_enabled()):
            return embeddings, contrasts, float(temperature), None
        number = float(temperature.detach())
        return _widened(embeddings), None if contrasts is None else _widened(contrasts), number, temperature
    scale = temperature.reshape(()).rsqrt()
    return _widened(embeddings) * scale, None if contrasts is None else _widened(contrasts) * scale, 1.0, None


def _widened(rows: Tensor) -> Tensor:
    """Half-precision rows in float32."""
    return rows.float() if rows.dtype in (torch.bfloat16, torch.float16) else rows


# Similarities of a block of anchors where several labels or a mask say which are positives.
_BLOCK = 2**20


def _in_blocks(
    embeddings: Tensor,
    labels: Tensor | None,
    positives: Tensor | None,
    contrasts: Tensor | None,
    contrast_labels: Tensor | None,
    self_offset: int | None,
    settings: dict[str, Any],
) -> tuple[Tensor, Tensor]:
    """Loss of each anchor and its number of positives in plain torch, each block computed anew for its gradient."""
    rows, others = _widened(embeddings), _widened(embeddings if contrasts is None else contrasts)
    for name, x in (("embeddings", rows), ("contrasts", others)):
        _check_finite(name, x)
    if contrasts is None:
        self_offset, contrast_labels = 0, labels

    def block(anchors: Tensor, others: Tensor, temperature: Any, first: int) -> tuple[Tensor, Tensor]:
        part = slice(first, first + len(anchors))
        if positives is None:
            assert labels is not None
            assert contrast_labels is not None
            mask = reference.share_a_label(labels[part], contrast_labels)
        else:
            mask = positives[part]
        offset = None if self_offset is None else self_offset + first
        call = settings | {"temperature": temperature, "self_offset": offset}
        return reference.contrastive_rows(anchors, None, others, positives=mask, **call)

    size = max(_BLOCK // max(len(others), 1), 1)
    # Transforms of torch.func do not know checkpoints.
    anew = torch.is_grad_enabled() and not transforms_are_active() and len(rows) > size
    found = []
    for number, anchors in enumerate(rows.split(size)):
        call = anchors, others, settings["temperature"], number * size
        found.append(
            checkpoint(block, *call, use_reentrant=False, preserve_rng_state=False) if anew else block(*call)
        )
    losses, counts = zip(*found, strict=True)
    return torch.cat(losses), torch.cat(counts)


def _losses(
    embeddings: Tensor,
    labels: Tensor,
    contrasts: Tensor | None,
    contrast_labels: Tensor | None,
    temperature: float | Tensor,
    k1: float,
    k2: float,
    self_offset: int | None,
    compiled: bool,
    learned: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Loss of each anchor and its number of positives, both (N,); `learned`: the temperature, if it has a gradient."""
    if not compiled:
        if not _library.built:
            _library.warn_fallback()
        if isinstance(temperature, Tensor):
            embeddings, contrasts = _widened(embeddings), None if contrasts is None else _widened(contrasts)
        _check_finite("embeddings", embeddings)
        if contrasts is not None:
            _check_finite("contrasts", contrasts)
        return reference.contrastive_rows(
            embeddings,
            labels,
            contrasts,
            contrast_labels,
            temperature=temperature,
            k1=k1,
            k2=k2,
            self_offset=self_offset,
        )
    switches = _tf32(), torch.are_deterministic_algorithms_enabled()
    batch = embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset, *switches
    losses, lse, positives = _contrastive.op(*batch)
    if learned is not None:
        gradient: Any = _contrastive.TemperatureGradient.apply
        losses = losses + gradient(learned, lse.detach(), positives, *batch)
    return losses, positives


def _needed(rows: Tensor | None) -> bool:
    """Whether the gradient of some rows will be asked for."""
    if rows is None:
        return False
    return (rows.requires_grad and torch.is_grad_enabled()) or transforms_are_active()


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _tf32() -> bool:
    """Whether float32 products may be rounded to tf32; torch guards compiled graphs on this setting."""
    return torch.get_float32_matmul_precision() != "highest"


def _check(
    embeddings: Tensor,
    labels: Tensor | None,
    positives: Tensor | None,
    contrasts: Tensor | None,
    contrast_labels: Tensor | None,
    self_offset: int | None,
) -> None:
    check_tensor("embeddings", embeddings, ("N", "D"), *FLOATS)
    n, d = embeddings.shape
    if d == 0:
        raise ValueError(f"embeddings must be (N, D) with D > 0, not {tuple(embeddings.shape)}")
    m = n
    if contrasts is not None:
        check_tensor("contrasts", contrasts, ("M", d), embeddings.dtype, like=embeddings)
        m = contrasts.shape[0]
    if positives is not None:
        if labels is not None or contrast_labels is not None:
            raise ValueError("positives goes without labels and contrast_labels: give one or the other")
        check_tensor("positives", positives, (n, m), torch.bool, like=embeddings)
        check_dense("positives", positives)
    else:
        if labels is None:
            raise TypeError("labels must be given, or positives")
        several = isinstance(labels, Tensor) and labels.dim() == 2
        check_tensor("labels", labels, (n, "L") if several else (n,), torch.int64, like=embeddings)
        if (contrasts is None) != (contrast_labels is None):
            raise ValueError("contrasts and contrast_labels go together: give both or neither")
        if contrasts is not None:
            shape = (m, "L'") if several else (m,)
            check_tensor("contrast_labels", contrast_labels, shape, torch.int64, like=embeddings)
    _check_offset(n, m, self_offset)


def _check_finite(name: str, rows: Tensor) -> None:
    """Raise for a row that is not finite where plain torch computes on the CPU, as the compiled op does."""
    if rows.device.type != "cpu" or torch.compiler.is_compiling() or _is_wrapped(rows):
        return
    bad = (~torch.isfinite(rows.detach()).all(1)).nonzero()
    if len(bad):
        row = f"{name}: row {int(bad[0])} of {len(rows)}"
        raise RuntimeError(f"{row} is not finite; check the encoder's output before the loss")


def _check_offset(anchors: int, contrasts: int, self_offset: int | None) -> None:
    if self_offset is None:
        return
    if contrasts < anchors:
        raise ValueError(
            f"self_offset is {self_offset}, but {anchors} labels cannot be among {contrasts} contrast_labels; pass "
            "None if contrasts hold no anchor"
        )
    check_integer("self_offset", self_offset, 0, contrasts - anchors)
