"""PV-DBOW by the op and by gensim on real clips: `python -m benchmarks.embedding DATA xview [--blocks 8,32,128]`.

Both train on the training clips' graphs, with one vocabulary. A fifth of the words of the test clips' graphs is held
out; the other words infer the graphs' vectors. Prints, per seed: the mean log-likelihood of the held-out words w under
these vectors v, log sigmoid(v . w) plus NEGATIVE times the expectation of log sigmoid(-v . s) over the distribution of
negative samples s; the top-1 of a logistic regression on the mean vector of each quarter of a clip; and the processor
seconds of the training.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import logsigmoid

from skelbench import ops
from skelbench.data import load, preprocess, protocol
from skelbench.graph2vec import by_gensim, pv_dbow, skeleton_graphs
from skelbench.graph2vec.counting import build_vocabulary
from skelbench.graph2vec.documents import NO_TOKEN, ListedDocuments, SkeletonDocuments, Vocabulary
from skelbench.ops.pv_dbow import BLOCK

MIN_COUNT, NEGATIVE, HELD_OUT, PARTS = 5, 5, 0.2, 4

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Corpus:
    """The documents of a split, and which of the test documents' words are held out."""

    train: SkeletonDocuments
    test: SkeletonDocuments
    vocabulary: Vocabulary
    known: ListedDocuments
    """The test documents without the words held out."""
    held: list[NDArray[np.int64]]
    """Rows of the table of the words held out, by test document."""


@dataclass(frozen=True)
class Embedded:
    """Results of one way to train."""

    table: Floats
    train: Floats
    test: Floats
    known: Floats
    seconds: float


def corpus_of(train: SkeletonDocuments, test: SkeletonDocuments, most: int | None) -> Corpus:
    """Count the words, keep the `most` most frequent, and hold some of the test documents' words out."""
    vocabulary = build_vocabulary(train, MIN_COUNT, most)
    tokens = np.concatenate(list(test.chunks()))
    chosen = np.random.default_rng(0).random(tokens.shape) < HELD_OUT
    index = vocabulary.index(tokens)
    held = [row[pick & (row > 0)].astype(np.int64) - 1 for row, pick in zip(index, chosen, strict=True)]
    return Corpus(train, test, vocabulary, ListedDocuments(list(np.where(chosen, NO_TOKEN, tokens))), held)


def by_op(corpus: Corpus, settings: pv_dbow.Settings, block: int) -> Embedded:
    """The op with blocks of `block` documents."""
    words, lengths = pv_dbow.words_of(corpus.train, corpus.vocabulary)
    start = time.process_time()
    _, table = ops.pv_dbow(
        words, lengths, torch.from_numpy(corpus.vocabulary.counts), block=block, seed=settings.seed
    )
    seconds = time.process_time() - start
    parts = (corpus.train, corpus.test, corpus.known)
    train, test, known = (pv_dbow.infer(part, corpus.vocabulary, table.numpy(), settings) for part in parts)
    return Embedded(table.numpy(), train, test, known, seconds)


def by_peer(corpus: Corpus, settings: pv_dbow.Settings) -> Embedded:
    """Train by gensim with one worker."""
    start = time.process_time()
    table = by_gensim.train(corpus.train, corpus.vocabulary, settings).table
    seconds = time.process_time() - start
    parts = (corpus.train, corpus.test, corpus.known)
    train, test, known = (by_gensim.infer(part, corpus.vocabulary, table, settings) for part in parts)
    return Embedded(table, train, test, known, seconds)


def log_likelihood(corpus: Corpus, embedded: Embedded) -> float:
    """Mean over the test documents with a word held out, see the module's text."""
    noise = torch.from_numpy(corpus.vocabulary.counts).double() ** 0.75
    noise = (noise / noise.sum()).float()
    table = torch.from_numpy(embedded.table)
    found = []
    for vector, words in zip(torch.from_numpy(embedded.known), corpus.held, strict=True):
        if len(words):
            product = table @ vector
            positive = logsigmoid(product[torch.from_numpy(words)]).mean()
            found.append(float(positive + NEGATIVE * (noise * logsigmoid(-product)).sum()))
    return float(np.mean(found))


def top1(
    embedded: Embedded, windows: int, train_label: NDArray[np.int64], test_label: NDArray[np.int64]
) -> float:
    """A logistic regression on the mean vector of each of `PARTS` parts of a clip."""
    train, test = (
        vectors.reshape(-1, PARTS, windows // PARTS, vectors.shape[1]).mean(2).reshape(len(label), -1)
        for vectors, label in ((embedded.train, train_label), (embedded.test, test_label))
    )
    mean, scale = train.mean(0), train.std()
    model = LogisticRegression(max_iter=300).fit((train - mean) / scale, train_label)
    return float(model.score((test - mean) / scale, test_label))


def main() -> None:
    """Run the command."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", help="a dataset that `skelbench eval` reads")
    options.add_argument("protocol", help="xview, xsub, ...")
    options.add_argument("--windows", type=int, default=20, help=f"graphs of a clip, a multiple of {PARTS}")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--blocks", default=str(BLOCK), help="documents of a block")
    options.add_argument("--vocabulary", type=int, help="words kept at most; default: all")
    options.add_argument("--without-gensim", action="store_true")
    options.add_argument(
        "--validation", action="store_true",
        help="split the training clips instead: their last camera (xview) or person is held out",
    )  # fmt: skip
    chosen = options.parse_args()
    clips = preprocess(load(chosen.data), align="body")
    split = protocol(clips, chosen.protocol)
    graphs = skeleton_graphs(clips, windows=chosen.windows)
    halves = [split.train, split.test]
    if chosen.validation:
        seen = (clips.camera if chosen.protocol == "xview" else clips.subject)[split.train]
        halves = [split.train[seen != seen.max()], split.train[seen == seen.max()]]
    places = [np.flatnonzero(np.isin(graphs.kept, part)) for part in halves]
    labels = [clips.label[graphs.kept[part]] for part in places]
    train, test = (SkeletonDocuments(graphs.select(part), 2) for part in places)
    corpus = corpus_of(train, test, chosen.vocabulary)
    print(corpus.vocabulary)
    ways: dict[str, Callable[[pv_dbow.Settings], Embedded]] = {
        f"op, block {block}": lambda settings, block=int(block): by_op(corpus, settings, block)  # type: ignore[misc]
        for block in chosen.blocks.split(",")
    }
    if not chosen.without_gensim:
        ways["gensim"] = lambda settings: by_peer(corpus, settings)
    for seed in range(chosen.seeds):
        settings = pv_dbow.Settings(128, 10, 0.025, 1e-4, 1e-4, NEGATIVE, workers=1, seed=seed)
        for name, way in ways.items():
            embedded = way(settings)
            print(
                f"seed {seed}, {name}: log-likelihood {log_likelihood(corpus, embedded):.4f}, top-1"
                f" {top1(embedded, chosen.windows, *labels):.4f}, training {embedded.seconds:.1f} s of processor time",
                flush=True,
            )


if __name__ == "__main__":
    main()
