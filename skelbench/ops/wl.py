"""Rooted subtrees of Weisfeiler and Lehman as 64-bit tokens.

The token of a node at depth 0 stands for its label; at depth d + 1 for its token at depth d together with the multiset
of its neighbours' (Shervashidze et al. 2011, section 3.1). Two nodes have equal tokens at a depth exactly if their
labelled neighbourhoods unfold to equal trees of that depth, but for collisions: with n distinct subtrees at one depth,
P(any collision) < n^2 / 2^(bits + 1): 2.7e-8 for a million, 2.7e-4 for a hundred million subtrees at 64 bits.

The hash itself is in `csrc/wl/hash.h`. Its neighbour sum commutes, so neighbours need no sorting. It is no defence
against labels chosen by an adversary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelbench.ops import _library, reference

NeighbourLists = tuple[Tensor, Tensor]


def wl_subtrees(labels: Tensor, edges: Tensor, iterations: int = 2, *, bits: int = 64) -> Tensor:
    """Tokens of the rooted subtrees of every node of G graphs that have the same undirected edges.

    labels: int64 (G, V), one row a graph; any values.
    edges: int64 (E, 2), each edge once, on the device of `labels` or on the CPU.
    iterations: greatest depth, at least 0.
    bits: low bits of a token that are kept, 1 to 64; fewer bits collide, which tests use.

    Returns int64 (G, iterations + 1, V). Raises ValueError for an edge to a node that is not there, a loop, or an edge
    given twice.
    """
    if labels.dim() != 2:
        raise ValueError(f"labels: expected shape (G, V), got {tuple(labels.shape)}")
    indptr, indices = neighbour_lists(edges, labels.shape[1])
    return wl_subtrees_csr(labels, indptr.to(labels.device), indices.to(labels.device), iterations, bits=bits)


def wl_subtrees_csr(
    labels: Tensor, indptr: Tensor, indices: Tensor, iterations: int = 2, *, bits: int = 64
) -> Tensor:
    """The same over neighbour lists: node v's neighbours are `indices[indptr[v] : indptr[v + 1]]`.

    labels: int64 (V,) or (G, V). A batch of graphs with different nodes and edges is one graph of many components:
        concatenate labels and neighbours, add each graph's first node to its neighbours' indices, and split the result.
    indptr: int64 (V + 1,), ascending from 0; indices: int64 (indptr[-1],), in 0..V-1.

    Returns int64 (iterations + 1, V) or (G, iterations + 1, V). Raises ValueError (RuntimeError from the compiled op)
    for lists that do not fit the labels.
    """
    _check(labels, indptr, indices, iterations, bits)
    batch = labels if labels.dim() == 2 else labels[None]
    if _library.built:
        tokens: Tensor = torch.ops.skelbench.wl_subtrees(batch, indptr, indices, iterations, bits)
    else:
        _library.warn_fallback()
        tokens = reference.wl_subtrees(batch, indptr, indices, iterations, bits)
    return tokens if labels.dim() == 2 else tokens[0]


def _check(labels: Tensor, indptr: Tensor, indices: Tensor, iterations: int, bits: int) -> None:
    if labels.dtype != torch.int64 or labels.dim() not in (1, 2):
        raise ValueError(f"labels: expected int64 (V,) or (G, V), got {labels.dtype} {tuple(labels.shape)}")
    for name, value in (("indptr", indptr), ("indices", indices)):
        if value.dtype != torch.int64 or value.dim() != 1:
            raise ValueError(
                f"{name}: expected int64 with one dimension, got {value.dtype} {tuple(value.shape)}"
            )
        if value.device != labels.device:
            raise ValueError(f"{name} is on {value.device}, labels on {labels.device}")
    if indptr.shape[0] != labels.shape[-1] + 1:
        raise ValueError(
            f"indptr: {labels.shape[-1]} nodes need {labels.shape[-1] + 1} numbers, not {len(indptr)}"
        )
    if iterations < 0 or not 1 <= bits <= 64:
        raise ValueError(f"iterations must be at least 0 and bits 1 to 64, got {iterations} and {bits}")
    # The compiled op looks at the values itself on the CPU; elsewhere only a call that is not being traced can.
    if (labels.is_cuda or not _library.built) and not torch.compiler.is_compiling():
        ends = int(indptr[0]), int(indptr[-1])
        if ends != (0, len(indices)) or bool((indptr.diff() < 0).any()):
            raise ValueError(f"indptr must ascend from 0 to {len(indices)}, the number of neighbours")
        if bool(((indices < 0) | (indices >= labels.shape[-1])).any()):
            raise ValueError(f"indices: a neighbour is none of the nodes 0..{labels.shape[-1] - 1}")


def neighbour_lists(edges: Tensor, nodes: int) -> NeighbourLists:
    """Undirected edges int64 (E, 2) -> (indptr (nodes + 1,), indices (2 E,)), both int64.

    Raises ValueError for an edge to a node outside 0..nodes-1, a loop, or an edge given twice.
    """
    if edges.dim() != 2 or edges.shape[1] != 2 or edges.dtype != torch.int64:
        raise ValueError(
            f"edges: expected int64 of shape (E, 2), got {edges.dtype} of shape {tuple(edges.shape)}"
        )
    if not torch.compiler.is_compiling():  # what depends on values cannot be traced
        _check_edges(edges, nodes)
    both = torch.cat([edges, edges.flip(1)])
    source, order = torch.sort(both[:, 0], stable=True)
    bounds = torch.arange(nodes + 1, device=edges.device)
    return torch.searchsorted(source, bounds), both[order, 1]


def _check_edges(edges: Tensor, nodes: int) -> None:
    def first(wrong: Tensor) -> tuple[int, list[int]]:
        row = int(wrong.nonzero()[0])
        return row, edges[row].tolist()

    outside = ((edges < 0) | (edges >= nodes)).any(dim=1)
    if outside.any():
        row, edge = first(outside)
        raise ValueError(f"edges: row {row} is {edge}, but the nodes are 0..{nodes - 1}")
    loop = edges[:, 0] == edges[:, 1]
    if loop.any():
        row, edge = first(loop)
        raise ValueError(f"edges: row {row} is {edge}, an edge from a node to itself; leave it out")
    pair = edges.min(dim=1).values * nodes + edges.max(dim=1).values
    ordered, order = torch.sort(pair, stable=True)
    again = torch.zeros_like(loop)
    again[order[1:]] = ordered[1:] == ordered[:-1]
    if again.any():
        row, edge = first(again)
        raise ValueError(f"edges: row {row} is {edge}, an edge that was given before; give each once")


def _fake(labels: Tensor, indptr: Tensor, indices: Tensor, iterations: int, bits: int) -> Tensor:
    return labels.new_empty(labels.shape[0], iterations + 1, labels.shape[1])


if _library.built:
    torch.library.register_fake("skelbench::wl_subtrees")(_fake)
