"""PV-DBOW with negative sampling (Le and Mikolov 2014, section 2.3; Mikolov et al. 2013b, eq. 4).

A document is a bag of words, a word a row of the output table. The vector v of a document learns to tell its words w
from `negative` others, drawn with a chance proportional to count^0.75: it climbs

    log sigmoid(v . table[w]) + sum over samples s of log sigmoid(-v . table[s])

by stochastic gradient steps, and in training the rows of the table climb with it. Pairs with a product beyond 6 are
left alone, as in word2vec. An occurrence of a word is used with the chance min(1, sqrt(t / f) + t / f), where f is the
word's share of all occurrences and t is `sample`.

These are gensim's Doc2Vec with dm=0, dbow_words=0 and hs=0, but for the order of updates. `csrc/pv_dbow/README.md`
states the order here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from skelbench.ops import _library, reference
from skelbench.ops.checks import check_dense, check_integer, check_number, check_tensor

MOST_NEGATIVE = 32
"""Most negative samples per word."""
BLOCK = 16
"""Documents that share negative samples in training; chosen by held-out likelihood (`graph2vec/README.md`)."""
EXPONENT = 0.75
"""Exponent of a word's count in the distribution of negative samples (Mikolov et al. 2013b, section 2.2)."""

_MOST = 65_535
_LARGEST_SEED = 2**62

OnEpoch = Callable[[int, int], Any]
"""Called after each epoch with (epochs done, epochs)."""


@torch.no_grad()
def pv_dbow(
    words: Tensor,
    indptr: Tensor | None,
    counts: Tensor,
    *,
    dimensions: int = 128,
    epochs: int = 10,
    rate: float = 0.025,
    min_rate: float = 0.0001,
    sample: float = 1e-4,
    negative: int = 5,
    seed: int = 0,
    block: int = BLOCK,
    on_epoch: OnEpoch | None = None,
) -> tuple[Tensor, Tensor]:
    """Train vectors of N documents together with an output table of V words.

    On the CPU the result has the same bits for any number of threads, on a GPU in each call. Down-sampling and negative
    samples are the same on both. The GPU adds up products in another order.

    Args:
        words: int32 (T,), the words of all documents, each in 0..V-1 or -1 for none; or (N, L), with L words each.
        indptr: int64 (N + 1,), ascending from 0 to T: document d is `words[indptr[d] : indptr[d + 1]]`. None for
            documents of one length, words (N, L).
        counts: int64 (V,), occurrences of each word, at least 1.
        dimensions: D, length of a vector.
        epochs: passes over the documents.
        rate: of the gradient steps at the start; it falls linearly.
        min_rate: at the end.
        sample: t, 0 to use every occurrence.
        negative: samples per word.
        seed: of every random number.
        block: documents that share negative samples, and that go forward before the table follows. Larger blocks are
            faster and further from one update after the other.
        on_epoch: called after each epoch.

    Returns:
        vectors float32 (N, D) and table float32 (V, D), on the device of `words`.

    Raises:
        TypeError: an argument (named) of another type.
        ValueError: an argument (named) of the wrong shape, dtype, device or range; no word.
        ValueError or RuntimeError: documents that do not fit together.
    """
    check_integer("dimensions", dimensions, 1, _MOST)
    check_integer("block", block, 1, _MOST)
    _check_settings(epochs, rate, min_rate, sample, negative, seed, on_epoch)
    words, indptr = _documents(words, indptr, counts)
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.rand(len(indptr) - 1, dimensions, generator=generator)
    # In place: a corpus of NTU's size has over a gigabyte of them.
    vectors = vectors.mul_(2).sub_(1).div_(dimensions).to(words.device)
    table = torch.zeros(len(counts), dimensions, device=words.device)
    chances = _chances(counts, sample)
    step = _kernel("pv_dbow_train_")
    for epoch in range(epochs):
        now, then = (rate + (min_rate - rate) * (epoch + ahead) / epochs for ahead in (0, 1))
        step(vectors, table, words, indptr, *chances, now, then, negative, epoch, seed, block)
        if on_epoch is not None:
            on_epoch(epoch + 1, epochs)
    return vectors, table


