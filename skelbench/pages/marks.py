"""The marks of a legend: what a chart draws, from the same outlines."""

from __future__ import annotations

from typing import Literal

from markupsafe import Markup
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.transforms import Transform

Fill = Literal["full", "none", "left", "top", "right", "bottom"]
FILLS: tuple[Fill, ...] = ("full", "none", "left", "top", "right", "bottom")
"""One for each run of a comparison; more runs begin again."""

_LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}


def mark(marker: str, color: str, fill: Fill = "full") -> Markup:
    """A marker of matplotlib as a small SVG, which stands before the words that name it.

    Args:
        marker: as matplotlib names it.
        color: as CSS takes it.
        fill: which part is filled; the rest is outlined.
    """
    style = MarkerStyle(marker, fillstyle=fill)
    outline = MarkerStyle(marker)
    inner = "" if fill == "none" else f'<path d="{_outline(style.get_path(), style.get_transform())}"/>'
    edge = f'<path d="{_outline(outline.get_path(), outline.get_transform())}" fill="none"/>'
    look = f"fill:{color};stroke:{color};stroke-width:.14"
    # The markup is ours; the colour is one of our CSS variables.
    return Markup(
        f'<svg class="mark" viewBox="-0.8 -0.8 1.6 1.6" aria-hidden="true" style="{look}">{inner}{edge}</svg>'
    )


def _outline(path: Path, transform: Transform) -> str:
    """The path as SVG writes it, y downwards, one marker's size wide."""
    words = []
    for points, code in transform.transform_path(path).iter_segments(curves=True):
        numbers = " ".join(f"{value:.3g}" for value in points * ([1, -1] * (len(points) // 2)))
        words.append("Z" if code == Path.CLOSEPOLY else f"{_LETTERS[code]}{numbers}")
    return "".join(words)
