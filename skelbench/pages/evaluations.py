"""Rows against the best control, and the curves that the protocol `robust` fills."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from skelbench.pages import charts
from skelbench.pages.overview import Dot
from skelbench.pages.protocols import of
from skelbench.pages.verdicts import interval_words
from skelbench.runs.folder import RunFolder
from skelbench.runs.numbers import points, probability
from skelbench.runs.results import Results
from skelbench.runs.significance import ClipScores, Comparison, compare, holm, pooled, pooled_interval

CLASSIFIER, NEAREST = "classifier", "1-NN"


@dataclass(frozen=True)
class Against:
    """A self-supervised row beside the best control, read out in one way."""

    variant: str
    readout: str
    """CLASSIFIER, the linear probe of the row, or NEAREST."""
    control: str
    pair: Comparison
    """The row first; corrected for the self-supervised rows of this read-out."""

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.pair.verdict:
            return "not shown to differ"
        return "beats it" if self.pair.verdict == self.variant else "below it"

    @property
    def cells(self) -> list[str]:
        """Row, read-out, control, difference with its interval, p, verdict."""
        difference = f"{points(self.pair.difference)} ({interval_words(self.pair)})"
        return [
            self.variant,
            self.readout,
            self.control,
            difference,
            probability(self.pair.p_holm),
            self.verdict,
        ]


AGAINST_TITLES = ("variant", "read out by", "best control", "points (95 % interval)", "p", "verdict")


def against_controls(
    results: Results, folder: RunFolder, scores: Mapping[str, Mapping[int, ClipScores]]
) -> list[Against]:
    """Every self-supervised row against the control with the highest accuracy, by its classifier and by 1-NN.

    `scores` are those of the classifiers; of 1-NN, where `--evaluate knn` stored them.
    """
    nearest: dict[str, dict[int, list[ClipScores]]] = {}
    for found in results.evaluations:
        if found.protocol == "knn":
            parts = nearest.setdefault(found.variant, {}).setdefault(found.seed, [])
            parts.append(folder.load_evaluation(found))
    by_neighbour = {
        key: {seed: pooled(parts) for seed, parts in seeds.items()} for key, seeds in nearest.items()
    }
    return [
        found
        for readout, own in ((CLASSIFIER, scores), (NEAREST, by_neighbour))
        for found in _against(results, readout, own)
    ]


def _against(results: Results, readout: str, scores: Mapping[str, Mapping[int, ClipScores]]) -> list[Against]:
    group = {row.key: row.group for row, _ in results.rows()}
    mean = {
        key: statistics.mean(float(own.right.mean()) for own in seeds.values())
        for key, seeds in scores.items()
    }
    controls = [key for key in scores if group[key] == "control"]
    if not controls:
        return []
    best = max(controls, key=lambda key: mean[key])
    pairs = []
    for key in scores:
        common = sorted(scores[key].keys() & scores[best].keys())
        if group[key] == "self-supervised" and common:
            sides = ([scores[side][seed] for seed in common] for side in (key, best))
            pairs.append(compare(key, next(sides), best, next(sides)))
    return [Against(pair.first, readout, best, pair) for pair in holm(pairs)]


def curves(results: Results, dots: Sequence[Dot]) -> list[tuple[str, str]]:
    """Top-1 over each growing perturbation with Wilson's intervals, a line per variant: SVG and caption."""
    kinds = dict.fromkeys(point.what for found in results.evaluations for point in found.points)
    drawn = []
    for what in kinds:
        lines = [(dot, line) for dot in dots if (line := _line(results, dot.name, what))]
        alt = f"Top-1 over {what}: " + "; ".join(
            f"{dot.name} {line[0][1]:.1f} % at {line[0][0]:g}, {line[-1][1]:.1f} % at {line[-1][0]:g}"
            for dot, line in lines
        )
        with charts.figure(alt, 3.4, 2.5) as drawing:
            axes = drawing.figure.subplots()
            for dot, line in lines:
                amounts, middle, low, high = zip(*line, strict=True)
                axes.fill_between(amounts, low, high, color=dot.color, alpha=0.12, linewidth=0)
                axes.plot(amounts, middle, linewidth=1.2, **(dot.style | {"markersize": 4}))
            axes.set_xlabel(what)
            axes.set_ylabel("top-1, %")
            axes.xaxis.set_major_locator(MaxNLocator(5))
        drawn.append((drawing.svg, what))
    return drawn


def _line(results: Results, variant: str, what: str) -> list[tuple[float, float, float, float]]:
    """Amount, mean top-1 over seeds and its interval, in per cent; the clips as they are have amount 0."""
    counts: dict[float, list[tuple[int, int, int]]] = {}
    for found in of(results, variant).get("robust", []):
        own = [(point.amount, point.correct) for point in found.points if point.what == what]
        for amount, correct in [(0.0, found.correct or 0), *own] if own else []:
            counts.setdefault(amount, []).append((found.seed, correct, found.n_test))
    line = []
    for amount, own_counts in sorted(counts.items()):
        low, high = pooled_interval(own_counts)
        share = statistics.mean(correct / total for _, correct, total in own_counts)
        line.append((amount, 100 * share, 100 * low, 100 * high))
    return line
