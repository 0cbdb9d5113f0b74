"""Sums of embeddings over the tokens of a bag, with dropout of tokens and a weight per group of tokens.

`torch.nn.functional.embedding_bag` does the same with a weight for every token. It stores that weight, sorts all tokens
in the backward pass, and computes a gradient for each weight. Here a token's weight is that of its group, what is left
out follows from a hash, and the gradient of the table is added up where it belongs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skelbench.ops import _library, reference
from skelbench.ops._autograd import DifferentiableOp
from skelbench.ops.checks import check_dense, check_integer, check_number, check_tensor

# Beyond it, hardly a token is left.
_MOST_DROPOUT = 0.999
_LARGEST_SEED = 2**62
_MOST_BAGS = 2**31


def bag_sums(
    rows: Tensor,
    table: Tensor,
    weight: Tensor,
    known: Tensor,
    *,
    dropout: float = 0.0,
    seed: int = 0,
    first: int = 0,
) -> Tensor:
    """Sum the embeddings of each bag.

    The L tokens of a bag are C groups of L / C: out[g] = sum over i of weight[i // (L / C)] * u[g, i] *
    table[rows[g, i]], where u[g, i] is 0 where the token's row is not known or the token is left out, and
    1 / (1 - dropout) elsewhere. On the CPU sums and gradients have the same bits for any number of threads, on a GPU in
    each call. There, a gradient that is not finite makes the table's gradient NaN as a whole.

    Args:
        rows: int32 (G, L), in 0..R-1.
        table: float32 (R, D).
        weight: float32 (C,), C divides L.
        known: bool (R,), rows that count.
        dropout: share of the tokens that is left out, in [0, 0.999].
        seed: of the tokens that are left out.
        first: number of the first bag: the tokens left out are those of these bags among all that share the seed.

    Returns:
        float32 (G, D), differentiable in table and weight.

    Raises:
        TypeError: an argument (named) of another type.
        ValueError: an argument (named) of the wrong shape, dtype, device or range.
        ValueError or RuntimeError: a token outside the table.
    """
    check_tensor("rows", rows, ("G", "L"), torch.int32)
    check_tensor("table", table, ("R", "D"), torch.float32, like=rows)
    check_tensor("weight", weight, ("C",), torch.float32, like=rows)
    check_tensor("known", known, (table.shape[0],), torch.bool, like=rows)
    if table.shape[1] == 0:
        raise ValueError("table: its embeddings have no numbers, it is (R, 0)")
    if len(weight) == 0 or rows.shape[1] % len(weight):
        raise ValueError(
            f"weight has {len(weight)} numbers, which do not divide the {rows.shape[1]} columns of rows"
        )
    check_number("dropout", dropout, 0, _MOST_DROPOUT)
    check_integer("seed", seed, 0, _LARGEST_SEED)
    check_integer("first", first, 0, _MOST_BAGS)
    compiled = _library.built and rows.device.type in (*_library.devices, "meta")
    # The compiled op looks at the values itself on the CPU.
    if (rows.is_cuda or not compiled) and not torch.compiler.is_compiling():
        check_dense("rows", rows)
        if bool(((rows < 0) | (rows >= len(table))).any()):
            raise ValueError(f"rows: a token is none of the table's rows 0..{len(table) - 1}")
    if compiled:
        sums: Tensor = _sums(rows, table, weight, known, dropout, seed, first)[0]
        return sums
    if not _library.built:
        _library.warn_fallback()
    return reference.bag_sums(rows, table, weight, known, dropout, seed, first)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.dropout, ctx.seed, ctx.first = inputs
    # The sums of the groups, from which the gradient of the weight follows without the table.
    _, parts = output
    ctx.mark_non_differentiable(parts)
    ctx.save_for_backward(parts, *tensors)


def _backward(ctx: Any, grad: Tensor, _parts: Tensor) -> tuple[Tensor | None, ...]:
    table, weight = _sums.gradient(grad, *ctx.saved_tensors, ctx.dropout, ctx.seed, ctx.first)
    return None, table, weight, None, None, None, None


def _fake(rows: Tensor, table: Tensor, weight: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    bags = table.new_empty(rows.shape[0], table.shape[1])
    return bags, table.new_empty(rows.shape[0], weight.shape[0], table.shape[1])


def _backward_fake(
    grad: Tensor, parts: Tensor, rows: Tensor, table: Tensor, weight: Tensor, *_: Any
) -> tuple[Tensor, ...]:
    return torch.empty_like(table), torch.empty_like(weight)


if _library.built:
    torch.library.register_fake("skelbench::bag_sums")(_fake)
    torch.library.register_fake("skelbench::bag_sums_backward")(_backward_fake)
    _sums = DifferentiableOp("bag_sums", _setup, _backward)
