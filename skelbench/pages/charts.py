"""Charts as inline SVG, drawn by matplotlib and coloured by the page's own style sheet.

matplotlib writes fixed colours; a page has light and dark ones. So charts are drawn in stand-in colours, which are
then replaced by CSS variables: `--ink`, `--faint`, `--paper`, and `--s0` ... for the series.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.tri import Triangulation
from numpy.typing import ArrayLike

INK, FAINT, PAPER = "#010101", "#020202", "#030303"
# Colours; more variants begin again.
SERIES = 10
MARKERS = {"supervised": "o", "self-supervised": "s", "control": "X"}
# Of a training curve.
POINTS = 200
# Fewer trials do not span a surface.
SURFACE_TRIALS = 10

_STYLE = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
}


@dataclass(frozen=True)
class Dot:
    """One variant in an overview chart; accuracies in per cent."""

    name: str
    group: str
    color: str
    mean: float
    low: float
    high: float
    seeds: tuple[float, ...]


@dataclass(frozen=True)
class Line:
    """One curve, over the seeds of a variant."""

    epochs: ArrayLike
    values: Sequence[Sequence[float]]
    """One per seed, all of the length of `epochs`."""


def series(index: int) -> str:
    """Stand-in colour of series `index`."""
    return f"#04{index % SERIES:02x}04"


def css(stand_in: str) -> str:
    """The CSS variable behind a series' stand-in colour."""
    return f"var(--s{int(stand_in[3:5], 16)})"


