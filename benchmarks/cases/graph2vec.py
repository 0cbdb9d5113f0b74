"""The graph family: documents to vectors (PV-DBOW), what goes before (labels to a corpus file), sums of embeddings."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from benchmarks.cases.case import Case, Contender, Problem, expect, expect_close
from benchmarks.cases.graphs import EDGES, ITERATIONS, NODES, zipf_labels
from benchmarks.peers import gensim_feed
from skelbench import ops
from skelbench.data.skeletons import NTU_25
from skelbench.graph2vec import SkeletonGraphs, by_gensim, pv_dbow, window_topology
from skelbench.graph2vec.counting import build_vocabulary
from skelbench.graph2vec.documents import SkeletonDocuments, Vocabulary, write_corpus
from skelbench.graph2vec.graphs import window_rows
from skelbench.models.recurrent import SequenceClassifier
from skelbench.ops import reference
from skelbench.ops.pv_dbow import EXPONENT
from skelbench.ops.wl import neighbour_lists

MIN_COUNT, NEGATIVE, RECURRENT_CLASSES = 5, 5, 10
# wl-bag-gru: rows and columns of its table, tokens of a graph, and the labellings times depths that weigh them.
BAG_TABLE, BAG_WIDTH, BAG_TOKENS, BAG_GROUPS = 1 << 16, 64, 600, 6


@dataclass(frozen=True)
class Inputs:
    """Documents, hyper-parameters and the expected words."""

    documents: SkeletonDocuments
    settings: pv_dbow.Settings
    counts: dict[int, int]
    """Expected counts of the words kept, by token, from skelbench.ops.reference."""


def documents_of(graphs: int, window: int = 1) -> SkeletonDocuments:
    """Graphs of `window` frames each."""
    rows = window_rows(torch.arange(graphs) * window, torch.full((graphs,), window), 1, window)
    topology = window_topology(NTU_25, window)
    return SkeletonDocuments(
        SkeletonGraphs(zipf_labels(graphs * window), rows, topology, np.arange(graphs), ()), ITERATIONS
    )


def expected_counts(graphs: int) -> dict[int, int]:
    """How often each word occurs that occurs MIN_COUNT times."""
    tokens = reference.wl_subtrees(zipf_labels(graphs), *neighbour_lists(EDGES, NODES), ITERATIONS)
    words, counts = np.unique(tokens.numpy(), return_counts=True)
    keep = counts >= MIN_COUNT
    return dict(zip(words[keep].tolist(), counts[keep].tolist(), strict=True))


def _check_vectors(vectors: np.ndarray[Any, Any], x: Inputs) -> None:
    """Random numbers differ, so vectors do; but all must have been trained, and to a similar length."""
    expect(vectors.shape == (len(x.documents), x.settings.dimensions), f"PV-DBOW: vectors {vectors.shape}")
    expect(bool(np.isfinite(vectors).all()), "PV-DBOW: vectors are not finite")
    length = np.linalg.norm(vectors, axis=1)
    expect(float(length.min()) > 0, "PV-DBOW: a vector was not trained")


def make(device: str, graphs: int, epochs: int) -> Problem:
    """PV-DBOW on the subtrees of `graphs` random graphs."""
    documents = documents_of(graphs)
    settings = pv_dbow.Settings(128, epochs, 0.025, 1e-4, 0.0, NEGATIVE, workers=2, seed=0)
    x = Inputs(documents, settings, expected_counts(graphs))

    def run() -> pv_dbow.Trained:
        return pv_dbow.train(documents, build_vocabulary(documents, MIN_COUNT), settings)

    def check() -> None:
        vocabulary = build_vocabulary(documents, MIN_COUNT)
        counts = dict(zip(vocabulary.tokens.tolist(), vocabulary.counts.tolist(), strict=True))
        expect(counts == x.counts, "PV-DBOW: the words are not those of skelbench.ops.reference")
        _check_vectors(run().vectors, x)

    # A word meets its document and NEGATIVE others: a product, and two updates of a vector, each 2 * 128 flops.
    flops = float(epochs) * sum(x.counts.values()) * (1 + NEGATIVE) * 6 * settings.dimensions
    return Problem(x, Contender(run, check), flops, bytes=0, items=graphs, unit="graphs")


def by_iterable(x: Inputs) -> Contender:
    """Training by gensim from an iterable of strings."""
    import gensim  # noqa: F401

    words = [row.tolist() for chunk in x.documents.chunks() for row in chunk.astype(str)]

    def run() -> Any:
        return gensim_feed.train(words, x.settings, MIN_COUNT)

    def check() -> None:
        model = run()
        counts = {int(word): model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key}
        expect(counts == x.counts, "gensim: the words are not ours")
        _check_vectors(gensim_feed.vectors(model), x)

    return Contender(run, check, packages=("gensim",))


def by_corpus_file(x: Inputs) -> Contender:
    """Training by gensim from its corpus file, as with `--embedding gensim`, but with two workers."""
    by_gensim.gensim_doc2vec()

    def run() -> pv_dbow.Trained:
        return by_gensim.train(x.documents, build_vocabulary(x.documents, MIN_COUNT), x.settings)

    def check() -> None:
        _check_vectors(run().vectors, x)

    return Contender(run, check, packages=("gensim",))


@dataclass(frozen=True)
class Indexed:
    """Documents, as graphs and as the op takes them on a device, and a table of random numbers."""

    documents: SkeletonDocuments
    vocabulary: Vocabulary
    settings: pv_dbow.Settings
    words: Tensor
    indptr: Tensor
    counts: Tensor
    table: Tensor


def indexed(device: str, graphs: int, epochs: int) -> Indexed:
    """`graphs` random graphs of the published size, 375 subtrees each."""
    documents = documents_of(graphs, window=5)
    vocabulary = build_vocabulary(documents, MIN_COUNT)
    settings = pv_dbow.Settings(128, epochs, 0.025, 1e-4, 0.0, NEGATIVE, workers=2, seed=0)
    words, indptr = pv_dbow.words_of(documents, vocabulary)
    table = (
        torch.randn(len(vocabulary), settings.dimensions, generator=torch.Generator().manual_seed(0)) * 0.2
    )
    placed = (x.to(device) for x in (words, indptr, torch.from_numpy(vocabulary.counts), table))
    return Indexed(documents, vocabulary, settings, *placed)


def make_training(device: str, graphs: int, epochs: int) -> Problem:
    """`ops.pv_dbow` alone."""
    x = indexed(device, graphs, epochs)

    def run() -> tuple[Tensor, Tensor]:
        return ops.pv_dbow(x.words, x.indptr, x.counts, epochs=epochs, sample=0.0)

    def check() -> None:
        vectors, table = run()
        for found in (vectors, table):
            expect(bool(found.isfinite().all()), "PV-DBOW: not finite")
            expect(float(found.norm(dim=1).min()) > 0, "PV-DBOW: a row was not trained")
        again = run()
        expect(torch.equal(again[0], vectors) and torch.equal(again[1], table), "PV-DBOW: other bits")

    flops = float(epochs) * len(x.words) * (1 + NEGATIVE) * 6 * x.settings.dimensions
    return Problem(x, Contender(run, check), flops, bytes=0, items=graphs, unit="graphs")


def make_inference(device: str, graphs: int, epochs: int) -> Problem:
    """`ops.pv_dbow_infer` alone."""
    x = indexed(device, graphs, epochs)

    def run() -> Tensor:
        return ops.pv_dbow_infer(x.words, x.indptr, x.counts, x.table, epochs=epochs, sample=0.0)

    def check() -> None:
        some = x.indptr[:4].cpu()
        expected = torch.zeros(3, x.settings.dimensions, dtype=torch.float64)
        every = torch.ones(len(x.counts), dtype=torch.float64)
        noise = (x.counts.cpu().double() ** EXPONENT).cumsum(0)
        for epoch in range(epochs):
            rate = 0.025 + (1e-4 - 0.025) * epoch / max(epochs - 1, 1)
            reference.pv_dbow_infer_(
                expected, x.table.cpu().double(), x.words[: int(some[-1])].cpu(), some,
                noise / noise[-1], every, rate, NEGATIVE, epoch, 0,
            )  # fmt: skip
        expect_close(run()[:3].cpu(), expected, 1e-4, "PV-DBOW: inferred vectors")

    # A product, and an update of the vector.
    flops = float(epochs) * len(x.words) * (1 + NEGATIVE) * 4 * x.settings.dimensions
    return Problem(x, Contender(run, check), flops, bytes=0, items=graphs, unit="graphs")


def trained_by_gensim(x: Indexed) -> Contender:
    """Training by gensim from its corpus file with two workers, the file included."""
    by_gensim.gensim_doc2vec()

    def run() -> pv_dbow.Trained:
        return by_gensim.train(x.documents, x.vocabulary, x.settings)

    def check() -> None:
        expect(bool(np.isfinite(run().vectors).all()), "gensim: vectors are not finite")

    return Contender(run, check, packages=("gensim",))


def inferred_by_gensim(x: Indexed) -> Contender:
    """Inference by gensim, likewise."""
    by_gensim.gensim_doc2vec()
    table = x.table.cpu().numpy()

    def run() -> np.ndarray[Any, Any]:
        return by_gensim.infer(x.documents, x.vocabulary, table, x.settings)

    def check() -> None:
        expect(bool(np.isfinite(run()).all()), "gensim: vectors are not finite")

    return Contender(run, check, packages=("gensim",))


def make_corpus(device: str, graphs: int) -> Problem:
    """Everything before the embedding, from random numbers to the file."""

    def run() -> tuple[int, int, int]:
        documents = documents_of(graphs)
        vocabulary = build_vocabulary(documents, MIN_COUNT)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "corpus.txt"
            lines = write_corpus(documents, vocabulary, path)
            return lines, len(vocabulary), path.stat().st_size

    def check() -> None:
        lines, words, size = run()
        expect(lines == graphs, f"corpus: {lines} lines of {graphs} graphs")
        width = len(f"{words:x}") + 1
        expect(size == graphs * (ITERATIONS + 1) * NODES * width, f"corpus: a file of {size} bytes")
        if graphs <= 100_000:
            expect(
                words == len(expected_counts(graphs)),
                "corpus: the words are not those of skelbench.ops.reference",
            )

    # Labels in, each token written and counted once as 64 bits, and the file (4 characters a word).
    bytes_ = graphs * NODES * (8.0 + (ITERATIONS + 1) * (8 + 4))
    return Problem(None, Contender(run, check), flops=0, bytes=bytes_, items=graphs, unit="graphs")


@dataclass(frozen=True)
class Bags:
    """Arguments of `ops.bag_sums`, the gradient of its result, and the gradients expected."""

    rows: Tensor
    table: Tensor
    weight: Tensor
    known: Tensor
    grad: Tensor
    expected: tuple[Tensor, ...]


def make_bags(device: str, graphs: int) -> Problem:
    """The sums of `graphs` graphs of wl-bag-gru and their gradients, without dropout so that the peer has the same."""
    draw = torch.Generator().manual_seed(0)
    arguments = (
        torch.randint(BAG_TABLE, (graphs, BAG_TOKENS), dtype=torch.int32, generator=draw),
        torch.randn(BAG_TABLE, BAG_WIDTH, generator=draw),
        torch.rand(BAG_GROUPS, generator=draw) + 0.5,
        torch.rand(BAG_TABLE, generator=draw) > 0.2,
        torch.randn(graphs, BAG_WIDTH, generator=draw),
    )
    rows, table, weight, known, grad = (x.to(device) for x in arguments)
    table.requires_grad_()
    weight.requires_grad_()
    expected = torch.autograd.grad(reference.bag_sums(rows, table, weight, known), (table, weight), grad)
    x = Bags(rows, table, weight, known, grad, expected)
    # The sum, and the gradients of table and weight.
    flops = 3 * 2.0 * graphs * BAG_TOKENS * BAG_WIDTH
    return Problem(x, _bags(ops.bag_sums, x), flops, bytes=0, items=graphs, unit="graphs")


def _bags(sums: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor], x: Bags) -> Contender:
    def run() -> tuple[Tensor, ...]:
        return torch.autograd.grad(sums(x.rows, x.table, x.weight, x.known), (x.table, x.weight), x.grad)

    def check() -> None:
        for found, expected in zip(run(), x.expected, strict=True):
            expect_close(found, expected, 1e-4, "bag_sums: gradients")

    return Contender(run, check)


def by_embedding_bag(x: Bags) -> Contender:
    """Torch's `embedding_bag` with a weight for every token."""

    def sums(rows: Tensor, table: Tensor, weight: Tensor, known: Tensor) -> Tensor:
        each = known[rows] * weight.repeat_interleave(BAG_TOKENS // BAG_GROUPS)
        return torch.nn.functional.embedding_bag(rows, table, mode="sum", per_sample_weights=each)

    return _bags(sums, x)


def make_recurrent_step(device: str, cell: str, clips: int, dtype: str) -> Problem:
    """Loss and gradients of the classifier of 20 graph vectors, 3 layers of 512, as one step of its training."""
    torch.manual_seed(0)
    model = SequenceClassifier(RECURRENT_CLASSES, cast(Any, cell), dropout=0.0).to(device)
    sequence = torch.randn(clips, 20, 128, device=device)
    label = torch.arange(clips, device=device) % RECURRENT_CLASSES
    low = getattr(torch, dtype)

    def run() -> Tensor:
        model.zero_grad(set_to_none=True)
        with torch.autocast(device, low, enabled=low != torch.float32):
            logits: Tensor = model(sequence)
        torch.nn.functional.cross_entropy(logits.float(), label).backward()
        return logits

    def check() -> None:
        double = copy.deepcopy(model).double()
        expected = double(sequence.double())
        torch.nn.functional.cross_entropy(expected, label).backward()
        tolerance = 1e-4 if low == torch.float32 else 5e-2
        expect_close(run().detach(), expected.detach(), tolerance, f"{cell}: logits")
        for found, wanted in zip(model.parameters(), double.parameters(), strict=True):
            expect_close(found.grad, wanted.grad, tolerance, f"{cell}: gradients")

    weights = sum(x.numel() for name, x in model.recurrent.named_parameters() if "weight" in name)
    return Problem(None, Contender(run, check), 6.0 * weights * 20 * clips, 0, dtype, clips, "clips")


_BOTH = ("cpu", "cuda")
CASES = (
    Case(
        "pv_dbow", "documents of 75 words to vectors of 128, 2 threads", make,
        small=({"graphs": 200, "epochs": 1},), default=({"graphs": 5000, "epochs": 3},),
        more=({"graphs": 20000, "epochs": 10},),
        peers={"gensim, corpus file": by_corpus_file, "gensim, iterable": by_iterable},
    ),
    Case(
        "bag_sums", "600 embeddings of 64 summed per graph, forward and backward", make_bags,
        small=({"graphs": 64},), more=({"graphs": 15360},), peers={"embedding_bag": by_embedding_bag},
        devices=_BOTH,
    ),
    *(
        Case(
            name, f"ops.{op} on documents of 375 words", make,
            small=({"graphs": 200, "epochs": 1},), more=(most,), peers={"gensim": peer}, devices=(device,),
        )
        for name, op, make, peer in (
            ("pv_dbow_train", "pv_dbow", make_training, trained_by_gensim),
            ("pv_dbow_infer", "pv_dbow_infer", make_inference, inferred_by_gensim),
        )
        for device, most in (("cpu", {"graphs": 36000, "epochs": 10}), ("cuda", {"graphs": 9000, "epochs": 1}))
    ),
    Case(
        "recurrent_step", "training step of 3 layers of 512 over 20 vectors", make_recurrent_step,
        small=({"cell": "gru", "clips": 2, "dtype": "float32"},),
        more=tuple(
            {"cell": cell, "clips": 64, "dtype": dtype}
            for cell in ("lstm", "gru") for dtype in ("float32", "bfloat16")
        ),
        devices=_BOTH,
    ),
    Case(
        "corpus", "labels, subtrees, counts and gensim's corpus file", make_corpus,
        small=({"graphs": 500},), more=({"graphs": 1_000_000},),
    ),
)  # fmt: skip
