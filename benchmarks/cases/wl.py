"""Rooted subtrees of graphs of 25 nodes, 2 iterations, on one thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.cases.case import Case, Contender, Problem, expect
from benchmarks.cases.graphs import EDGES, ITERATIONS, NODES, zipf_labels
from benchmarks.peers import subtrees
from skelbench import ops
from skelbench.ops import reference
from skelbench.ops.wl import neighbour_lists, wl_subtrees_csr

# Graphs that the Python peers do of each call.
FEW = 64


@dataclass(frozen=True)
class Inputs:
    """Labels, topology and the expected tokens."""

    labels: Tensor
    """int64 (G, 25)."""
    indptr: Tensor
    indices: Tensor
    expected: Tensor
    """The tokens, int64 (G, 3, 25), on the CPU."""


def make(device: str, graphs: int, isa: str = "") -> Problem:
    """Subtrees of `graphs` random graphs, with the kernels of `isa` or the best."""
    labels = zipf_labels(graphs)
    lists = neighbour_lists(EDGES, NODES)
    indptr, indices = (part.to(device) for part in lists)
    x = Inputs(labels.to(device), indptr, indices, reference.wl_subtrees(labels, *lists, ITERATIONS))

    def tokens() -> Tensor:
        return wl_subtrees_csr(x.labels, x.indptr, x.indices, ITERATIONS)

    def run() -> Tensor:
        threads = torch.get_num_threads()
        # The peers have one thread.
        torch.set_num_threads(1)
        try:
            if not isa:
                return tokens()
            with ops.use_isa(isa):
                return tokens()
        finally:
            torch.set_num_threads(threads)

    def check() -> None:
        expect(
            torch.equal(run().cpu(), x.expected), "wl: the tokens are not those of skelbench.ops.reference"
        )

    bytes_ = graphs * NODES * 8.0 * (ITERATIONS + 2)
    return Problem(x, Contender(run, check), flops=0, bytes=bytes_, items=graphs, unit="graphs")


def numpy(x: Inputs) -> Contender:
    """The same hash over whole arrays of numpy."""
    run = subtrees.by_numpy(x.labels.numpy(), x.indptr.tolist(), x.indices.tolist(), ITERATIONS)

    def check() -> None:
        expect(np.array_equal(run().view(np.int64), x.expected.numpy()), "numpy: the tokens are not ours")

    return Contender(run, check, packages=("numpy",))


def networkx(x: Inputs) -> Contender:
    """Subtree hashes by networkx, of some of the graphs."""
    few = min(FEW, len(x.labels))
    run = subtrees.by_networkx(x.labels[:few].numpy(), EDGES.tolist(), ITERATIONS)

    def check() -> None:
        """A bijection, per depth, between its hashes and our tokens."""
        pairs: list[set[tuple[str, int]]] = [set() for _ in range(ITERATIONS + 1)]
        for theirs, ours in zip(run(), x.expected[:few].tolist(), strict=True):
            for depth, row in enumerate(ours):
                pairs[depth] |= {(theirs[node][depth], token) for node, token in enumerate(row)}
        for found in pairs:
            same = len(found) == len({a for a, _ in found}) == len({b for _, b in found})
            expect(same, "networkx: its subtrees are not ours")

    return Contender(run, check, share=few / len(x.labels), packages=("networkx",))


def grakel(x: Inputs) -> Contender:
    """GraKeL's relabelling, of some of the graphs."""
    few = min(FEW, len(x.labels))
    run, kernel = subtrees.by_grakel(x.labels[:few].numpy(), EDGES.tolist(), ITERATIONS)

    def check() -> None:
        """Its kernel counts pairs of equal subtrees; so do our tokens."""
        total = np.zeros((few, few))
        for depth in range(ITERATIONS + 1):
            words, which = np.unique(x.expected[:few, depth].numpy(), return_inverse=True)
            counts = np.zeros((few, len(words)))
            np.add.at(counts, (np.arange(few)[:, None], which.reshape(few, -1)), 1)
            total += counts @ counts.T
        expect(np.array_equal(kernel(), total), "GraKeL: its kernel is not that of our tokens")

    return Contender(run, check, share=few / len(x.labels), packages=("grakel",))


_LEVELS = tuple({"graphs": 4096, "isa": level} for level in (ops.isa_levels() if ops.built else ()))
CASES = (
    Case(
        "wl_subtrees", f"{NODES} nodes, {ITERATIONS} iterations, one thread", make,
        small=({"graphs": 64},), default=({"graphs": 4096},), more=_LEVELS,
        peers={"numpy": numpy, "networkx": networkx, "GraKeL": grakel},
    ),
    Case(
        "wl_subtrees", f"{NODES} nodes, {ITERATIONS} iterations", make,
        small=({"graphs": 64},), default=({"graphs": 1_000_000},), devices=("cuda",),
    ),
)  # fmt: skip
