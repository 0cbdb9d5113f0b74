"""What may be said from the scores of a run: spread over seeds, and paired comparisons on the same test clips.

Two variants are compared clip by clip. For every clip, count over the seeds how often each variant is right; the
clips on which A is right more often are its wins, those on which B is are its losses. Under the hypothesis that
neither is better a win is as likely as a loss, so p is the exact two-sided binomial probability. With one seed this
is McNemar's exact test (McNemar 1947). All pairs of a table are corrected together by Holm's method (Holm 1979).
The test speaks of new clips like these, for the models as trained: clips of one subject are not independent.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from skelbench.errors import SkelbenchError

SIGNIFICANT = 0.05
NORMAL_95 = 1.959964


class PairingError(SkelbenchError):
    """Scores that cannot be compared clip by clip; one line."""


@dataclass(frozen=True, eq=False)
class ClipScores:
    """The stored logits of one variant with one seed."""

    names: NDArray[np.str_]
    """(n,) clip names."""
    logits: NDArray[np.float32]
    """(n, classes)."""
    label: NDArray[np.int64]
    """(n,)."""

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Class of the largest logit, int64 (n,)."""
        predicted: NDArray[np.int64] = self.logits.argmax(1)
        return predicted

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether that is the label, bool (n,)."""
        right: NDArray[np.bool_] = self.predicted == self.label
        return right


@dataclass(frozen=True)
class Comparison:
    """Variant `first` against `second` on the same clips; differences in shares, first minus second."""

    first: str
    second: str
    difference: float
    interval: tuple[float, float]
    """95 %, normal approximation of the mean over clips."""
    wins: int
    """Clips on which `first` is right more often."""
    losses: int
    p: float
    """Exact, two-sided."""
    p_holm: float
    """Corrected for all pairs of the table."""

    @property
    def verdict(self) -> str:
        """first, second, or nothing where the difference may be chance."""
        if self.p_holm >= SIGNIFICANT:
            return ""
        return self.first if self.wins > self.losses else self.second


def pooled(parts: Sequence[ClipScores]) -> ClipScores:
    """The scores of several folds as those of one test part: each clip is tested in one fold."""
    if len(parts) == 1:
        return parts[0]
    return ClipScores(
        np.concatenate([part.names for part in parts]),
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.label for part in parts]),
    )


def pooled_interval(counts: Sequence[tuple[int, int, int]]) -> tuple[float, float]:
    """Wilson's interval of a variant, averaged over its seeds; a seed's folds count as one test part.

    Args:
        counts: (seed, clips right, clips tested) of every score.
    """
    by_seed: dict[int, tuple[int, int]] = {}
    for seed, correct, total in counts:
        before = by_seed.get(seed, (0, 0))
        by_seed[seed] = (before[0] + correct, before[1] + total)
    intervals = [wilson(correct, total) for correct, total in by_seed.values()]
    return tuple(sum(interval[end] for interval in intervals) / len(intervals) for end in (0, 1))  # type: ignore[return-value]


def score_hash(logits: NDArray[np.float32]) -> str:
    """SHA-256 of logits (n, classes): equal for equal bits."""
    return hashlib.sha256(np.ascontiguousarray(logits).tobytes()).hexdigest()


def wilson(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927)."""
    interval = scipy.stats.binomtest(correct, total).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def paired(first: Sequence[ClipScores], second: Sequence[ClipScores]) -> tuple[NDArray[np.int64], int]:
    """Per clip, how many more seeds of `first` than of `second` are right, and the number of seeds.

    The seeds of both come in pairs; clips are matched by name. One side may rest on fewer clips (a variant that leaves
    out clips of two people): the pair is then compared on those.

    Raises:
        PairingError: other test clips, or another number of seeds.
    """
    if len(first) != len(second) or not first:
        raise PairingError(f"{len(first)} and {len(second)} seeds cannot be paired")
    names = min((first[0].names, second[0].names), key=len)
    names = np.sort(names)
    total = np.zeros(len(names), dtype=np.int64)
    for sign, side in ((1, first), (-1, second)):
        for scores in side:
            order = np.argsort(scores.names)
            place = np.searchsorted(scores.names, names, sorter=order).clip(max=len(order) - 1)
            if not np.array_equal(scores.names[order[place]], names):
                raise PairingError("the test clips differ: only scores of the same clips can be paired")
            total += sign * scores.right[order[place]]
    return total, len(first)


def compare(
    name_first: str, first: Sequence[ClipScores], name_second: str, second: Sequence[ClipScores]
) -> Comparison:
    """One pair, with the uncorrected p in both places."""
    lead, seeds = paired(first, second)
    wins, losses = int((lead > 0).sum()), int((lead < 0).sum())
    p = float(scipy.stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    share = lead / seeds
    half = NORMAL_95 * float(share.std(ddof=1)) / math.sqrt(len(share)) if len(share) > 1 else math.inf
    mean = float(share.mean())
    return Comparison(name_first, name_second, mean, (mean - half, mean + half), wins, losses, p, p)


def compare_all(scores: Mapping[str, Mapping[int, ClipScores]]) -> list[Comparison]:
    """Every pair of variants over the seeds that both have, Holm-corrected together; pairs without one are left out.

    Raises:
        PairingError: the clips differ.
    """
    found = []
    for a, b in combinations(scores, 2):
        common = sorted(scores[a].keys() & scores[b].keys())
        if common:
            found.append(
                compare(a, [scores[a][seed] for seed in common], b, [scores[b][seed] for seed in common])
            )
    return holm(found)


def holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons with `p_holm` corrected for their number: p of rank r times (m - r), never decreasing."""
    order = sorted(range(len(comparisons)), key=lambda index: comparisons[index].p)
    corrected, reached = [0.0] * len(comparisons), 0.0
    for rank, index in enumerate(order):
        reached = max(reached, min(1.0, (len(comparisons) - rank) * comparisons[index].p))
        corrected[index] = reached
    return [
        Comparison(c.first, c.second, c.difference, c.interval, c.wins, c.losses, c.p, adjusted)
        for c, adjusted in zip(comparisons, corrected, strict=True)
    ]


def confusion(scores: Sequence[ClipScores], classes: int) -> NDArray[np.int64]:
    """Counts (true class, predicted class), summed over seeds, int64 (classes, classes)."""
    total = np.zeros((classes, classes), dtype=np.int64)
    for run in scores:
        total += np.bincount(run.label * classes + run.predicted, minlength=classes**2).reshape(
            classes, classes
        )
    return total