def accuracy(dots: Sequence[Dot], best_control: float | None) -> str:
    """Top-1 with its interval, a row per variant; a dashed line at the best control."""
    with _figure("accuracy", 5.4, 0.7 + 0.34 * len(dots)) as (figure, out):
        axes = figure.subplots()
        for row, dot in enumerate(reversed(dots)):
            axes.hlines(row, dot.low, dot.high, color=dot.color, linewidth=2.2)
            axes.plot(dot.seeds, [row] * len(dot.seeds), "|", color=dot.color, markersize=9, alpha=0.6)
            axes.plot(dot.mean, row, MARKERS[dot.group], color=dot.color, markersize=6.5)
            axes.text(1.01, row, f"{dot.mean:.1f}", transform=axes.get_yaxis_transform(), va="center", size=9)
        if best_control is not None:
            axes.axvline(best_control, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_yticks(range(len(dots)), [dot.name for dot in reversed(dots)])
        axes.set_ylim(-0.6, len(dots) - 0.4)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("top-1, %")
    return out.getvalue()


def against(
    dots: Sequence[Dot], cost: Sequence[float | None], label: str, more_is_better: bool, salt: str
) -> str:
    """Top-1 against a cost on a logarithmic axis; the Pareto front is the line.

    Variants without the cost are left out.
    """
    known = [(dot, value) for dot, value in zip(dots, cost, strict=True) if value]
    with _figure(salt, 4.3, 3.1) as (figure, out):
        axes = figure.subplots()
        front = pareto([(value if more_is_better else -value, dot.mean) for dot, value in known])
        ends = sorted((known[index][1], known[index][0].mean) for index in front)
        step = "steps-pre" if more_is_better else "steps-post"
        if ends:
            axes.plot(*zip(*ends, strict=True), color=INK, linewidth=1, alpha=0.55, drawstyle=step, zorder=1)
        for index, (dot, value) in enumerate(known):
            edge = (
                {"markeredgecolor": INK, "markeredgewidth": 1.4} if index in front else {"markeredgewidth": 0}
            )
            axes.vlines(value, dot.low, dot.high, color=dot.color, linewidth=1.2, alpha=0.6)
            axes.plot(
                value,
                dot.mean,
                MARKERS[dot.group],
                color=dot.color,
                markersize=8,
                gid=f"dot {dot.name}",
                **edge,
            )
        axes.set_xscale("log")
        _plain_ticks(axes)
        axes.set_xlabel(label)
        axes.set_ylabel("top-1, %")
        axes.margins(x=0.12)
    return out.getvalue()


def curve(title: str, line: Line, color: str, salt: str) -> str:
    """One quantity over the epochs; seeds thin, their mean thick."""
    with _figure(salt, 3.4, 1.9, tight=False) as (figure, out):
        axes = figure.subplots(gridspec_kw={"left": 0.2, "right": 0.98, "top": 0.88, "bottom": 0.2})
        epochs = np.asarray(line.epochs)
        keep = np.unique(np.linspace(0, len(epochs) - 1, min(POINTS, len(epochs))).round().astype(int))
        values = np.asarray(line.values, dtype=float)[:, keep]
        if len(values) > 1:
            axes.plot(epochs[keep], values.T, color=color, linewidth=0.6, alpha=0.45)
        axes.plot(epochs[keep], values.mean(0), color=color, linewidth=1.7)
        axes.set_title(title, size=10, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.tick_params(labelsize=8.5)
        axes.set_xlabel("epoch", size=9)
    return out.getvalue()


def surface(
    x: Sequence[float], y: Sequence[float], value: Sequence[float], labels: tuple[str, str], salt: str
) -> str:
    """Trials in the plane of two hyper-parameters, shaded by accuracy (per cent), interpolated; the best is ringed."""
    with _figure(salt, 4.3, 3.3) as (figure, out):
        axes = figure.subplots()
        best = int(np.argmax(value))
        low, high = min(value), max(value)
        if len(value) >= SURFACE_TRIALS and high > low:
            # Neighbours on the axes as they are drawn.
            between = Triangulation(np.log(x), np.log(y)).triangles
            axes.tricontourf(
                Triangulation(x, y, between),
                value,
                levels=np.linspace(low, high, 9),
                cmap="viridis",
                alpha=0.35,
            )
        shown = axes.scatter(x, y, c=value, cmap="viridis", s=42, linewidths=0)
        axes.plot(
            x[best], y[best], "o", markersize=12, fillstyle="none", markeredgecolor=INK, markeredgewidth=1.5
        )
        figure.colorbar(shown, ax=axes, pad=0.02, label="validation top-1, %")
        axes.set(xscale="log", yscale="log", xlabel=labels[0], ylabel=labels[1])
    return out.getvalue()


def slice_of(x: Sequence[float], value: Sequence[float], label: str) -> str:
    """Accuracy (per cent) of trials over one hyper-parameter."""
    with _figure(f"slice {label}", 4.3, 3.1) as (figure, out):
        axes = figure.subplots()
        axes.plot(x, value, "o", color=series(0))
        axes.set(xscale="log", xlabel=label, ylabel="validation top-1, %")
    return out.getvalue()


def probabilities(frames: Sequence[int], percent: ArrayLike) -> str:
    """Class probabilities (classes, frames) over the frames seen, a series per class."""
    with _figure("probabilities", 6.0, 2.8) as (figure, out):
        axes = figure.subplots()
        for index, values in enumerate(np.asarray(percent)):
            axes.plot(frames, values, color=series(index), linewidth=1.8)
        axes.set_ylim(-2, 102)
        axes.set_xlabel("frames seen")
        axes.set_ylabel("probability, %")
    return out.getvalue()


def pareto(points: Sequence[tuple[float, float]]) -> set[int]:
    """Indices of the points than which none is at least as good in both coordinates and better in one."""
    return {
        index
        for index, (x, y) in enumerate(points)
        if not any(a >= x and b >= y and (a > x or b > y) for a, b in points)
    }


@contextmanager
def _figure(
    salt: str, width: float, height: float, tight: bool = True
) -> Iterator[tuple[Figure, io.StringIO]]:
    """A figure (inches), and a buffer that holds its SVG afterwards. Equal input gives equal bytes."""
    out = io.StringIO()
    with rc_context({**_STYLE, "svg.hashsalt": salt}):  # type: ignore[dict-item]
        figure = Figure(figsize=(width, height), layout="constrained" if tight else None)
        yield figure, out
        raw = io.StringIO()
        figure.savefig(
            raw, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    out.write(_themed(raw.getvalue()))


def _themed(svg: str) -> str:
    """Only the drawing, in CSS variables, with the page's font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    for stand_in, name in ((INK, "ink"), (FAINT, "faint"), (PAPER, "paper")):
        svg = svg.replace(stand_in, f"var(--{name})")
    svg = re.sub(r"#04([0-9a-f]{2})04", lambda found: f"var(--s{int(found[1], 16)})", svg)
    svg = re.sub(r"font: (?:\w+ )?([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r'<g id="dot ([^"]*)">', r"<g><title>\1</title>", svg)
    # 0.01 points is enough.
    svg = re.sub(r' d="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), svg)
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'class="chart"', svg, count=1).replace("\n", " ")


def _plain_ticks(axes: Axes) -> None:
    """Plain numbers instead of powers, and few of them, on a logarithmic axis."""
    low, high = axes.get_xlim()
    wide, narrow = high / low > 30, high / low < 6
    axes.xaxis.set_major_locator(
        MaxNLocator(4) if narrow else LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0))
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
