"""networkx graphs -> documents, to embed graphs that are not skeletons."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from skelbench.graph2vec.documents import ListedDocuments
from skelbench.ops.wl import wl_subtrees_csr


def networkx_documents(graphs: Iterable[Any], iterations: int, attribute: str | None) -> ListedDocuments:
    """The rooted subtrees of each undirected networkx graph.

    A node's initial label is `str()` of its attribute, or its degree where `attribute` is None. A loop makes a node its
    own neighbour, once.

    Args:
        graphs: networkx graphs without parallel edges.
        iterations: depth of the subtrees.
        attribute: of the nodes; None for their degrees.

    Raises:
        ValueError: a single graph, or none; a graph (named) that is of another kind, without nodes, directed or with
            parallel edges; a node without the attribute.
    """
    if hasattr(graphs, "nodes"):
        raise ValueError("expected an iterable of graphs, got a single graph; pass a list of it")
    try:
        graphs = list(graphs)
    except TypeError:
        raise ValueError(f"expected an iterable of networkx graphs, got {type(graphs).__name__}") from None
    if not graphs:
        raise ValueError("no graphs given; pass at least one")
    named = attribute is not None
    labels: list[int] = []
    degrees: list[int] = []
    neighbours: list[int] = []
    sizes: list[int] = []
    for number, graph in enumerate(graphs):
        if not hasattr(graph, "is_multigraph"):
            raise ValueError(f"graph {number}: expected a networkx graph, got {type(graph).__name__}")
        if graph.is_directed() or graph.is_multigraph():
            raise ValueError(
                f"graph {number}: expected an undirected graph without parallel edges, got {graph}"
            )
        if len(graph) == 0:
            raise ValueError(f"graph {number} has no nodes; leave it out")
        first = len(labels)
        place = {node: first + i for i, node in enumerate(graph)}
        for node, data in graph.nodes(data=True):
            if named and attribute not in data:
                raise ValueError(
                    f"graph {number}, node {node!r}: no attribute {attribute!r}; correct node_attribute, or give None"
                    " to label nodes by degree"
                )
            labels.append(_label(str(data[attribute])) if named else graph.degree(node))
            degrees.append(len(graph.adj[node]))
            neighbours.extend(place[other] for other in graph.adj[node])
        sizes.append(len(graph))
    indptr = np.concatenate([[0], np.cumsum(degrees)]).astype(np.int64)
    tokens = wl_subtrees_csr(
        torch.tensor(labels, dtype=torch.int64),
        torch.from_numpy(indptr),
        torch.tensor(neighbours, dtype=torch.int64),
        iterations,
    ).numpy()
    return ListedDocuments([part.flatten() for part in np.split(tokens, np.cumsum(sizes)[:-1], axis=1)])


def _label(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)
