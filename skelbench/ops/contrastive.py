"""SupCon, NT-Xent and TCL in one op that never stores an N x N matrix (`csrc/contrastive/README.md`)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skelbench.ops import _library, reference
from skelbench.ops._autograd import DifferentiableOp, has_tangent, transforms_are_active
from skelbench.ops.checks import FLOATS, check_integer, check_number, check_tensor

TEMPERATURES = (1e-10, 1e10)
"""Range of the temperature. 1/tau and its products with similarities are finite in float32 there."""
WEIGHTS = (1e-30, 1e30)
"""Range of k1 and k2, besides 0: their products with a row's terms are neither 0 nor infinite in float32."""
REDUCTIONS = ("mean", "sum", "none")


def contrastive_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    temperature: float | Tensor = 0.07,
    k1: float = 0.0,
    k2: float = 1.0,
    contrasts: Tensor | None = None,
    contrast_labels: Tensor | None = None,
    self_offset: int | None = 0,
    reduction: str = "mean",
) -> Tensor:
    """Contrastive loss of unit embeddings against all others, memory O((N + M) D).

    With P(i) the other rows of anchor i's label, N(i) the rows of other labels, s_ij = z_i . z_j and tau the
    temperature:

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
        labels: (N,) int64.
        temperature: tau in [1e-10, 1e10]. A tensor with one number may need a gradient if k1 = 0; half-precision
            embeddings are then computed in float32. On a GPU its range is not checked. In compiled code, pass one
            that changes as a tensor: torch compiles an op anew for each value of a number.
        k1: weight of the positives' repelling term (without tau), 0 or in [1e-30, 1e30].
        k2: weight of the negatives, 0 or in [1e-30, 1e30].
        contrasts: (M, D), embeddings' dtype and device: what anchors are compared with, if not with each
            other. A data-parallel rank passes the gathered batch; a queue of negatives is appended to the batch under
            a label that no anchor has. Gradients flow to both.
        contrast_labels: (M,) int64, with `contrasts`.
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
    _check(embeddings, labels, contrasts, contrast_labels, self_offset)
    check_temperature(temperature)
    for name, value in (("k1", k1), ("k2", k2)):
        check_number(name, value, *WEIGHTS, or_zero=True)
    check_reduction(reduction)
    if isinstance(temperature, Tensor):
        embeddings, contrasts, temperature = _absorb(embeddings, contrasts, temperature, k1)
    compiled = _library.has_kernels(embeddings) and not has_tangent(embeddings, contrasts)
    if compiled and reduction != "none" and embeddings.device.type == "cpu":
        batch = embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset
        loss: Tensor = _reduced(*batch, reduction == "mean", _needed(embeddings), _needed(contrasts))[0]
        return loss
    losses, positives = _losses(
        embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset, compiled
    )
    # The reduced op leaves out a term that is the only one by itself.
    others = (embeddings if contrasts is None else contrasts).shape[0]
    others -= contrasts is None or self_offset is not None
    if k1 == 0 and (k2 == 0 or others == 1):
        losses = losses * (positives != 1)
    return reference.reduce(losses, positives > 0, reduction)


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
) -> tuple[Tensor, Tensor | None, float]:
    """Rows whose loss at temperature 1 is that of `embeddings` at `temperature`, for autograd to differentiate.

    With k1 = 0 the temperature occurs in s/tau only, and (z_i / sqrt(tau)) . (z_j / sqrt(tau)) is s_ij/tau.
    """
    if k1 > 0:
        if temperature.requires_grad and torch.is_grad_enabled():
            raise ValueError(
                f"temperature needs a gradient, which exists for k1 = 0 only (k1 is {k1}); give a number, or use "
                "skelbench.ops.reference.contrastive_loss, whose memory is O(N M)"
            )
        return embeddings, contrasts, float(temperature)
    scale = temperature.reshape(()).rsqrt()
    return _widened(embeddings) * scale, None if contrasts is None else _widened(contrasts) * scale, 1.0


def _widened(rows: Tensor) -> Tensor:
    """Half-precision rows in float32."""
    return rows.float() if rows.dtype in (torch.bfloat16, torch.float16) else rows


def _losses(
    embeddings: Tensor,
    labels: Tensor,
    contrasts: Tensor | None,
    contrast_labels: Tensor | None,
    temperature: float,
    k1: float,
    k2: float,
    self_offset: int | None,
    compiled: bool,
) -> tuple[Tensor, Tensor]:
    """Loss of each anchor and its number of positives, both (N,)."""
    if not compiled:
        if not _library.built:
            _library.warn_fallback()
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
    losses, _, positives = _op(
        embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset, *switches
    )
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
    labels: Tensor,
    contrasts: Tensor | None,
    contrast_labels: Tensor | None,
    self_offset: int | None,
) -> None:
    check_tensor("embeddings", embeddings, ("N", "D"), *FLOATS)
    n, d = embeddings.shape
    if d == 0:
        raise ValueError(f"embeddings must be (N, D) with D > 0, not {tuple(embeddings.shape)}")
    check_tensor("labels", labels, (n,), torch.int64, like=embeddings)
    if (contrasts is None) != (contrast_labels is None):
        raise ValueError("contrasts and contrast_labels go together: give both or neither")
    if contrasts is not None:
        check_tensor("contrasts", contrasts, ("M", d), embeddings.dtype, like=embeddings)
        check_tensor("contrast_labels", contrast_labels, (contrasts.shape[0],), torch.int64, like=embeddings)
    _check_offset(n, n if contrasts is None else contrasts.shape[0], self_offset)


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


def _sum_dtype(embeddings: Tensor) -> torch.dtype:
    """The dtype of losses, and of sums over rows."""
    return torch.float64 if embeddings.dtype == torch.float64 else torch.float32


def _fake(embeddings: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    n = embeddings.shape[0]
    return (
        embeddings.new_empty(n, dtype=_sum_dtype(embeddings)),
        embeddings.new_empty(n, dtype=torch.float64),
        embeddings.new_empty(n, dtype=torch.int64),
    )


def _fake_backward(
    grad: Tensor,
    lse: Tensor,
    positives: Tensor,
    embeddings: Tensor,
    labels: Tensor,
    contrasts: Tensor | None,
    *rest: Any,
) -> tuple[Tensor, Tensor]:
    *_, need_embeddings, need_contrasts = rest
    n, d = embeddings.shape
    m = contrasts.shape[0] if contrasts is not None and need_contrasts else 0
    return embeddings.new_empty(n if need_embeddings else 0, d), embeddings.new_empty(m, d)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    embeddings, labels, contrasts, contrast_labels, *ctx.settings = inputs
    _, lse, count = output
    ctx.mark_non_differentiable(lse, count)
    ctx.save_for_backward(embeddings, labels, contrasts, contrast_labels, lse, count)


def _backward(ctx: Any, grad: Tensor, _lse: Tensor, _count: Tensor) -> tuple[Tensor | None, ...]:
    embeddings, labels, contrasts, contrast_labels, lse, count = ctx.saved_tensors
    need_z, need_c = ctx.needs_input_grad[0], contrasts is not None and ctx.needs_input_grad[2]
    grad_z, grad_c = _op.gradient(
        grad, lse, count, embeddings, labels, contrasts, contrast_labels, *ctx.settings, need_z, need_c
    )
    rest = (None,) * (1 + len(ctx.settings))
    return grad_z if need_z else None, None, grad_c if need_c else None, *rest


def _fake_reduced(
    embeddings: Tensor, labels: Tensor, contrasts: Tensor | None, *rest: Any
) -> tuple[Tensor, ...]:
    *_, need_embeddings, need_contrasts = rest
    dtype, (n, d) = _sum_dtype(embeddings), embeddings.shape
    m = contrasts.shape[0] if contrasts is not None and need_contrasts else 0
    sizes = (), (n if need_embeddings else 0, d), (m, d)
    return tuple(embeddings.new_empty(size, dtype=dtype) for size in sizes)


def _fake_reduced_backward(
    grad: Tensor, grad_embeddings: Tensor, grad_contrasts: Tensor, embeddings: Tensor, *_: Any
) -> tuple[Tensor, ...]:
    return tuple(torch.empty_like(x, dtype=embeddings.dtype) for x in (grad_embeddings, grad_contrasts))


def _setup_reduced(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    embeddings, _, contrasts, *_ = inputs
    _, *gradients = output
    ctx.mark_non_differentiable(*gradients)
    # No zeros of the size of the rows, for outputs without a gradient.
    ctx.set_materialize_grads(False)
    # The rows are kept because the gradients depend on them, which a second derivative must not miss.
    ctx.save_for_backward(*gradients, embeddings, contrasts)


def _reduced_backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 11
    need_z, need_c = ctx.needs_input_grad[0], ctx.needs_input_grad[2]
    grad_z, grad_c = _reduced.gradient(grad, *ctx.saved_tensors)
    return grad_z if need_z else None, None, grad_c if need_c else None, *[None] * 8


if _library.built:
    torch.library.register_fake("skelbench::contrastive")(_fake)
    torch.library.register_fake("skelbench::contrastive_backward")(_fake_backward)
    _op = DifferentiableOp("contrastive", _setup_context, _backward)
    torch.library.register_fake("skelbench::contrastive_reduced")(_fake_reduced)
    torch.library.register_fake("skelbench::contrastive_reduced_backward")(_fake_reduced_backward)
    _reduced = DifferentiableOp("contrastive_reduced", _setup_reduced, _reduced_backward)
