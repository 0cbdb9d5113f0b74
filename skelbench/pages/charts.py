"""Charts as inline SVG, drawn by matplotlib and coloured by the page's own style sheet.

matplotlib writes fixed colours; a page has light and dark ones. So charts are drawn in stand-in colours, which are
then replaced by CSS variables: `--ink`, `--faint`, `--card`, and `--s0` ... for the series, in the order of
`skelbench.runs.looks.COLORS`. Text is drawn as it is: a `$` in a name begins no formula.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from markupsafe import escape
from matplotlib import rc_context
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from skelbench.pages.text import clean
from skelbench.runs.looks import COLORS

INK, FAINT, CARD = "#010101", "#020202", "#030303"
WIDTH = 4.6
"""Inches of a chart across the page: on a phone, 400 pixels wide, its text is then no smaller than 10 pixels."""
# Of a training curve.
POINTS = 200

_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
}


@dataclass
class Drawing:
    """A figure to draw on; `svg` holds it when its `with` block has ended."""

    figure: Figure
    svg: str = ""


@dataclass(frozen=True)
class Line:
    """One curve, over the seeds of a variant."""

    epochs: ArrayLike
    values: Sequence[Sequence[float]]
    """One per seed, all of the length of `epochs`."""


def series(index: int) -> str:
    """Stand-in colour of series `index`; more than there are begin again."""
    return f"#04{index % len(COLORS):02x}04"


def css(stand_in: str) -> str:
    """The CSS variable behind a series' stand-in colour."""
    return f"var(--s{int(stand_in[3:5], 16)})"


def curve(title: str, line: Line, color: str, who: str) -> str:
    """One quantity over the epochs; seeds thin, their mean thick.

    Args:
        title: the quantity.
        line: its values.
        color: stand-in colour.
        who: the variant, for the text alternative.
    """
    epochs, values = np.asarray(line.epochs), np.asarray(line.values, dtype=float)
    mean = values.mean(0)
    alt = f"{who}, {title}: {mean[0]:.4g} at epoch {epochs[0]}, {mean[-1]:.4g} at epoch {epochs[-1]}"
    with figure(alt, 3.4, 1.9, tight=False) as drawing:
        axes = drawing.figure.subplots(gridspec_kw={"left": 0.2, "right": 0.98, "top": 0.88, "bottom": 0.25})
        keep = np.unique(np.linspace(0, len(epochs) - 1, min(POINTS, len(epochs))).round().astype(int))
        # A line of one point is not seen.
        marker = "o" if len(keep) == 1 else None
        if len(values) > 1:
            axes.plot(epochs[keep], values[:, keep].T, marker=marker, color=color, linewidth=0.6, alpha=0.45)
        axes.plot(epochs[keep], mean[keep], marker=marker, color=color, linewidth=1.7)
        axes.set_title(title, size=10, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.tick_params(labelsize=8.5)
        axes.set_xlabel("epoch", size=9)
    return drawing.svg


def probabilities(frames: Sequence[int], percent: ArrayLike, names: Sequence[str]) -> str:
    """Class probabilities (classes, frames) over the frames seen, a series and a dash per class."""
    shares = np.asarray(percent)
    ends = (f"{name} {values[-1]:.0f} %" for name, values in zip(names, shares, strict=True))
    alt = f"Probability over the frames seen. After {frames[-1]}: {', '.join(ends)}"
    with figure(alt, WIDTH, 2.8) as drawing:
        axes = drawing.figure.subplots()
        for index, values in enumerate(shares):
            marker = "o" if len(frames) == 1 else None
            axes.plot(frames, values, marker=marker, color=series(index), linewidth=1.8)
        axes.set_ylim(-2, 102)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("frames seen")
        axes.set_ylabel("probability, %")
    return drawing.svg


@contextmanager
def figure(alt: str, width: float, height: float, tight: bool = True) -> Iterator[Drawing]:
    """A figure of width and height in inches. Equal input gives equal bytes.

    Args:
        alt: what it shows, in words, for readers who do not see it.
        width: inches.
        height: inches.
        tight: let matplotlib find the margins.
    """
    # The salt makes the references within one SVG differ from those of the others on the page.
    with rc_context({**_STYLE, "svg.hashsalt": f"{alt} {width} {height}"}):  # type: ignore[dict-item]
        drawing = Drawing(Figure(figsize=(width, height), layout="constrained" if tight else None))
        yield drawing
        raw = io.StringIO()
        drawing.figure.savefig(
            raw, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    drawing.svg = _themed(raw.getvalue(), alt)


def plain_ticks(axis: Axis) -> None:
    """Plain numbers instead of powers, and few of them, on a logarithmic axis."""
    low, high = axis.get_view_interval()
    wide, narrow = high / low > 30, high / low < 6
    axis.set_major_locator(MaxNLocator(4) if narrow else LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def _themed(svg: str, alt: str) -> str:
    """Only the drawing, in CSS variables, with the page's font and a text alternative."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    for stand_in, name in ((INK, "ink"), (FAINT, "faint"), (CARD, "card")):
        svg = svg.replace(f": {stand_in}", f": var(--{name})")
    svg = re.sub(r": #04([0-9a-f]{2})04", lambda found: f": var(--s{int(found[1], 16)})", svg)
    svg = re.sub(r"font: (?:\w+ )?([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    # A label over a line, see style.css.
    svg = svg.replace('<g id="halo"', '<g class="halo"')
    # Groups are named alike in every chart, and nothing refers to them.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    # 0.01 points is enough.
    svg = re.sub(r' d="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), svg)
    shown = f'class="chart" role="img" aria-label="{escape(clean(alt))}"'
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', lambda _: shown, svg, count=1).replace("\n", " ")
