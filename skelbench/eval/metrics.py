"""Accuracy on the whole test split: shares between 0 and 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.neighbors import KNeighborsClassifier

# MiB of distances at a time; sklearn would take 1024.
_WORKING_MEMORY = 64


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
    neighbours = KNeighborsClassifier(n_neighbors=1, metric="cosine", algorithm="brute")
    with config_context(working_memory=_WORKING_MEMORY):
        return float(neighbours.fit(train, train_label).score(test, test_label))