@torch.no_grad()
def pv_dbow_infer(
    words: Tensor,
    indptr: Tensor | None,
    counts: Tensor,
    table: Tensor,
    *,
    epochs: int = 10,
    rate: float = 0.025,
    min_rate: float = 0.0001,
    sample: float = 1e-4,
    negative: int = 5,
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
) -> Tensor:
    """Vectors of N documents under a fixed output table.

    A vector starts at zero and depends on the words of its document alone: equal documents have equal vectors, whatever
    other documents are given, and a document without a word has zeros.

    Args:
        words: as in `pv_dbow`.
        indptr: as in `pv_dbow`.
        counts: int64 (V,), occurrences of each word in training, at least 1.
        table: float32 (V, D), of finite numbers.
        epochs: passes over each document.
        rate: in the first epoch; it falls linearly from epoch to epoch.
        min_rate: in the last one.
        sample: as in `pv_dbow`.
        negative: as in `pv_dbow`.
        seed: as in `pv_dbow`.
        on_epoch: as in `pv_dbow`.

    Returns:
        float32 (N, D), on the device of `words`.

    Raises:
        TypeError: an argument (named) of another type.
        ValueError: an argument (named) of the wrong shape, dtype, device or range; no word.
        ValueError or RuntimeError: documents that do not fit together.
    """
    _check_settings(epochs, rate, min_rate, sample, negative, seed, on_epoch)
    words, indptr = _documents(words, indptr, counts)
    check_tensor("table", table, (len(counts), "dimensions"), torch.float32, like=words)
    if not bool(table.isfinite().all()):
        raise ValueError("table has numbers that are not finite")
    vectors = torch.zeros(len(indptr) - 1, table.shape[1], device=words.device)
    chances = _chances(counts, sample)
    table = table.contiguous()
    step = _kernel("pv_dbow_infer_")
    for epoch in range(epochs):
        now = rate + (min_rate - rate) * epoch / max(epochs - 1, 1)
        step(vectors, table, words, indptr, *chances, now, negative, epoch, seed)
        if on_epoch is not None:
            on_epoch(epoch + 1, epochs)
    return vectors


def _kernel(name: str) -> Callable[..., None]:
    """The compiled op, or the same in plain torch."""
    if _library.built:
        compiled: Callable[..., None] = getattr(torch.ops.skelbench, name)
        return compiled
    _library.warn_fallback()
    plain: Callable[..., None] = getattr(reference, name)
    return plain


def _check_settings(
    epochs: object,
    rate: float,
    min_rate: float,
    sample: object,
    negative: object,
    seed: object,
    on_epoch: object,
) -> None:
    check_integer("epochs", epochs, 1, _MOST)
    check_number("rate", rate, 1e-30, 1e3)
    check_number("min_rate", min_rate, 0, 1e3)
    if min_rate > rate:
        raise ValueError(f"min_rate must be at most rate, {rate}, not {min_rate}")
    check_number("sample", sample, 0, 1)
    check_integer("negative", negative, 1, MOST_NEGATIVE)
    check_integer("seed", seed, 0, _LARGEST_SEED)
    if on_epoch is not None and not callable(on_epoch):
        raise TypeError(f"on_epoch must be callable or None, not {type(on_epoch).__name__}")


def _documents(words: Tensor, indptr: Tensor | None, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Words (T,) and indptr (N + 1,), checked."""
    if indptr is None and isinstance(words, Tensor) and words.dim() == 1:
        raise ValueError("indptr must be given where words has one dimension; it says where documents begin")
    check_tensor("words", words, ("T",) if indptr is not None else ("N", "L"), torch.int32)
    if words.device.type not in (*_library.devices, "meta"):
        raise ValueError(
            f"words is on {words.device}, but PV-DBOW computes on {' and '.join(_library.devices)}"
        )
    check_dense("words", words)
    if indptr is None:
        indptr = torch.arange(words.shape[0] + 1, device=words.device) * words.shape[1]
        words = words.flatten()
    check_tensor("indptr", indptr, ("N + 1",), torch.int64, like=words)
    check_tensor("counts", counts, ("V",), torch.int64, like=words)
    if len(counts) == 0:
        raise ValueError("counts has no word: the vocabulary is empty")
    if bool((counts < 1).any()):
        place = int((counts < 1).nonzero()[0])
        raise ValueError(f"counts must be at least 1, but word {place} has {int(counts[place])}")
    # The compiled op looks at the values itself on the CPU.
    if words.is_cuda or not _library.built:
        ends = (int(indptr[0]), int(indptr[-1])) if len(indptr) else None
        if ends != (0, len(words)) or bool((indptr.diff() < 0).any()):
            raise ValueError(f"indptr must ascend from 0 to {len(words)}, the number of words")
        if bool(((words < -1) | (words >= len(counts))).any()):
            raise ValueError(f"words: one is none of the words 0..{len(counts) - 1}, nor -1 for none")
    elif len(indptr) == 0:
        raise ValueError("indptr has no number: it must ascend from 0 to the number of words")
    return words.contiguous(), indptr.contiguous()


def _chances(counts: Tensor, sample: float) -> tuple[Tensor, Tensor]:
    """The summed distribution of negative samples, and the chance that an occurrence is used; float64 (V,).

    Made on the CPU, so that all devices draw the same.
    """
    occurrences = counts.double().cpu()
    cumulative = (occurrences**EXPONENT).cumsum(0)
    cumulative /= cumulative[-1].clone()
    # Rounding may leave the last below a random number.
    cumulative[-1] = 1.0
    if sample == 0:
        return cumulative.to(counts.device), torch.ones_like(cumulative, device=counts.device)
    share = sample * occurrences.sum() / occurrences
    return cumulative.to(counts.device), (share.sqrt() + share).clamp(max=1).to(counts.device)


def _fake(vectors: Tensor, table: Tensor, *_: Any) -> None:
    return None


if _library.built:
    torch.library.register_fake("skelbench::pv_dbow_train_")(_fake)
    torch.library.register_fake("skelbench::pv_dbow_infer_")(_fake)
