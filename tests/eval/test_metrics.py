"""Metrics against worked examples and independent formulas."""

import warnings

import numpy as np
import pytest

from skelbench.eval import metrics


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


def test_recall_by_class_is_unknown_where_no_clip_is():
    logits = np.eye(4, dtype=np.float32)[[0, 0, 1, 2, 2]]
    label = np.array([0, 1, 1, 0, 2])
    recall = metrics.class_recall(logits, label)
    assert recall == [0.5, 0.5, 1.0, None]
    known = [share for share in recall if share is not None]
    assert metrics.mean_class(logits, label) == pytest.approx(sum(known) / len(known))


def test_knn1_is_by_cosine():
    train = np.array([[1, 0], [0, 1]], dtype=np.float32)
    test = np.array([[100, 1], [0.1, 0.2]], dtype=np.float32)
    assert metrics.knn1(train, np.array([0, 1]), test, np.array([0, 1])) == 1


def test_mean_class_of_one_class_and_of_predictions_without_test_clips_is_quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metrics.mean_class(np.eye(3, dtype=np.float32), np.array([1, 1, 1])) == pytest.approx(1 / 3)
        assert metrics.mean_class(np.eye(1, dtype=np.float32), np.array([0])) == 1.0
