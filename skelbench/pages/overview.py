"""Charts that show every variant at once: accuracy, and accuracy against what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skelbench.pages import labels
from skelbench.pages.charts import CARD, INK, WIDTH, figure, plain_ticks
from skelbench.pages.marks import Fill
from skelbench.pages.text import short

# Characters of a name in a chart.
_LONG = 30
# Points; the size of a label, and what a character of it takes at most on average in the fonts that pages are read in.
_LABEL, _CHARACTER = 9.5, 0.58
_MARKER = 8.0
# Of the ends of a logarithmic axis.
_NARROWEST = 1.44


@dataclass(frozen=True)
class Dot:
    """One variant of one run in an overview chart; accuracies in per cent."""

    name: str
    group: str
    color: str
    """Stand-in colour."""
    marker: str
    mean: float
    low: float
    high: float
    seeds: tuple[float, ...]
    fill: Fill = "full"
    """Which run it is of, where there are several."""

    @property
    def style(self) -> dict[str, Any]:
        """Of its marker, as matplotlib takes it."""
        return {
            "marker": self.marker,
            # The body of a star is small.
            "markersize": _MARKER * (1.4 if self.marker == "*" else 1),
            "color": self.color,
            "fillstyle": self.fill,
            "markerfacecoloralt": "none",
            "markeredgecolor": CARD if self.fill == "full" else self.color,
            "markeredgewidth": 0.6 if self.fill == "full" else 1.4,
        }


def accuracy(dots: Sequence[Dot], best_control: float | None) -> str:
    """Top-1 with its interval, a row per variant; a dashed line at the best control."""
    alt = "Top-1 by variant: " + "; ".join(
        f"{dot.name} {dot.mean:.1f} % ({dot.low:.1f} to {dot.high:.1f})" for dot in dots
    )
    with figure(alt, WIDTH, 0.7 + 0.34 * max(len(dots), 1)) as drawing:
        axes = drawing.figure.subplots()
        for row, dot in enumerate(reversed(dots)):
            axes.hlines(row, dot.low, dot.high, color=dot.color, linewidth=2.2)
            if len(dot.seeds) > 1:
                axes.plot(dot.seeds, [row] * len(dot.seeds), "|", color=dot.color, markersize=9, alpha=0.6)
            axes.plot(dot.mean, row, **dot.style)
            axes.text(1.01, row, f"{dot.mean:.1f}", transform=axes.get_yaxis_transform(), va="center")
        if best_control is not None:
            axes.axvline(best_control, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_yticks(range(len(dots)), [short(dot.name, _LONG) for dot in reversed(dots)])
        axes.set_ylim(-0.6, len(dots) - 0.4)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("top-1, %")
    return drawing.svg


def against(dots: Sequence[Dot], cost: Sequence[float | None], label: str, more_is_better: bool) -> str:
    """Top-1 against a cost on a logarithmic axis; the Pareto front is ringed and joined.

    Variants without the cost are left out. A name stands at its point wherever there is room for it.
    """
    known = [(dot, value) for dot, value in zip(dots, cost, strict=True) if value]
    alt = f"Top-1 against {label}: " + "; ".join(
        f"{dot.name} {dot.mean:.1f} % at {value:,.4g}" for dot, value in known
    )
    with figure(alt, WIDTH, 3.6) as drawing:
        axes = drawing.figure.subplots()
        front = pareto([(value if more_is_better else -value, dot.mean) for dot, value in known])
        ends = sorted((known[index][1], known[index][0].mean) for index in front)
        step = "steps-pre" if more_is_better else "steps-post"
        if ends:
            axes.plot(*zip(*ends, strict=True), color=INK, linewidth=1, alpha=0.55, drawstyle=step, zorder=1)
        for index, (dot, value) in enumerate(known):
            axes.vlines(value, dot.low, dot.high, color=dot.color, linewidth=1.2, alpha=0.5)
            if index in front:
                axes.plot(value, dot.mean, "o", markersize=13, fillstyle="none", color=INK, alpha=0.7)
            axes.plot(value, dot.mean, **dot.style)
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel("top-1, %")
        axes.margins(x=0.15, y=0.1)
        _widen(axes)
        plain_ticks(axes.xaxis)
        _label(drawing.figure, axes, known)
    return drawing.svg


def pareto(points: Sequence[tuple[float, float]]) -> set[int]:
    """Indices of the points than which none is at least as good in both coordinates and better in one."""
    return {
        index
        for index, (x, y) in enumerate(points)
        if not any(a >= x and b >= y and (a > x or b > y) for a, b in points)
    }


def _widen(axes: Axes) -> None:
    """At least a fifth about costs that hardly differ: no axis of eleven digits."""
    low, high = axes.get_xlim()
    if high / low < _NARROWEST:
        middle, half = math.sqrt(low * high), math.sqrt(_NARROWEST)
        axes.set_xlim(middle / half, middle * half)


def _label(chart: Figure, axes: Axes, dots: Sequence[tuple[Dot, float]]) -> None:
    """Write each name near its point at (cost, mean), with a line to it where it is not beside it."""
    # The margins are known after a first drawing; labels do not change them.
    chart.draw_without_rendering()
    pixel = 72 / chart.dpi
    points = [tuple(axes.transData.transform((cost, dot.mean)) * pixel) for dot, cost in dots]
    words = [short(dot.name, _LONG) for dot, _ in dots]
    sizes = [(_CHARACTER * _LABEL * len(word), 1.15 * _LABEL) for word in words]
    frame = axes.get_window_extent()
    within = (frame.x0 * pixel, frame.y0 * pixel, chart.get_figwidth() * 72, frame.y1 * pixel)
    places = labels.place(points, sizes, within, 0.75 * _MARKER)
    for (dot, _), word, point, found, (width, height) in zip(dots, words, points, places, sizes, strict=True):
        if found is None:
            continue
        near = tuple(
            min(max(end, middle - half), middle + half)
            for end, middle, half in zip(point, found, (width / 2, height / 2), strict=True)
        )
        # Drawn from the side of its point, so that a narrower font leaves no gap.
        left, right = found[0] - width / 4 > point[0], found[0] + width / 4 < point[0]
        edge = found[0] + (width / 2 if right else -width / 2 if left else 0.0)
        start, end, at = (
            axes.transData.inverted().transform((x / pixel, y / pixel))
            for x, y in (point, near, (edge, found[1]))
        )
        if math.dist(point, near) > 1.3 * _MARKER:
            line: dict[str, Any] = {"color": dot.color, "linewidth": 0.7, "alpha": 0.8, "zorder": 1.5}
            axes.plot(*zip(start, end, strict=True), scalex=False, scaley=False, **line)
        side = "right" if right else "left" if left else "center"
        axes.text(at[0], at[1], word, size=_LABEL, ha=side, va="center", gid="halo", zorder=4).set_in_layout(
            False
        )
