"""networkx graphs of every kind: their words against subtrees unfolded by hand."""

import networkx as nx
import numpy as np
import pytest

from skelbench.graph2vec import Graph2Vec
from skelbench.graph2vec.from_networkx import networkx_documents

KINDS = [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph]


def unfolded(graph, depth, node_label, edge_label):
    """For each node its subtree of a depth, as nested tuples."""
    trees = {v: node_label(v) for v in graph}
    for _ in range(depth):
        leaving = {
            v: sorted(
                (edge_label(edge), trees[other])
                for other, data in graph.adj[v].items()
                for edge in (data.values() if graph.is_multigraph() else [data])
            )
            for v in graph
        }
        trees = {v: repr((trees[v], leaving[v])) for v in graph}
    return list(trees.values())


def partition(words):
    first = {}
    return [first.setdefault(word, place) for place, word in enumerate(words)]


def random_graph(kind, seed):
    """Nine nodes of two labels, edges of two, loops and, where the kind has them, parallel edges."""
    rng = np.random.default_rng(seed)
    graph = kind()
    graph.add_nodes_from((v, {"feature": "ab"[rng.integers(2)]}) for v in range(9))
    for u, v in rng.integers(0, 9, (14, 2)):
        graph.add_edge(int(u), int(v), bond=int(rng.integers(2)))
    return graph


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("edge_attribute", [None, "bond"])
def test_words_tell_apart_what_unfolded_subtrees_tell_apart(kind, edge_attribute):
    graphs = [random_graph(kind, seed) for seed in range(12)]
    documents = networkx_documents(graphs, 3, "feature", edge_attribute)
    tokens = [document.reshape(4, 9) for document in documents.tokens]
    for depth in range(4):
        expected = [
            tree
            for graph in graphs
            for tree in unfolded(
                graph,
                depth,
                lambda v, graph=graph: graph.nodes[v]["feature"],
                lambda edge: edge[edge_attribute] if edge_attribute else 0,
            )
        ]
        found = np.concatenate([document[depth] for document in tokens]).tolist()
        assert partition(found) == partition(expected)
    assert len(set(expected)) > 20


def test_a_direction_and_an_edges_label_make_words_of_their_own():
    chain = nx.DiGraph([(0, 1), (1, 2)])
    words = {
        name: [networkx_documents([graph], 1, None, edge).tokens[0].tolist() for graph in (a, b)]
        for name, a, b, edge in (
            ("direction", nx.DiGraph([(0, 1), (0, 2)]), nx.DiGraph([(1, 0), (2, 0)]), None),
            ("label", labelled(chain, "x"), labelled(chain, "y"), "bond"),
            ("no label", labelled(chain, "x"), labelled(chain, "y"), None),
        )
    }
    assert sorted(words["direction"][0]) != sorted(words["direction"][1])
    assert sorted(words["label"][0]) != sorted(words["label"][1])
    assert words["no label"][0] == words["no label"][1]


def labelled(graph, label):
    graph = graph.copy()
    nx.set_edge_attributes(graph, label, "bond")
    return graph


def test_an_embedding_uses_the_edges_labels():
    graphs = [labelled(nx.cycle_graph(6), label) for label in "xyxy"]
    options = dict(min_count=1, sample=0, dimensions=4, node_attribute=None)
    vectors = Graph2Vec(**options, edge_attribute="bond").fit(graphs).transform(graphs)
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])
    plain = Graph2Vec(**options).fit(graphs).transform(graphs)
    assert np.array_equal(plain[0], plain[1])
    del graphs[1].edges[2, 3]["bond"]
    with pytest.raises(ValueError, match="graph 1, edge 2 to 3: no attribute 'bond'; correct edge_attribute"):
        Graph2Vec(**options, edge_attribute="bond").fit(graphs)
