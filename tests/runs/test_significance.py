"""Paired tests against formulas written out, and what may be claimed."""

import math
from math import comb
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelbench.runs import significance
from skelbench.runs.folder import RunFolder
from skelbench.runs.results import RunError
from skelbench.runs.significance import ClipScores, Comparison, PairingError


def scores(right, names=None) -> ClipScores:
    """Scores of clips of class 0 in two classes, right where `right` says."""
    right = np.asarray(right, dtype=bool)
    logits = np.where(right[:, None], [1.0, 0.0], [0.0, 1.0]).astype(np.float32)
    names = np.array([f"clip{i:03}" for i in range(len(right))]) if names is None else np.asarray(names)
    return ClipScores(names, logits, np.zeros(len(right), dtype=np.int64))


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 20))
def test_one_seed_is_mcnemars_exact_test(wins, losses, ties):
    first = [True] * wins + [False] * losses + [True] * ties
    second = [False] * wins + [True] * losses + [True] * ties
    if not first:
        return
    pair = significance.compare("a", [scores(first)], "b", [scores(second)])
    n = wins + losses
    tail = sum(comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n
    assert (pair.wins, pair.losses) == (wins, losses)
    assert pair.p == pytest.approx(min(1.0, 2 * tail) if n else 1.0)
    assert pair.difference == pytest.approx((wins - losses) / len(first))


def test_clips_are_matched_by_name_and_counted_over_seeds():
    names = ["c", "a", "b"]
    first = [scores([True, True, False], names), scores([True, False, False], names)]
    second = [scores([False, False, True], ["a", "b", "c"])] * 2  # right on c only
    lead, seeds = significance.paired(first, second)
    assert seeds == 2
    assert lead.tolist() == [1, 0, 0]  # of a, b, c


def test_other_clips_are_not_compared():
    with pytest.raises(PairingError, match="the test clips differ"):
        significance.compare("a", [scores([True])], "b", [scores([True], ["other"])])


def test_the_interval_covers_the_difference_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        first, second = rng.random(200) < 0.7, rng.random(200) < 0.6
        low, high = significance.compare("a", [scores(first)], "b", [scores(second)]).interval
        covered += low <= 0.1 <= high
    assert 0.92 <= covered / 400 <= 0.98


def comparison(p):
    return Comparison("a", "b", 0.1, (0.0, 0.2), 3, 1, p, p)


def test_holm_by_hand():
    """0.01 * 4, 0.02 * 3, 0.03 * 2, 0.04 * 1, never decreasing."""
    corrected = [pair.p_holm for pair in significance.holm([comparison(p) for p in (0.04, 0.01, 0.03, 0.02)])]
    assert corrected == pytest.approx([0.06, 0.04, 0.06, 0.06])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_p_and_is_at_most_bonferroni(values):
    for pair in significance.holm([comparison(p) for p in values]):
        assert pair.p <= pair.p_holm <= min(1.0, pair.p * len(values)) + 1e-12


def test_a_verdict_needs_a_corrected_p():
    weak = Comparison("a", "b", 0.1, (0.0, 0.2), 9, 1, 0.02, 0.06)
    strong = Comparison("a", "b", -0.1, (-0.2, 0.0), 1, 9, 0.01, 0.03)
    assert (weak.verdict, strong.verdict) == ("", "b")


def test_pairs_without_a_common_seed_are_left_out():
    runs = {"a": {0: scores([True, False])}, "b": {0: scores([True, True])}, "c": {1: scores([True, True])}}
    assert [(pair.first, pair.second) for pair in significance.compare_all(runs)] == [("a", "b")]


def test_confusion_counts_every_clip_of_every_seed():
    label = np.array([0, 1, 2, 2])
    run = ClipScores(np.array(list("abcd")), np.eye(3, dtype=np.float32)[[0, 2, 2, 1]], label)
    assert significance.confusion([run, run], 3).tolist() == [[2, 0, 0], [0, 0, 2], [0, 2, 2]]


def test_unreadable_scores_are_named(tmp_path):
    with pytest.raises(RunError, match=r"scores/x-seed0\.npz cannot be read"):
        RunFolder(tmp_path).load_scores(SimpleNamespace(variant="x", seed=0, fold=""))


def test_wilson_is_the_published_formula():
    correct, total, z = 81, 263, 1.959963984540054
    p = correct / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    assert significance.wilson(correct, total) == pytest.approx((centre - half, centre + half))


def test_wilson_stays_inside_zero_and_one():
    assert significance.wilson(0, 5)[0] == 0
    assert significance.wilson(5, 5)[1] == 1
