"""Accuracy on the whole test split: shares between 0 and 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ABSENT = -2.0
# Cosines at a time: 64 MiB.
_CELLS = 1 << 24
_TINY = 1e-30


def top_k(logits: NDArray[np.float32], label: NDArray[np.int64], k: int) -> float:
    """Share of rows (n, classes) whose label is among the k largest logits; of equal logits, the first class leads."""
    own = np.take_along_axis(logits, label[:, None], axis=1)
    before = (logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < label[:, None]))
    return float((before.sum(1) < k).mean())


def mean_class(logits: NDArray[np.float32], label: NDArray[np.int64]) -> float:
    """Mean of the per-class recalls over the classes that have test clips."""
    return float(np.mean([recall for recall in class_recall(logits, label) if recall is not None]))


def class_recall(logits: NDArray[np.float32], label: NDArray[np.int64]) -> list[float | None]:
    """For each class of logits (n, classes), the share of its rows that are recognised; None for a class without."""
    classes = logits.shape[1]
    total = np.bincount(label, minlength=classes)
    right = np.bincount(label[logits.argmax(1) == label], minlength=classes)
    return [float(r / t) if t else None for r, t in zip(right, total, strict=True)]


def knn1(
    train: NDArray[np.float32],
    train_label: NDArray[np.int64],
    test: NDArray[np.float32],
    test_label: NDArray[np.int64],
) -> float:
    """Top-1 of the nearest training representation by cosine."""
    return float(knn1_hits(train, train_label, test, test_label).mean())


def knn1_hits(
    train: NDArray[np.float32],
    train_label: NDArray[np.int64],
    test: NDArray[np.float32],
    test_label: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """For each test representation, whether the nearest training representation by cosine is of its class."""
    classes = int(max(train_label.max(), test_label.max(initial=0))) + 1
    hits: NDArray[np.bool_] = class_similarity(train, train_label, test, classes).argmax(1) == test_label
    return hits


def class_similarity(
    train: NDArray[np.float32], train_label: NDArray[np.int64], test: NDArray[np.float32], classes: int
) -> NDArray[np.float32]:
    """Cosine between each test row and the nearest training row of each class, (n_test, classes).

    A class without training rows has ABSENT, below every cosine; a row of zeros is as far from all rows.
    """
    units = [rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY) for rows in (train, test)]
    order = np.argsort(train_label, kind="stable")
    present, begins = np.unique(train_label[order], return_index=True)
    sorted_train = units[0][order]
    found = np.full((len(test), classes), ABSENT, dtype=np.float32)
    step = max(1, _CELLS // len(train))
    for begin in range(0, len(test), step):
        cosine = units[1][begin : begin + step] @ sorted_train.T
        found[begin : begin + step, present] = np.maximum.reduceat(cosine, begins, axis=1)
    return found
