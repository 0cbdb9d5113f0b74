"""Rooted subtrees: equal bits to the reference, equal partitions to networkx and to karateclub's rule."""

from hashlib import md5

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelbench import ops
from skelbench.ops import reference
from skelbench.ops.wl import neighbour_lists, wl_subtrees, wl_subtrees_csr
from tests.ops.places import DEVICES, PLACES, needs_extension

BINARY_TREE = torch.tensor([(child, (child - 1) // 2) for child in range(1, 25)])


def partition(tokens):
    """For each place the first place that holds an equal token: equal for tokens that tell the same apart."""
    first = {}
    return [first.setdefault(token, place) for place, token in enumerate(tokens)]


def karateclub_features(graph, labels, iterations):
    """karateclub's rule: the hash of a node's own feature and its neighbours' in sorted order."""
    features = {node: str(label) for node, label in zip(graph, labels, strict=True)}
    depths = [list(features.values())]
    for _ in range(iterations):
        features = {
            node: md5(
                "_".join([features[node], *sorted(features[o] for o in graph[node])]).encode()
            ).hexdigest()
            for node in graph
        }
        depths.append(list(features.values()))
    return depths


def networkx_features(graph, labels, iterations):
    """networkx's subgraph hashes. Labels are padded: it joins them without a separator."""
    nx.set_node_attributes(
        graph, {v: f"{label:+020d}" for v, label in zip(graph, labels, strict=True)}, "label"
    )
    hashes = nx.weisfeiler_lehman_subgraph_hashes(
        graph, node_attr="label", iterations=iterations, digest_size=16
    )
    return [[hashes[v][depth] for v in graph] for depth in range(iterations)]


def tokens_of_all(graphs, labels, iterations, bits=64):
    """Our tokens of graphs on 0..n-1, as one batch: per depth, all nodes of all graphs in order."""
    sizes = [len(graph) for graph in graphs]
    first = [sum(sizes[:i]) for i in range(len(sizes))]
    edges = [(u + f, v + f) for graph, f in zip(graphs, first, strict=True) for u, v in graph.edges]
    lists = neighbour_lists(torch.tensor(edges, dtype=torch.int64).reshape(-1, 2), sum(sizes))
    every = torch.tensor([label for row in labels for label in row])
    return wl_subtrees_csr(every, *lists, iterations, bits=bits).tolist()


def random_graphs(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda high: int(torch.randint(high, (), generator=generator))  # noqa: E731
    graphs = [nx.gnp_random_graph(1 + draw(30), draw(10) / 20, seed=draw(10**9)) for _ in range(count)]
    return graphs, [[draw(6) - 3 for _ in graph] for graph in graphs]


def test_tells_apart_what_karateclub_tells_apart():
    graphs, labels = random_graphs(300)
    ours = tokens_of_all(graphs, labels, 3)
    theirs = [karateclub_features(graph, row, 3) for graph, row in zip(graphs, labels, strict=True)]
    for depth in range(4):
        every = [feature for graph in theirs for feature in graph[depth]]
        assert partition(ours[depth]) == partition(every)


def test_tells_apart_what_networkx_tells_apart():
    graphs, labels = random_graphs(150, seed=1)
    ours = tokens_of_all(graphs, labels, 3)
    theirs = [networkx_features(graph, row, 3) for graph, row in zip(graphs, labels, strict=True)]
    for depth in range(3):  # networkx leaves depth 0 out
        every = [feature for graph in theirs for feature in graph[depth]]
        assert partition(ours[depth + 1]) == partition(every)


def test_sixteen_bits_collide():
    """The comparison above can fail: with few bits it does, at every depth with many subtrees."""
    graphs, labels = random_graphs(300)
    ours = tokens_of_all(graphs, labels, 2, bits=16)
    theirs = [karateclub_features(graph, row, 2) for graph, row in zip(graphs, labels, strict=True)]
    assert all(0 <= token < 1 << 16 for depth in ours for token in depth)
    every = [feature for graph in theirs for feature in graph[2]]
    assert len(set(every)) > 2000  # expected collisions: 2000^2 / 2^17 = 30
    assert len(set(ours[2])) < len(set(every))


@needs_extension
@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize("bits", [64, 33, 1])
@pytest.mark.parametrize("graphs", [0, 1, 3, 8, 9, 200])
@pytest.mark.parametrize("iterations", [0, 3])
def test_every_place_gives_the_bits_of_the_reference(device, level, bits, graphs, iterations):
    labels = torch.randint(-(2**63), 2**63 - 1, (graphs, 25))
    lists = neighbour_lists(BINARY_TREE, 25)
    with ops.use_isa(level):
        ours = wl_subtrees(labels.to(device), BINARY_TREE, iterations, bits=bits)
    assert ours.device.type == device
    assert torch.equal(ours.cpu(), reference.wl_subtrees(labels, *lists, iterations, bits))


@needs_extension
@pytest.mark.parametrize(("device", "level"), PLACES)
def test_one_large_graph_on_several_threads(device, level):
    edges = torch.tensor(list(nx.gnm_random_graph(20_000, 60_000, seed=0).edges))
    lists = neighbour_lists(edges, 20_000)
    labels = torch.randint(3, (2, 20_000))
    with ops.use_isa(level):
        ours = wl_subtrees_csr(labels.to(device), *(x.to(device) for x in lists), 2)
    assert torch.equal(ours.cpu(), reference.wl_subtrees(labels, *lists, 2))


@needs_extension
@pytest.mark.parametrize("device", DEVICES)
def test_nodes_without_neighbours_and_no_nodes(device):
    nothing = torch.empty(0, dtype=torch.int64, device=device)
    for nodes in (0, 1, 70_000):
        labels = torch.arange(2 * nodes, device=device).view(2, nodes)
        indptr = torch.zeros(nodes + 1, dtype=torch.int64, device=device)
        ours = wl_subtrees_csr(labels, indptr, nothing, 2)
        plain = reference.wl_subtrees(labels.cpu(), indptr.cpu(), nothing.cpu(), 2)
        assert torch.equal(ours.cpu(), plain)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(0, 4))
def test_a_node_order_does_not_matter(seed, nodes, iterations):
    graph = nx.gnp_random_graph(nodes, 0.3, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (1, nodes), generator=generator)
    order = torch.randperm(nodes, generator=generator)
    edges = torch.tensor(list(graph.edges), dtype=torch.int64).reshape(-1, 2)
    tokens = wl_subtrees(labels, edges, iterations)
    moved = torch.empty_like(labels)
    moved[:, order] = labels
    assert torch.equal(wl_subtrees(moved, order[edges].flip(0).flip(1), iterations)[..., order], tokens)


def test_own_and_neighbours_are_not_confused():
    """A star's centre against its leaves: same multiset of four labels, different rooted trees."""
    star = torch.tensor([(0, 1), (0, 2), (0, 3)])
    tokens = wl_subtrees(torch.tensor([[7, 5, 5, 5], [5, 7, 7, 7], [5, 5, 5, 7]]), star, 1)[:, 1, 0]
    assert len(set(tokens.tolist())) == 3


@needs_extension
@pytest.mark.parametrize("device", DEVICES)
def test_registration_and_compilation(device):
    labels = torch.randint(9, (12, 25), device=device)
    lists = [x.to(device) for x in neighbour_lists(BINARY_TREE, 25)]
    torch.library.opcheck(torch.ops.skelbench.wl_subtrees.default, (labels, *lists, 2, 64))
    torch.library.opcheck(
        torch.ops.skelbench.wl_subtrees.default, (labels[:, ::2][:, :0], lists[0][:1], lists[1][:0], 0, 64)
    )
    compiled = torch.compile(
        lambda x: wl_subtrees(x, BINARY_TREE) & 1023, fullgraph=True, backend="aot_eager"
    )
    assert torch.equal(compiled(labels), wl_subtrees(labels, BINARY_TREE) & 1023)


def test_strides_do_not_matter():
    labels = torch.randint(9, (25, 12)).T
    assert torch.equal(wl_subtrees(labels, BINARY_TREE), wl_subtrees(labels.contiguous(), BINARY_TREE))


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([(0, 1), (1, 25)], r"row 1 is \[1, 25\], but the nodes are 0..24"),
        ([(-1, 1)], "row 0"),
        ([(0, 1), (2, 2)], "row 1 is .* itself"),
        ([(0, 1), (3, 4), (1, 0)], "row 2 is .* given before"),
    ],
)
def test_edges_that_cannot_be(edges, message):
    with pytest.raises(ValueError, match=message):
        wl_subtrees(torch.zeros(1, 25, dtype=torch.int64), torch.tensor(edges))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.zeros(1, 3)}, "labels"),
        ({"labels": torch.zeros(1, 4, dtype=torch.int64)}, "indptr"),
        ({"indptr": torch.tensor([0, 1, 2, 3])}, "indptr"),
        ({"indptr": torch.tensor([0, 3, 2, 4])}, "indptr"),
        ({"indices": torch.tensor([1, 0, 3, 1])}, "indices"),
        ({"indices": torch.tensor([1, 0, -1, 1])}, "indices"),
        ({"indices": torch.tensor([1.0, 0, 2, 1])}, "indices"),
        ({"iterations": -1}, "iterations"),
        ({"bits": 65}, "bits"),
    ],
)
def test_lists_that_cannot_be(device, change, message):
    path = {
        "labels": torch.zeros(1, 3, dtype=torch.int64),
        "indptr": torch.tensor([0, 1, 3, 4]),
        "indices": torch.tensor([1, 0, 2, 1]),
        "iterations": 1,
        "bits": 64,
    }
    call = {
        name: value.to(device) if isinstance(value, torch.Tensor) else value
        for name, value in (path | change).items()
    }
    with pytest.raises((ValueError, RuntimeError), match=message):
        wl_subtrees_csr(
            call["labels"], call["indptr"], call["indices"], call["iterations"], bits=call["bits"]
        )
