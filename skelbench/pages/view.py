"""A clip as a moving stick figure: a page, or a GIF."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from skelbench.pages import base, charts
from skelbench.pages.marks import mark
from skelbench.pages.text import clean
from skelbench.runs.files import replacing
from skelbench.runs.samples import USUAL_RATE, Figure

# Radians about the upright axis, for a picture that cannot be turned.
TURN = 0.35
# Pixels of a figure in a GIF.
SIDE = 260


@dataclass(frozen=True, eq=False)
class Said:
    """What a model says of the clip's first frames, as they grow."""

    who: str
    """The model, in words."""
    frames: list[int]
    """(k,) frames seen."""
    probability: NDArray[np.float64]
    """(k, classes)."""
    class_names: tuple[str, ...]
    top: list[int]
    """The classes to draw, the last leader first."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A clip, its augmented views and what is known of it."""

    name: str
    synthetic: bool
    facts: list[tuple[str, str]]
    truth: str
    """Name of the clip's class."""
    edges: Sequence[tuple[int, int]]
    """Bones: child, parent."""
    figures: list[tuple[str, Figure]]
    """Title and figure."""
    said: Said | None


def render(shown: Shown) -> str:
    """The page as text."""
    said, first = shown.said, shown.figures[0][1]
    return base.render(
        "view.html.j2",
        title=shown.name,
        synthetic=shown.synthetic,
        facts=shown.facts,
        figures=[title for title, _ in shown.figures],
        rate=_rate(first),
        **_prediction(shown, said) if said is not None else {"chart": None},
        data=base.embed(
            {
                "edges": shown.edges,
                "figures": [asdict(figure) for _, figure in shown.figures],
                "said": _moments(shown, said) if said is not None else [],
            }
        ),
    )


def _rate(figure: Figure) -> str:
    if figure.fps is None:
        return f"Unknown rate, shown at {USUAL_RATE} frames a second: the data do not say how fast they were recorded."
    return f"Played at the {figure.fps:.4g} frames a second at which it was recorded."


def _prediction(shown: Shown, said: Said) -> dict[str, Any]:
    """What a model says of the whole clip, and a chart of the way there; the true class is always drawn."""
    truth = said.class_names.index(shown.truth) if shown.truth in said.class_names else None
    drawn = [*said.top, *([truth] if truth is not None and truth not in said.top else [])]
    names = [said.class_names[place] for place in drawn]
    best = int(said.probability[-1].argmax())
    return {
        "chart": charts.probabilities(said.frames, 100 * said.probability[:, drawn].T, names),
        "marks": [
            (mark("s", charts.css(charts.series(place))), name + " (the true class)" * (name == shown.truth))
            for place, name in enumerate(names)
        ],
        "truth": shown.truth,
        "said": said.class_names[best],
        "probability": f"{100 * said.probability[-1, best]:.0f} %",
        "right": said.class_names[best] == shown.truth,
        "who": said.who,
    }


def _moments(shown: Shown, said: Said) -> list[dict[str, Any]]:
    """The leading class at every frame that is shown."""
    figure = shown.figures[0][1]
    found = []
    for row in _rows(figure, said):
        best = int(said.probability[row].argmax())
        name = said.class_names[best]
        percent = round(100 * float(said.probability[row, best]))
        found.append({"name": clean(name), "percent": percent, "right": name == shown.truth})
    return found


def _rows(figure: Figure, said: Said) -> list[int]:
    """For every frame of a figure, the last prediction that had seen no more."""
    seen = np.linspace(1, figure.frames, figure.shown).round()
    return [max(0, int(row) - 1) for row in np.searchsorted(said.frames, seen, side="right")]


def gif(shown: Shown, path: Path) -> None:
    """The figures side by side as an animation; with a prediction, the leading class under each frame.

    Raises:
        FileError: the file cannot be written.
    """
    figures, said = shown.figures, shown.said
    font = ImageFont.load_default(size=13)
    decoded = [_decode(figure) for _, figure in figures]
    count = figures[0][1].shown
    rows = _rows(figures[0][1], said) if said is not None else []
    images = []
    # A GIF counts hundredths of a second.
    seconds = figures[0][1].frames / (figures[0][1].fps or USUAL_RATE) / count
    for frame in range(count):
        image = Image.new("RGB", (SIDE * len(figures), SIDE + 44), "white")
        pen = ImageDraw.Draw(image)
        for place, (title, figure) in enumerate(figures):
            pen.text((place * SIDE + 8, 6), title, fill="#555", font=font)
            for body in range(figure.bodies):
                if [frame, body] in figure.absent:
                    continue
                at = [(place * SIDE + x, y + 22) for x, y in decoded[place][frame, body].tolist()]
                for child, parent in shown.edges:
                    pen.line([at[child], at[parent]], fill=("#2563c9", "#d9541e")[body % 2], width=3)
        note = f"{'SYNTHETIC  ' if shown.synthetic else ''}{shown.name}"
        if said is not None:
            best = int(said.probability[rows[frame]].argmax())
            verdict = "right" if said.class_names[best] == shown.truth else "wrong"
            note += (
                f"   {said.class_names[best]} {100 * said.probability[rows[frame], best]:.0f} %, {verdict}"
            )
        pen.text((8, SIDE + 24), clean(note), fill="black", font=font)
        images.append(image)
    with replacing(path) as partial:
        images[0].save(
            partial,
            "GIF",
            save_all=True,
            append_images=images[1:],
            duration=max(20, round(100 * seconds) * 10),
            loop=0,
        )


def _decode(figure: Figure) -> NDArray[np.float64]:
    """Pixels (shown, bodies, joints, 2) within a square of SIDE."""
    raw = np.frombuffer(base64.b64decode(figure.data), dtype=np.uint8).astype(float) - 127.5
    joints = raw.reshape(figure.shown, figure.bodies, figure.joints, 3)
    across = joints[..., 0] * np.cos(TURN) + joints[..., 2] * np.sin(TURN)
    scale = SIDE / 310
    return np.stack([SIDE / 2 + across * scale, SIDE / 2 - joints[..., 1] * scale], axis=-1)
