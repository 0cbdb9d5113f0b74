"""Rooted subtrees of Weisfeiler and Lehman as 64-bit tokens.

The token of a node at depth 0 stands for its label. Its token at depth d + 1 stands for its token at depth d together
with the multiset of its neighbours' (Shervashidze et al. 2011, section 3.1). Two nodes have equal tokens at a depth if
and only if their labelled neighbourhoods unfold to equal trees of that depth, barring collisions: with n distinct
subtrees at one depth, P(any collision) < n^2 / 2^(bits + 1), which is 2.7e-8 for a million and 2.7e-4 for a hundred
million subtrees at 64 bits.

`csrc/wl/hash.h` states the hash. Its neighbour sum commutes, so neighbours need no sorting. An adversary who
chooses the labels can make it collide.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelbench.ops import _library, reference
from skelbench.ops.checks import check_dense, check_integer, check_tensor

NeighbourLists = tuple[Tensor, Tensor]
"""Neighbours of all nodes as (indptr, indices), see `wl_subtrees_csr`."""

MOST_ITERATIONS = 65_535
_MOST_NODES = 2**31 - 1


def wl_subtrees(labels: Tensor, edges: Tensor, iterations: int = 2, *, bits: int = 64) -> Tensor:
    """Tokens of the rooted subtrees of every node of G graphs that have the same undirected edges.

    Args:
        labels: int64 (G, V), one row a graph; any values.
        edges: int64 (E, 2), each edge once, on the device of `labels` or on the CPU.
        iterations: greatest depth, 0 to 65,535.
        bits: low bits of a token that are kept, 1 to 64. Fewer bits collide; tests use them.

    Returns:
        int64 (G, iterations + 1, V).

    Raises:
        TypeError: an argument (named) of another type.
        ValueError: an argument (named) of the wrong shape, dtype or range; an edge to a node that is not there, a
            loop, or an edge given twice.
    """
    check_tensor("labels", labels, ("G", "V"), torch.int64)
    indptr, indices = neighbour_lists(edges, labels.shape[1])
    return wl_subtrees_csr(labels, indptr.to(labels.device), indices.to(labels.device), iterations, bits=bits)


def wl_subtrees_csr(
    labels: Tensor, indptr: Tensor, indices: Tensor, iterations: int = 2, *, bits: int = 64
) -> Tensor:
    """Tokens of rooted subtrees over neighbour lists: node v's neighbours are `indices[indptr[v] : indptr[v + 1]]`.

    A batch of graphs with different nodes and edges is one graph of many components: concatenate labels and
    neighbours, add each graph's first node to its neighbours' indices, and split the result.

    Args:
        labels: int64 (V,) or (G, V).
        indptr: int64 (V + 1,), ascending from 0.
        indices: int64 (indptr[-1],), in 0..V-1.
        iterations: as in `wl_subtrees`.
        bits: as in `wl_subtrees`.

    Returns:
        int64 (iterations + 1, V) or (G, iterations + 1, V).

    Raises:
        TypeError: an argument (named) of another type.
        ValueError: an argument (named) of the wrong shape, dtype, device or range.
        ValueError or RuntimeError: lists that do not fit the labels.
    """
    _check(labels, indptr, indices, iterations, bits)
    batch = labels if labels.dim() == 2 else labels[None]
    if _library.has_kernels(batch):
        tokens: Tensor = torch.ops.skelbench.wl_subtrees(batch, indptr, indices, iterations, bits)
    else:
        if not _library.built:
            _library.warn_fallback()
        tokens = reference.wl_subtrees(batch, indptr, indices, iterations, bits)
    return tokens if labels.dim() == 2 else tokens[0]


def _check(labels: Tensor, indptr: Tensor, indices: Tensor, iterations: int, bits: int) -> None:
    single = isinstance(labels, Tensor) and labels.dim() == 1
    check_tensor("labels", labels, ("V",) if single else ("G", "V"), torch.int64)
    check_tensor("indptr", indptr, (labels.shape[-1] + 1,), torch.int64, like=labels)
    check_tensor("indices", indices, ("neighbours",), torch.int64, like=labels)
    check_integer("iterations", iterations, 0, MOST_ITERATIONS)
    check_integer("bits", bits, 1, 64)
    # The compiled op looks at the values itself on the CPU; elsewhere only a call that is not being traced can.
    apart = labels.device.type not in ("cpu", "meta")
    if (apart or not _library.built) and not torch.compiler.is_compiling():
        check_dense("labels", labels)
        ends = int(indptr[0]), int(indptr[-1])
        if ends != (0, len(indices)) or bool((indptr.diff() < 0).any()):
            raise ValueError(f"indptr must ascend from 0 to {len(indices)}, the number of neighbours")
        if bool(((indices < 0) | (indices >= labels.shape[-1])).any()):
            raise ValueError(f"indices: a neighbour is none of the nodes 0..{labels.shape[-1] - 1}")


def neighbour_lists(edges: Tensor, nodes: int) -> NeighbourLists:
    """Neighbour lists of undirected edges.

    Args:
        edges: int64 (E, 2), each edge once.
        nodes: V.

    Returns:
        indptr (V + 1,) and indices (2 E,), both int64, as `wl_subtrees_csr` takes them.

    Raises:
        TypeError: an argument (named) of another type.
        ValueError: an argument (named) of the wrong shape, dtype or range; an edge to a node outside 0..V-1, a loop,
            or an edge given twice.
    """
    check_tensor("edges", edges, ("E", 2), torch.int64)
    check_integer("nodes", nodes, 0, _MOST_NODES)
    # A check of values cannot be traced.
    if not torch.compiler.is_compiling():
        check_dense("edges", edges)
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
