"""SupCon, NT-Xent and TCL in one op that never stores an N x N matrix (`csrc/contrastive/README.md`)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from skelbench.ops import _library, reference

_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


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
    """Contrastive loss of unit embeddings against all others, memory O((N + M) D).

    With P(i) the other rows of anchor i's label, N(i) the rows of other labels, s_ij = z_i . z_j and tau the
    temperature:

        D_i = sum_{p in P(i)} exp(s_ip/tau) + k1 sum_{p in P(i)} exp(-s_ip) + k2 sum_{n in N(i)} exp(s_in/tau)
        L_i = log D_i - (1/|P(i)|) sum_{p in P(i)} s_ip/tau

    SupCon (Khosla et al. 2020, eq. 2) is k1 = 0, k2 = 1; NT-Xent (Chen et al. 2020, eq. 1) is SupCon whose
    labels are instance ids; TCL (WACV 2025) has k1 > 0 and usually temperature 0.1, k1 5000. An anchor
    without a positive has loss 0 and is left out of the mean; if no anchor has one, the mean is 0.

    Args:
        embeddings: (N, D) float32, float64, bfloat16 or float16. Meant to be unit rows: the op does not
            normalise (`skelbench.losses` does), and rows of any length give the formula's value, at less
            speed.
        labels: (N,) int64.
        temperature: tau > 0.
        k1, k2: weights >= 0 of the positives' repelling term (without tau) and of the negatives.
        contrasts: (M, D), embeddings' dtype and device: what anchors are compared with, if not with each
            other. A data-parallel rank passes the gathered batch. Gradients flow to both.
        contrast_labels: (M,) int64, with `contrasts`.
        self_offset: anchor i is contrast i + self_offset, and is not compared with it; None: no contrast is
            an anchor.
        reduction: "mean" over the anchors with a positive, "sum", or "none" (N,).

    Returns:
        A scalar, or (N,); float64 for float64 inputs, else float32 (sums are kept in at least float32).

    Raises:
        ValueError: an argument has the wrong shape, dtype, device or range.
        RuntimeError: a row is NaN or infinite (named; on CUDA, where nothing may wait for the device, the
            loss is NaN).
    """
    _check(embeddings, labels, "embeddings", "labels")
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be positive and finite, not {temperature}")
    for name, value in (("k1", k1), ("k2", k2)):
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be finite and not negative, not {value}")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
    if (contrasts is None) != (contrast_labels is None):
        raise ValueError("contrasts and contrast_labels go together: give both or neither")
    if contrasts is not None and contrast_labels is not None:
        _check_contrasts(embeddings, contrasts, contrast_labels, self_offset)

    if not _library.built:
        _library.warn_fallback()
        return reference.contrastive_loss(
            embeddings,
            labels,
            temperature=temperature,
            k1=k1,
            k2=k2,
            contrasts=contrasts,
            contrast_labels=contrast_labels,
            self_offset=self_offset,
            reduction=reduction,
        )
    tf32 = _tf32()
    deterministic = torch.are_deterministic_algorithms_enabled()
    rows, _, count = torch.ops.skelbench.contrastive(
        embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset, tf32, deterministic
    )
    return reference.reduce(rows, count > 0, reduction)


@torch.compiler.assume_constant_result
def _tf32() -> bool:
    """Whether float32 products may be rounded to tf32; torch guards compiled graphs on this setting."""
    return torch.get_float32_matmul_precision() != "highest"


def _check(rows: Tensor, labels: Tensor, rows_name: str, labels_name: str) -> None:
    if rows.dim() != 2 or rows.shape[1] == 0:
        raise ValueError(f"{rows_name} must be (rows, D) with D > 0, not {tuple(rows.shape)}")
    if rows.dtype not in _DTYPES:
        raise ValueError(f"{rows_name} must be float32, float64, bfloat16 or float16, not {rows.dtype}")
    if labels.dtype != torch.int64 or labels.shape != rows.shape[:1]:
        raise ValueError(
            f"{labels_name} must be int64 ({rows.shape[0]},), one per row of {rows_name}, "
            f"not {labels.dtype} {tuple(labels.shape)}"
        )
    if labels.device != rows.device:
        raise ValueError(f"{labels_name} is on {labels.device}, {rows_name} on {rows.device}")


def _check_contrasts(embeddings: Tensor, contrasts: Tensor, labels: Tensor, self_offset: int | None) -> None:
    _check(contrasts, labels, "contrasts", "contrast_labels")
    for what in ("dtype", "device"):
        if getattr(contrasts, what) != getattr(embeddings, what):
            raise ValueError(
                f"contrasts has {what} {getattr(contrasts, what)}, embeddings {getattr(embeddings, what)}"
            )
    if contrasts.shape[1] != embeddings.shape[1]:
        raise ValueError(
            f"contrasts has rows of {contrasts.shape[1]} numbers, embeddings of {embeddings.shape[1]}"
        )
    last = contrasts.shape[0] - embeddings.shape[0]
    if self_offset is not None and not 0 <= self_offset <= last:
        raise ValueError(
            f"self_offset must lie in [0, {last}], so that all {embeddings.shape[0]} anchors are among "
            f"the {contrasts.shape[0]} contrasts, not {self_offset}; pass None if contrasts hold no anchor"
        )


def _fake(
    embeddings: Tensor,
    labels: Tensor,
    contrasts: Tensor | None,
    contrast_labels: Tensor | None,
    temperature: float,
    k1: float,
    k2: float,
    self_offset: int | None,
    tf32: bool,
    deterministic: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    n = embeddings.shape[0]
    dtype = torch.float64 if embeddings.dtype == torch.float64 else torch.float32
    return (
        embeddings.new_empty(n, dtype=dtype),
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
    contrast_labels: Tensor | None,
    temperature: float,
    k1: float,
    k2: float,
    self_offset: int | None,
    tf32: bool,
    deterministic: bool,
    need_embeddings: bool,
    need_contrasts: bool,
) -> tuple[Tensor, Tensor]:
    d = embeddings.shape[1]
    rows = contrasts.shape[0] if contrasts is not None and need_contrasts else 0
    return embeddings.new_empty(embeddings.shape[0] if need_embeddings else 0, d), embeddings.new_empty(
        rows, d
    )


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    embeddings, labels, contrasts, contrast_labels, *ctx.settings = inputs
    _, lse, count = output
    ctx.mark_non_differentiable(lse, count)
    ctx.save_for_backward(embeddings, labels, contrasts, contrast_labels, lse, count)


def _backward(ctx: Any, grad: Tensor, _lse: Tensor, _count: Tensor) -> tuple[Tensor | None, ...]:
    embeddings, labels, contrasts, contrast_labels, lse, count = ctx.saved_tensors
    need_z, need_c = ctx.needs_input_grad[0], contrasts is not None and ctx.needs_input_grad[2]
    grad_z, grad_c = torch.ops.skelbench.contrastive_backward(
        grad, lse, count, embeddings, labels, contrasts, contrast_labels, *ctx.settings, need_z, need_c
    )
    rest = (None,) * (1 + len(ctx.settings))
    return grad_z if need_z else None, None, grad_c if need_c else None, *rest


if _library.built:
    torch.library.register_fake("skelbench::contrastive")(_fake)
    torch.library.register_fake("skelbench::contrastive_backward")(_fake_backward)
    torch.library.register_autograd("skelbench::contrastive", _backward, setup_context=_setup_context)
