"""networkx graphs -> documents, to embed graphs that are not skeletons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from skelbench.graph2vec.documents import ListedDocuments, Tokens
from skelbench.ops.wl import wl_subtrees_csr


def networkx_documents(
    graphs: Iterable[Any], iterations: int, attribute: str | None, edge_attribute: str | None = None
) -> ListedDocuments:
    """The rooted subtrees of the nodes of each networkx graph.

    A node's initial label is `str()` of its attribute, or its degree where `attribute` is None. A subtree follows the
    edges; in a directed graph from their source to their target. Parallel edges count one by one, and a loop makes a
    node its own neighbour.

    With `edge_attribute` an edge becomes a node between its ends, labelled by `str()` of its attribute: a subtree
    tells over which edge it reached a neighbour. Only the subtrees of the graph's own nodes are words.

    Args:
        graphs: networkx graphs of any kind.
        iterations: depth of the subtrees, in edges.
        attribute: of the nodes; None for their degrees.
        edge_attribute: of the edges; None where they have no labels.

    Raises:
        ValueError: a single graph, or none; a graph (named) that is of another kind or without nodes; a node or an edge
            without the attribute.
    """
    if hasattr(graphs, "nodes"):
        raise ValueError("expected an iterable of graphs, got a single graph; pass a list of it")
    try:
        graphs = list(graphs)
    except TypeError:
        raise ValueError(f"expected an iterable of networkx graphs, got {type(graphs).__name__}") from None
    if not graphs:
        raise ValueError("no graphs given; pass at least one")
    lists = _Lists()
    own: list[tuple[int, int]] = []
    for number, graph in enumerate(graphs):
        if not hasattr(graph, "is_multigraph"):
            raise ValueError(f"graph {number}: expected a networkx graph, got {type(graph).__name__}")
        if len(graph) == 0:
            raise ValueError(f"graph {number} has no nodes; leave it out")
        own.append((len(lists.labels), len(graph)))
        lists.add(number, graph, attribute, edge_attribute)
    steps = 1 if edge_attribute is None else 2
    tokens = wl_subtrees_csr(
        torch.tensor(lists.labels, dtype=torch.int64),
        torch.from_numpy(np.concatenate([[0], np.cumsum(lists.degrees)]).astype(np.int64)),
        torch.tensor(lists.neighbours, dtype=torch.int64),
        steps * iterations,
    ).numpy()[::steps]
    documents: list[Tokens] = [tokens[:, first : first + count].flatten() for first, count in own]
    return ListedDocuments(documents)


class _Lists:
    """Labels and neighbour lists of one graph of many components."""

    def __init__(self) -> None:
        self.labels: list[int] = []
        self.degrees: list[int] = []
        self.neighbours: list[int] = []

    def add(self, number: int, graph: Any, attribute: str | None, edge_attribute: str | None) -> None:
        """Append a graph: its nodes, then a node for each labelled edge."""
        first = len(self.labels)
        place = {node: first + i for i, node in enumerate(graph)}
        targets: list[int] = []
        labels: list[int] = []
        for node, data in graph.nodes(data=True):
            if attribute is not None and attribute not in data:
                raise ValueError(
                    f"graph {number}, node {node!r}: no attribute {attribute!r}; correct node_attribute, or give None"
                    " to label nodes by degree"
                )
            self.labels.append(graph.degree(node) if attribute is None else _label("", data[attribute]))
            before = len(self.neighbours)
            for other, edge in _edges(graph, node):
                if edge_attribute is None:
                    self.neighbours.append(place[other])
                    continue
                if edge_attribute not in edge:
                    raise ValueError(
                        f"graph {number}, edge {node!r} to {other!r}: no attribute {edge_attribute!r}; correct"
                        " edge_attribute, or give None for edges without labels"
                    )
                self.neighbours.append(first + len(graph) + len(targets))
                targets.append(place[other])
                labels.append(_label("edge ", edge[edge_attribute]))
            self.degrees.append(len(self.neighbours) - before)
        self.labels += labels
        self.neighbours += targets
        self.degrees += [1] * len(targets)


def _edges(graph: Any, node: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The other end and the attributes of each edge that leaves a node."""
    for other, data in graph.adj[node].items():
        for edge in data.values() if graph.is_multigraph() else [data]:
            yield other, edge


def _label(kind: str, value: object) -> int:
    text = kind + str(value)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)
