"""The compiled contrastive ops: their shapes, their derivatives, and their registration with torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skelbench.ops import _library
from skelbench.ops._autograd import DifferentiableOp, WithoutDerivative, is_last_backward, refusal


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
    grad_z, grad_c = op.gradient(
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


def _scaled(kept: Tensor, grad: Tensor) -> Tensor:
    """The kept gradient times that of the loss, in its own memory."""
    return kept if float(grad) == 1 else kept.mul_(grad)


def _reduced_backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 11
    need_z, need_c = ctx.needs_input_grad[0], ctx.needs_input_grad[2]
    if is_last_backward(grad):
        kept_z, kept_c, embeddings, _ = ctx.saved_tensors
        grad_z, grad_c = (_scaled(kept, grad).to(embeddings.dtype) for kept in (kept_z, kept_c))
    else:
        grad_z, grad_c = reduced.gradient(grad, *ctx.saved_tensors)
    return grad_z if need_z else None, None, grad_c if need_c else None, *[None] * 8


if _library.built:
    torch.library.register_fake("skelbench::contrastive")(_fake)
    torch.library.register_fake("skelbench::contrastive_backward")(_fake_backward)
    op = DifferentiableOp("contrastive", _setup_context, _backward)
    torch.library.register_fake("skelbench::contrastive_reduced")(_fake_reduced)
    torch.library.register_fake("skelbench::contrastive_reduced_backward")(_fake_reduced_backward)
    reduced = DifferentiableOp("contrastive_reduced", _setup_reduced, _reduced_backward)


class TemperatureGradient(torch.autograd.Function):
    """Zeros (N,) whose derivative in the temperature is that of the losses.

    tau dL_i/dtau = -sum_j s_ij w_ij, where w_ij is dL_i/ds_ij without the repelling term, which has no temperature, but
    with the true D_i. The kernel of the gradient computes sum_j w_ij z_j from log D_i and k1 = 0.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(temperature: Tensor, lse: Tensor, count: Tensor, embeddings: Tensor, *batch: Any) -> Tensor:
        return torch.zeros_like(lse, dtype=_sum_dtype(embeddings))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        temperature, lse, count, embeddings, labels, contrasts, contrast_labels, *ctx.settings = inputs
        ctx.save_for_backward(temperature, lse, count, embeddings, labels, contrasts, contrast_labels)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        temperature, lse, count, embeddings, labels, contrasts, contrast_labels = ctx.saved_tensors
        number, _, *rest = ctx.settings
        batch = embeddings, labels, contrasts, contrast_labels, number, 0.0, *rest
        rows = op.gradient(grad, lse, count, *batch, True, False)[0]
        # In the square form a pair is in the gradients of both rows.
        sides = 2 if contrasts is None else 1
        total = -(embeddings * rows).sum(dtype=torch.float64) / (number * sides)
        gradient = total.to(temperature).reshape(temperature.shape)
        derivative: Any = WithoutDerivative.apply
        return derivative(gradient, "contrastive", temperature), *[None] * (6 + len(ctx.settings))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        raise refusal("contrastive")
