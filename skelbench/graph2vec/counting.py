"""Counts the words of documents in bounded memory, and keeps the most frequent ones.

Counts of a part of the documents are held in memory. When they are too many, they go to a temporary file as a run in
ascending order. At the end the runs are merged, one range of tokens after the other. So every count is exact, and
memory holds a few times `HELD` words whatever the documents are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from skelbench.graph2vec.documents import NO_TOKEN, Documents, Tokens, Vocabulary

HELD = 1 << 22
"""Distinct words held in memory before they go to the file: 64 MB of tokens and counts."""

Counts = tuple[Tokens, NDArray[np.int64]]
"""Tokens in ascending order, and how often each occurs."""


def build_vocabulary(
    documents: Documents, min_count: int, most: int | None = None, *, held: int = HELD
) -> Vocabulary:
    """Count all tokens of the documents and keep the most frequent.

    Args:
        documents: what is counted.
        min_count: least occurrences of a word that is kept.
        most: words kept at most; None for no limit. Of equally frequent words those with the smaller tokens are kept.
        held: distinct words in memory at a time.

    Raises:
        ValueError: no token occurs `min_count` times.
    """
    tokens, counts = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    distinct = rare = occurrences = highest = 0
    for found_tokens, found in _ranges(documents, held):
        keep = found >= min_count
        distinct, rare = distinct + len(found), rare + int((~keep).sum())
        occurrences, highest = occurrences + int(found.sum()), max(highest, int(found.max(initial=0)))
        tokens = np.concatenate([tokens, found_tokens[keep]])
        counts = np.concatenate([counts, found[keep]])
        if most is not None and len(tokens) > most:
            # Ranges come in ascending order, so the stable sort prefers smaller tokens.
            kept = np.sort(np.argsort(-counts, kind="stable")[:most])
            tokens, counts = tokens[kept], counts[kept]
    if len(tokens) == 0:
        raise ValueError(
            f"min_count={min_count}: none of the {distinct} distinct subtrees of {len(documents)} graphs occurs that"
            f" often (at most {highest} times); lower min_count or use larger bins"
        )
    return Vocabulary(tokens, counts, distinct, rare, occurrences)


def _ranges(documents: Documents, held: int) -> Iterator[Counts]:
    """The counts of all documents, in ranges of ascending tokens."""
    with ExitStack() as files:
        runs: list[Counts] = []
        waiting: list[Counts] = []
        merged = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        size = 0
        for chunk in documents.chunks():
            waiting.append(np.unique(chunk[chunk != NO_TOKEN], return_counts=True))
            size += len(waiting[-1][0])
            if size > max(len(merged[0]), held // 4):
                merged = _merge([merged, *waiting])
                waiting, size = [], 0
                if len(merged[0]) > held:
                    runs.append(_spill(merged, files.enter_context(tempfile.TemporaryFile())))
                    merged = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        runs.append(_merge([merged, *waiting]))
        if len(runs) == 1:
            yield runs[0]
            return
        yield from _merged_ranges(runs, held)


def _merged_ranges(runs: Sequence[Counts], held: int) -> Iterator[Counts]:
    """The merge of runs. A range has about `held` words in all runs together, since tokens are hashes."""
    number = 1 << max(0, (sum(len(tokens) for tokens, _ in runs) // held)).bit_length()
    edges = np.linspace(float(np.iinfo(np.int64).min), float(np.iinfo(np.int64).max), number + 1)[1:-1]
    inner = edges.astype(np.int64)
    cuts = [np.concatenate([[0], np.searchsorted(t, inner), [len(t)]]) for t, _ in runs]
    for part in range(number):
        yield _merge(
            [
                (tokens[cut[part] : cut[part + 1]], counts[cut[part] : cut[part + 1]])
                for (tokens, counts), cut in zip(runs, cuts, strict=True)
            ]
        )


def _spill(counts: Counts, file: BinaryIO) -> Counts:
    """The same counts, mapped from a file."""
    words = len(counts[0])
    mapped = np.memmap(file, dtype=np.int64, mode="w+", shape=(2, words))
    mapped[0], mapped[1] = counts
    mapped.flush()
    return mapped[0], mapped[1]


def _merge(parts: Sequence[Counts]) -> Counts:
    """One count of tokens from several in ascending order; the stable sort is fast on such runs."""
    tokens = np.concatenate([part[0] for part in parts])
    counts = np.concatenate([part[1] for part in parts])
    order = np.argsort(tokens, kind="stable")
    tokens, counts = tokens[order], counts[order]
    del order
    if len(tokens) == 0:
        return tokens, counts
    first = np.flatnonzero(np.concatenate([[True], tokens[1:] != tokens[:-1]]))
    return tokens[first], np.add.reduceat(counts, first)
