"""A clip as a moving stick figure: a page, or a GIF."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from skelbench.pages import base, charts
from skelbench.runs.files import replacing
from skelbench.runs.samples import Figure

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
    edges: Sequence[tuple[int, int]]
    """Bones: child, parent."""
    figures: list[tuple[str, Figure]]
    """Title and figure."""
    said: Said | None


def render(shown: Shown) -> str:
    """The page as text."""
    chart, legend, last, said = None, [], "", shown.said
    if said is not None:
        chart = charts.probabilities(said.frames, 100 * said.probability[:, said.top].T)
        legend = [(said.class_names[c], charts.css(charts.series(place))) for place, c in enumerate(said.top)]
        last = said.class_names[said.top[0]]
    return base.render(
        "view.html.j2",
        title=shown.name,
        synthetic=shown.synthetic,
        facts=shown.facts,
        figures=[title for title, _ in shown.figures],
        chart=chart,
        legend=legend,
        said=last,
        who=said.who if said else "",
        data=base.embed({"edges": shown.edges, "figures": [asdict(figure) for _, figure in shown.figures]}),
    )


def gif(shown: Shown, path: Path) -> None:
    """The figures side by side as an animation; with a prediction, the leading class under each frame.

    Raises:
        FileError: the file cannot be written.
    """
    figures, said = shown.figures, shown.said
    font = ImageFont.load_default(size=13)
    decoded = [_decode(figure) for _, figure in figures]
    count = figures[0][1].shown
    seen = np.linspace(1, figures[0][1].frames, count)
    images = []
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
            row = int(np.searchsorted(said.frames, round(seen[frame]), side="right")) - 1
            best = int(said.probability[row].argmax())
            note += f"   {said.class_names[best]} {100 * said.probability[row, best]:.0f} %"
        pen.text((8, SIDE + 24), note, fill="black", font=font)
        images.append(image)
    with replacing(path) as partial:
        images[0].save(partial, "GIF", save_all=True, append_images=images[1:], duration=66, loop=0)


def _decode(figure: Figure) -> NDArray[np.float64]:
    """Pixels (shown, bodies, joints, 2) within a square of SIDE."""
    raw = np.frombuffer(base64.b64decode(figure.data), dtype=np.uint8).astype(float) - 127.5
    joints = raw.reshape(figure.shown, figure.bodies, figure.joints, 3)
    across = joints[..., 0] * np.cos(TURN) + joints[..., 2] * np.sin(TURN)
    scale = SIDE / 310
    return np.stack([SIDE / 2 + across * scale, SIDE / 2 - joints[..., 1] * scale], axis=-1)
