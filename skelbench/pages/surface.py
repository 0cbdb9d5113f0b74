"""Charts of a study: validation accuracy over one hyper-parameter, or over two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.tri import Triangulation

from skelbench.pages.charts import CARD, INK, figure, plain_ticks, series
from skelbench.runs.numbers import significant

# Fewer trials do not span a surface.
SURFACE_TRIALS = 10
# Readable on light and on dark pages: neither end is near black or white. It differs in lightness throughout.
_COLORMAP = "viridis"


def surface(x: Sequence[float], y: Sequence[float], value: Sequence[float], labels: tuple[str, str]) -> str:
    """Trials in the plane of two hyper-parameters, shaded by accuracy (per cent), interpolated; the best is ringed."""
    best, low, high = int(np.argmax(value)), min(value), max(value)
    alt = (
        f"{len(value)} trials by {labels[0]} and {labels[1]}: validation top-1 from {low:.1f} to {high:.1f} %, best at "
        f"{labels[0]} {significant(x[best])} and {labels[1]} {significant(y[best])}"
    )
    with figure(alt, 4.3, 3.3) as drawing:
        axes = drawing.figure.subplots()
        triangles = _triangles(x, y) if len(value) >= SURFACE_TRIALS and high > low else None
        if triangles is not None:
            axes.tricontourf(
                Triangulation(x, y, triangles),
                value,
                levels=np.linspace(low, high, 9),
                cmap=_COLORMAP,
                alpha=0.35,
            )
        shown = axes.scatter(x, y, c=value, cmap=_COLORMAP, s=42, linewidths=0.8, edgecolors=INK)
        _ring(axes, x[best], y[best])
        bar = drawing.figure.colorbar(shown, ax=axes, pad=0.02, label="validation top-1, %")
        bar.outline.set_edgecolor(INK)
        axes.set(xscale="log", yscale="log", xlabel=labels[0], ylabel=labels[1])
        # No point on the edge is cut.
        axes.use_sticky_edges = False
        axes.margins(0.07)
        plain_ticks(axes.xaxis)
        plain_ticks(axes.yaxis)
    return drawing.svg


def slice_of(
    x: Sequence[float], value: Sequence[float], intervals: Sequence[tuple[float, float]], label: str
) -> str:
    """Accuracy (per cent) of trials over one hyper-parameter, with its interval; the best is ringed."""
    best = int(np.argmax(value))
    alt = (
        f"{len(value)} trials by {label}: validation top-1 from {min(value):.1f} to {max(value):.1f} %, "
        f"best at {label} {significant(x[best])}"
    )
    with figure(alt, 4.3, 3.1) as drawing:
        axes = drawing.figure.subplots()
        axes.vlines(x, *zip(*intervals, strict=True), color=series(0), linewidth=1.2, alpha=0.5)
        axes.plot(x, value, "o", color=series(0), markeredgecolor=CARD, markeredgewidth=0.6)
        _ring(axes, x[best], value[best])
        axes.set(xscale="log", xlabel=label, ylabel="validation top-1, %")
        plain_ticks(axes.xaxis)
    return drawing.svg


def _ring(axes: Axes, x: float, y: float) -> None:
    axes.plot(x, y, "o", markersize=12, fillstyle="none", markeredgecolor=INK, markeredgewidth=1.5)


def _triangles(x: Sequence[float], y: Sequence[float]) -> np.ndarray | None:
    """Neighbours on the axes as they are drawn; None where all lie on a line."""
    try:
        return Triangulation(np.log(x), np.log(y)).triangles
    except (RuntimeError, ValueError):
        return None
