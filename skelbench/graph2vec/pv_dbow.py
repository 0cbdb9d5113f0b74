"""Vectors of documents by PV-DBOW (Le and Mikolov 2014, section 2.3), with `skelbench.ops.pv_dbow`.

The document vectors are trained to predict the document's words among negative samples; word order plays no part. A
trained model is its output table, which gives vectors to new documents.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelbench import ops
from skelbench.graph2vec.documents import Documents, Vocabulary

# Chunks of documents whose vectors are inferred at a time.
_CHUNKS = 8

Progress = Callable[[str, int, int], Any]
"""(stage, done, total); the stage is "epoch", with gensim also "corpus" (documents written)."""


@dataclass(frozen=True)
class Settings:
    """The hyper-parameters of PV-DBOW, in the names of `Graph2Vec`."""

    dimensions: int
    epochs: int
    learning_rate: float
    min_learning_rate: float
    sample: float
    negative: int
    workers: int
    seed: int


@dataclass(frozen=True)
class Trained:
    """Results of training."""

    vectors: NDArray[np.float32]
    """(N, dimensions), vectors of the documents."""
    table: NDArray[np.float32]
    """(words, dimensions), output vectors."""
    unmoved: int
    """Documents without a word that was trained on."""


def train(
    documents: Documents, vocabulary: Vocabulary, settings: Settings, on_progress: Progress | None = None
) -> Trained:
    """Train document vectors and the output table; the same bits for any number of threads.

    Raises:
        RuntimeError: down-sampling left no word to learn from.
    """
    words, indptr = words_of(documents, vocabulary)
    vectors, table = ops.pv_dbow(
        words,
        indptr,
        torch.from_numpy(vocabulary.counts),
        dimensions=settings.dimensions,
        on_epoch=None if on_progress is None else lambda done, total: on_progress("epoch", done, total),
        **_options(settings),
    )
    if not table.any():
        raise nothing_learned(documents, vocabulary, settings)
    return Trained(vectors.numpy(), table.numpy(), int((indptr.diff() == 0).sum()))


def words_of(documents: Documents, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """The known words of the documents that were counted, as `ops.pv_dbow` takes them: words (T,), indptr (N + 1,)."""
    words = np.empty(int(vocabulary.counts.sum()), dtype=np.int32)
    lengths: list[NDArray[np.int64]] = []
    end = 0
    for part, length in _indexed(documents, vocabulary):
        words[end : end + len(part)] = part
        end += len(part)
        lengths.append(length)
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    return torch.from_numpy(words), torch.from_numpy(indptr)


def infer(
    documents: Documents,
    vocabulary: Vocabulary,
    table: NDArray[np.float32],
    settings: Settings,
    on_progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Vectors of documents under a fixed output table, float32 (N, dimensions).

    A vector depends on the words of its document alone, and is zero where it has none.
    """
    vectors = np.empty((len(documents), table.shape[1]), dtype=np.float32)
    rows, counts = torch.from_numpy(table), torch.from_numpy(vocabulary.counts)
    done = 0
    chunks = _indexed(documents, vocabulary)
    while some := list(itertools.islice(chunks, _CHUNKS)):
        length = np.concatenate([part[1] for part in some])
        words = np.concatenate([part[0] for part in some])
        vectors[done : done + len(length)] = ops.pv_dbow_infer(
            torch.from_numpy(words),
            torch.from_numpy(np.concatenate([[0], np.cumsum(length)])),
            counts,
            rows,
            **_options(settings),
        ).numpy()
        done += len(length)
        if on_progress is not None:
            on_progress("infer", done, len(documents))
    return vectors


def nothing_learned(documents: Documents, vocabulary: Vocabulary, settings: Settings) -> RuntimeError:
    """The error of a training that moved nothing."""
    return RuntimeError(
        f"PV-DBOW moved none of {len(documents)} document vectors: sample={settings.sample} leaves out nearly all of"
        f" {int(vocabulary.counts.sum())} words; use sample=0 on a corpus this small"
    )


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "epochs": settings.epochs,
        "rate": settings.learning_rate,
        "min_rate": settings.min_learning_rate,
        "sample": settings.sample,
        "negative": settings.negative,
        "seed": settings.seed,
    }


def _indexed(
    documents: Documents, vocabulary: Vocabulary
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """The known words of consecutive documents, as rows of the table, and how many each document has."""
    for chunk in documents.chunks():
        index = vocabulary.index(chunk)
        known = index > 0
        yield index[known] - 1, known.sum(axis=1, dtype=np.int64)
