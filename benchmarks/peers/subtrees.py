"""Other ways to the rooted subtrees of graphs of one topology: vectorised numpy, networkx, GraKeL."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Words = NDArray[np.uint64]


def by_numpy(labels: Labels, indptr: list[int], indices: list[int], iterations: int) -> Callable[[], Words]:
    """The op's own hash (csrc/wl/hash.h) over whole arrays: the tokens, uint64 (G, iterations + 1, V)."""
    nodes = labels.shape[1]
    # Neighbours padded to one width with a node of their own, whose token is 0.
    neighbours = np.full((nodes, max(b - a for a, b in pairwise(indptr))), nodes)
    for node, (begin, end) in enumerate(pairwise(indptr)):
        neighbours[node, : end - begin] = indices[begin:end]

    def mix(x: Words) -> Words:
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))

    def run() -> Words:
        tokens = np.zeros((iterations + 1, len(labels), nodes + 1), dtype=np.uint64)
        tokens[0, :, :-1] = mix(labels.view(np.uint64) + np.uint64(0x9E3779B97F4A7C15))
        for depth in range(iterations):
            own = tokens[depth, :, :-1]
            turned = (own << np.uint64(23)) | (own >> np.uint64(41))
            total = tokens[depth][:, neighbours].sum(axis=2, dtype=np.uint64)
            tokens[depth + 1, :, :-1] = mix(turned + total + np.uint64(0xD1B54A32D192ED03))
        return tokens[:, :, :-1].transpose(1, 0, 2)

    return run


def by_networkx(
    labels: Labels, edges: list[list[int]], iterations: int
) -> Callable[[], list[dict[int, list[str]]]]:
    """Hashes by networkx: per graph, for each node those of depths 0 to `iterations`."""
    import networkx as nx

    graphs = [nx.Graph(edges) for _ in labels]
    for graph, row in zip(graphs, labels.tolist(), strict=True):
        # A fixed width: networkx joins neighbours' labels without a separator.
        nx.set_node_attributes(graph, {node: f"{label:020}" for node, label in enumerate(row)}, "label")
    return lambda: [
        nx.weisfeiler_lehman_subgraph_hashes(
            graph, node_attr="label", iterations=iterations, include_initial_labels=True
        )
        for graph in graphs
    ]


def by_grakel(
    labels: Labels, edges: list[list[int]], iterations: int
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """GraKeL's relabelling (`fit`), and its kernel matrix (G, G), for the check: it gives no tokens."""
    from grakel.kernels import VertexHistogram, WeisfeilerLehman

    both = {(a, b): 1 for a, b in edges} | {(b, a): 1 for a, b in edges}
    graphs = [[both, dict(enumerate(row))] for row in labels.tolist()]

    def kernel() -> Any:
        return WeisfeilerLehman(n_iter=iterations, base_graph_kernel=VertexHistogram)

    return lambda: kernel().fit(graphs), lambda: kernel().fit_transform(graphs)
