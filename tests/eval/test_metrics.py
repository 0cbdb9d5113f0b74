"""Metrics against worked examples and independent formulas."""

import math

import numpy as np
import pytest

from skelbench.eval import metrics


def test_wilson_is_the_published_formula():
    correct, total, z = 81, 263, 1.959963984540054
    p = correct / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    assert metrics.wilson(correct, total) == pytest.approx((centre - half, centre + half))


def test_wilson_stays_inside_zero_and_one():
    assert metrics.wilson(0, 5)[0] == 0
    assert metrics.wilson(5, 5)[1] == 1


def test_top_k_counts_labels_among_the_largest():
    logits = np.array([[3, 2, 1], [1, 2, 3], [2, 3, 1]], dtype=np.float32)
    label = np.array([0, 0, 0])
    assert metrics.top_k(logits, label, 1) == pytest.approx(1 / 3)
    assert metrics.top_k(logits, label, 2) == pytest.approx(2 / 3)
    assert metrics.top_k(logits, label, 3) == 1


def test_top_1_agrees_with_argmax_on_ties():
    logits = np.random.default_rng(0).integers(0, 3, (500, 6)).astype(np.float32)
    label = np.random.default_rng(1).integers(0, 6, 500)
    assert metrics.top_k(logits, label, 1) == (logits.argmax(1) == label).mean()


def test_mean_class_weighs_classes_equally():
    logits = np.eye(2, dtype=np.float32)[[0] * 9 + [0]]
    assert metrics.mean_class(logits, np.array([0] * 9 + [1])) == 0.5


def test_knn1_is_by_cosine():
    train = np.array([[1, 0], [0, 1]], dtype=np.float32)
    test = np.array([[100, 1], [0.1, 0.2]], dtype=np.float32)
    assert metrics.knn1(train, np.array([0, 1]), test, np.array([0, 1])) == 1
