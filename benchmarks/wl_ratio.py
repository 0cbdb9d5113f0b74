"""Speed of the graph2vec family: `python -m benchmarks.wl_ratio [--seconds S] [--graphs N] [--only CASE]`.

subtrees  wl_subtrees on graphs of 25 nodes, 2 iterations, one thread, against networkx and numpy
embedding documents -> vectors with 2 workers, against gensim's iterable feed with the same settings
million   labels, subtrees and corpus file of N graphs of 25 nodes: seconds and peak memory
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import Ratio, paired_ratio
from skelbench import ops
from skelbench.data.skeletons import NTU_25
from skelbench.graph2vec import SkeletonGraphs, pv_dbow, window_topology
from skelbench.graph2vec.documents import SkeletonDocuments, build_vocabulary, write_corpus
from skelbench.graph2vec.graphs import window_rows
from skelbench.ops.wl import neighbour_lists, wl_subtrees_csr

NODES, ITERATIONS = 25, 2
Words = NDArray[np.uint64]


def skeleton_like(graphs: int, cells: int = 400, seed: int = 0) -> SkeletonGraphs:
    """Graphs of one frame each: per joint a bin out of `cells`, the nearer ones more often (Zipf)."""
    rng = np.random.default_rng(seed)
    cell = np.minimum(rng.zipf(1.5, (graphs, NODES)), cells)
    labels = torch.from_numpy(cell * NODES + np.arange(NODES))
    rows = window_rows(torch.arange(graphs), torch.ones(graphs, dtype=torch.int64), 1, 1)
    return SkeletonGraphs(labels, rows, window_topology(NTU_25, 1), np.arange(graphs), ())


def numpy_subtrees(labels: NDArray[np.int64], neighbours: NDArray[np.int64], iterations: int) -> Words:
    """The op's hash over whole arrays; `neighbours` (V, most) is padded with V, the place of a zero."""

    def mix(x: Words) -> Words:
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))

    tokens = np.zeros((iterations + 1, len(labels), labels.shape[1] + 1), dtype=np.uint64)
    tokens[0, :, :-1] = mix(labels.view(np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    for depth in range(iterations):
        own = tokens[depth, :, :-1]
        turned = (own << np.uint64(23)) | (own >> np.uint64(41))
        total = tokens[depth][:, neighbours].sum(axis=2, dtype=np.uint64)
        tokens[depth + 1, :, :-1] = mix(turned + total + np.uint64(0xD1B54A32D192ED03))
    return tokens[:, :, :-1].transpose(1, 0, 2)


def subtrees(seconds: float) -> None:
    import networkx as nx

    torch.set_num_threads(1)
    graphs = skeleton_like(4096)
    labels, lists = graphs.labels(), neighbour_lists(graphs.edges, NODES)
    few = [nx.Graph(graphs.edges.tolist()) for _ in range(64)]
    for graph, row in zip(few, labels.tolist(), strict=False):
        nx.set_node_attributes(graph, dict(enumerate(map(str, row))), "label")
    indptr, indices = (x.tolist() for x in lists)
    most = max(b - a for a, b in pairwise(indptr))
    padded = np.full((NODES, most), NODES)
    for node in range(NODES):
        own = indices[indptr[node] : indptr[node + 1]]
        padded[node, : len(own)] = own

    def ours(count: int) -> torch.Tensor:
        return wl_subtrees_csr(labels[:count], *lists, ITERATIONS)

    def by_networkx() -> list[Any]:
        return [
            nx.weisfeiler_lehman_subgraph_hashes(g, node_attr="label", iterations=ITERATIONS) for g in few
        ]

    def by_numpy() -> Words:
        return numpy_subtrees(labels.numpy(), padded, ITERATIONS)

    if not np.array_equal(by_numpy().view(np.int64), ours(4096).numpy()):
        raise AssertionError("numpy's tokens are not ours: the comparison would be of different things")
    for level in ops.isa_levels():
        with ops.use_isa(level):
            against_numpy = paired_ratio(lambda: ours(4096), by_numpy, seconds=seconds)
            # networkx does 64 graphs while we do 4096: per graph the ratio is 64 times larger.
            against_networkx = paired_ratio(lambda: ours(4096), by_networkx, seconds=seconds)
        print(
            f"subtrees  {level:6}  {against_numpy.seconds_a / 4096 * 1e9:6.0f} ns/graph"
            f"  numpy x {against_numpy}  networkx x {_scaled(against_networkx, 64)}"
        )


def _scaled(ratio: Ratio, factor: float) -> str:
    return f"{ratio.median * factor:.0f} [{ratio.low * factor:.0f}, {ratio.high * factor:.0f}]"


def embedding(graphs: int, groups: int) -> None:
    """Vectors of the same documents by our route and by gensim's tagged documents, from documents to vectors."""
    from gensim.models.doc2vec import Doc2Vec, TaggedDocument

    documents = SkeletonDocuments(skeleton_like(graphs), ITERATIONS)
    settings = pv_dbow.Settings(128, 10, 0.025, 1e-4, 1e-4, 5, workers=2, seed=0)
    words = [row.tolist() for chunk in documents.chunks() for row in chunk.astype(str)]

    def ours() -> object:
        return pv_dbow.train(documents, build_vocabulary(documents, 5), settings)

    def iterable() -> object:
        tagged = [TaggedDocument(row, [place]) for place, row in enumerate(words)]
        return Doc2Vec(
            tagged, dm=0, dbow_words=0, vector_size=128, min_count=5, sample=1e-4, negative=5, epochs=10,
            alpha=0.025, min_alpha=1e-4, workers=2, seed=0,
        )  # fmt: skip

    ratio = paired_ratio(ours, iterable, seconds=0, min_groups=groups)
    print(
        f"embedding {graphs} graphs of {documents.length} words, 10 epochs, 2 workers: {ratio.seconds_a:.1f} s;"
        f" gensim's iterable feed x {ratio}"
    )


def million(graphs: int) -> None:
    """One pass of everything before the embedding; run in a process of its own, for the peak memory."""
    torch.set_num_threads(2)
    begin = time.perf_counter()
    documents = SkeletonDocuments(skeleton_like(graphs), ITERATIONS)
    labelled = time.perf_counter()
    vocabulary = build_vocabulary(documents, 5)
    counted = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.txt"
        write_corpus(documents, vocabulary, path)
        size = path.stat().st_size
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"million   {graphs} graphs: labels {labelled - begin:.1f} s, subtrees and counts {counted - labelled:.1f} s,"
        f" subtrees and corpus {done - counted:.1f} s, all {done - begin:.1f} s wall,"
        f" {time.process_time():.1f} s of processor time with imports; peak {peak:.2f} GiB;"
        f" {len(vocabulary)} of {vocabulary.distinct} words kept, file {size / 2**30:.2f} GiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="for each comparison of subtrees")
    parser.add_argument("--graphs", type=int, default=1_000_000, help="of the case `million`")
    parser.add_argument("--documents", type=int, default=20_000, help="of the case `embedding`")
    parser.add_argument("--groups", type=int, default=3, help="A B B A groups of the case `embedding`")
    parser.add_argument("--only", choices=("subtrees", "embedding", "million"))
    arguments = parser.parse_args()
    if arguments.only in (None, "subtrees"):
        subtrees(arguments.seconds)
    if arguments.only in (None, "embedding"):
        embedding(arguments.documents, arguments.groups)
    if arguments.only == "million":
        million(arguments.graphs)
    elif arguments.only is None:
        command = [sys.executable, "-m", "benchmarks.wl_ratio", "--only", "million", "--graphs"]
        subprocess.run([*command, str(arguments.graphs)], check=True)


if __name__ == "__main__":
    main()
