"""Graphs -> documents: the rooted subtrees of a graph are its words; gensim reads them from one text file.

gensim's fast feed cuts the file into one piece per worker by bytes, but stops a worker by words. The pieces meet
exactly only if all documents have the same length and all words the same width. So a word is a fixed number of
hexadecimal digits. What is no word (too rare, unknown, the padding of a shorter document) is written as the word of
zeros, which is in no vocabulary, so that gensim skips it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import IntArray
from skelbench.graph2vec.graphs import SkeletonGraphs
from skelbench.graph2vec.poses import ABSENT
from skelbench.ops.wl import wl_subtrees

NO_TOKEN = np.int64(np.iinfo(np.int64).min)
"""Marks a place without a word. One token of 2^64 is given up for it."""

# Documents in memory at a time.
_CHUNK = 8192

Tokens = NDArray[np.int64]


class Documents(Protocol):
    """N documents of at most `length` tokens, in an order that does not change."""

    @property
    def length(self) -> int:
        """Most tokens of a document."""
        ...

    def __len__(self) -> int:
        """Number of documents N."""
        ...

    def chunks(self) -> Iterator[Tokens]:
        """Consecutive documents, int64 (n, length); NO_TOKEN where there is no word."""
        ...

    def take(self, indices: IntArray) -> Documents:
        """The documents named by `indices`, in that order."""
        ...


@dataclass(frozen=True, eq=False)
class SkeletonDocuments:
    """The subtrees of every node of every graph, depth by depth, computed as they are read."""

    graphs: SkeletonGraphs
    iterations: int
    indices: IntArray | None = None
    """The graphs that are read; None for all."""

    @property
    def length(self) -> int:
        """Tokens of every document: (iterations + 1) * nodes."""
        return (self.iterations + 1) * self.graphs.nodes

    def __len__(self) -> int:
        """Number of documents N."""
        return len(self.graphs) if self.indices is None else len(self.indices)

    def take(self, indices: IntArray) -> SkeletonDocuments:
        """The documents named by `indices`, in that order."""
        return replace(self, indices=indices if self.indices is None else self.indices[indices])

    def chunks(self) -> Iterator[Tokens]:
        """Consecutive documents, int64 (n, length); NO_TOKEN for a body that is absent."""
        for begin in range(0, len(self), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            labels = self.graphs.labels(part if self.indices is None else self.indices[part])
            tokens = wl_subtrees(labels, self.graphs.edges, self.iterations)
            absent = labels == ABSENT
            if absent.any():
                tokens.masked_fill_(absent[:, None], int(NO_TOKEN))
            yield tokens.flatten(1).numpy()


@dataclass(frozen=True)
class Vocabulary:
    """The words kept, and how often each occurs in the training documents."""

    tokens: Tokens
    """(n,), ascending."""
    counts: NDArray[np.int64]
    """(n,), occurrences of each token."""
    distinct: int
    """Distinct words of the documents, kept or not."""
    rare: int = 0
    """Distinct words that occur less often than `min_count`."""
    occurrences: int = 0
    """Occurrences of all words, kept or not."""

    def __post_init__(self) -> None:
        for name in ("tokens", "counts"):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != np.int64 or array.ndim != 1:
                raise ValueError(f"vocabulary: {name} must be an int64 array of one dimension")
        if len(self.tokens) != len(self.counts):
            raise ValueError(f"vocabulary: {len(self.tokens)} tokens, but {len(self.counts)} counts")
        if len(self.tokens) == 0:
            raise ValueError("vocabulary: it has no word")
        if (self.tokens[1:] <= self.tokens[:-1]).any() or (self.counts < 1).any():
            raise ValueError("vocabulary: tokens must ascend, and counts be at least 1")

    @property
    def beyond(self) -> int:
        """Distinct words left out because more frequent ones filled the table."""
        return self.distinct - self.rare - len(self)

    def __str__(self) -> str:
        """What was kept and what was left out, in one line."""
        known = 100 * int(self.counts.sum()) / max(self.occurrences, 1)
        return (
            f"{len(self):,} of {self.distinct:,} distinct subtrees ({self.rare:,} too rare, {self.beyond:,} beyond the"
            f" vocabulary); they are {known:.1f} % of {self.occurrences:,} occurrences"
        )

    def __len__(self) -> int:
        """Number of words."""
        return len(self.tokens)

    @property
    def width(self) -> int:
        """Hexadecimal digits of a word in the corpus file."""
        return len(f"{len(self):x}")

    def words(self) -> list[str]:
        """The words as the corpus file spells them, in the order of `tokens`; 0 is kept for no word."""
        return [f"{index:0{self.width}x}" for index in range(1, len(self) + 1)]

    @cached_property
    def _slots(self) -> NDArray[np.int32]:
        """Hash table with linear probing: 1-based indices of words, 0 where empty.

        Its length is a power of two and at least twice the number of words. Tokens are hashes, so their low bits say
        where to begin.
        """
        slots = np.zeros(1 << (2 * len(self)).bit_length(), dtype=np.int32)
        waiting = np.arange(1, len(self) + 1, dtype=np.int32)
        place = self.tokens & (len(slots) - 1)
        while len(waiting):
            empty = slots[place] == 0
            # Of several words for one place the last stays.
            slots[place[empty]] = waiting[empty]
            left = slots[place] != waiting
            waiting, place = waiting[left], (place[left] + 1) & (len(slots) - 1)
        return slots

    def index(self, tokens: Tokens) -> NDArray[np.int32]:
        """1-based index of each token, 0 for one that is no word; same shape."""
        flat, mask = tokens.ravel(), len(self._slots) - 1
        found = np.zeros(len(flat), dtype=np.int32)
        asked = np.arange(len(flat))
        place = flat & mask
        while len(asked):
            word = self._slots[place]
            hit = (word > 0) & (self.tokens[word - 1] == flat[asked])
            found[asked[hit]] = word[hit]
            on = (word > 0) & ~hit
            asked, place = asked[on], (place[on] + 1) & mask
        return found.reshape(tokens.shape)

    def without_a_word(self, documents: Documents) -> NDArray[np.bool_]:
        """Which documents have no word of the vocabulary, (N,)."""
        return np.concatenate([(self.index(chunk) == 0).all(axis=1) for chunk in documents.chunks()])


def distinct(documents: Documents) -> tuple[IntArray, IntArray]:
    """The distinct documents, in an order that only their contents decide.

    Returns:
        (first, which): the index of one document of each content, and for each document the place of its content in
        that order.
    """
    seen: dict[bytes, int] = {}
    contents: list[bytes] = []
    for chunk in documents.chunks():
        for document in chunk:
            content = blake2b(document, digest_size=16).digest()
            seen.setdefault(content, len(contents))
            contents.append(content)
    place = {content: position for position, content in enumerate(sorted(seen))}
    first = np.array([seen[content] for content in place], dtype=np.int64)
    return first, np.array([place[content] for content in contents], dtype=np.int64)


def write_corpus(
    documents: Documents,
    vocabulary: Vocabulary,
    path: Path,
    *,
    multiple_of: int = 1,
    on_documents: Callable[[int], Any] | None = None,
) -> int:
    """Write one line a document, all of one length.

    Args:
        documents: what is written.
        vocabulary: the words; other tokens are written as zeros.
        path: of the file.
        multiple_of: number of workers. Lines without a word are added until the number of lines is a multiple of it,
            so that equal shares of the file are whole documents.
        on_documents: called with the number of documents written so far.

    Returns:
        The number of lines.
    """
    width = vocabulary.width
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    written = 0
    with path.open("wb") as file:
        for chunk in documents.chunks():
            index = vocabulary.index(chunk)
            text = np.full((*chunk.shape, width + 1), ord(" "), dtype=np.uint8)
            for digit in range(width):
                text[..., width - 1 - digit] = digits[(index >> (4 * digit)) & 15]
            text[:, -1, width] = ord("\n")
            file.write(text.tobytes())
            written += len(chunk)
            if on_documents is not None:
                on_documents(written)
        padding = -written % multiple_of
        blank = (" ".join(["0" * width] * documents.length) + "\n").encode()
        file.write(blank * padding)
    return written + padding


@dataclass(frozen=True, eq=False)
class ListedDocuments:
    """Documents of different lengths, held in memory."""

    tokens: Sequence[Tokens]

    @property
    def length(self) -> int:
        """Tokens of the longest document."""
        return max(len(document) for document in self.tokens)

    def __len__(self) -> int:
        """Number of documents N."""
        return len(self.tokens)

    def take(self, indices: IntArray) -> ListedDocuments:
        """The documents named by `indices`, in that order."""
        return ListedDocuments([self.tokens[index] for index in indices])

    def chunks(self) -> Iterator[Tokens]:
        """Consecutive documents, int64 (n, length); NO_TOKEN after a document's end."""
        for begin in range(0, len(self), _CHUNK):
            part = self.tokens[begin : begin + _CHUNK]
            block = np.full((len(part), self.length), NO_TOKEN)
            for row, document in zip(block, part, strict=True):
                row[: len(document)] = document
            yield block
