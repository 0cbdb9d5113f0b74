"""`python -m skelbench.view CLIP`: a clip as a moving stick figure, with what augmentation and a model make of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from skelbench.data import Clips
    from skelbench.eval.exhibits import Figure
    from skelbench.training.weights import Encoder

TURN = 0.35  #: radians about the upright axis, for a picture that cannot be turned
SIDE = 260  #: pixels of a figure in a GIF


@dataclass(frozen=True)
class View:
    """Show one clip of any format that skelbench reads, beside its two augmented views.

    With --run, also what that model would say of the clip's first frames, as they grow: its prediction over time.
    Examples:

      python -m skelbench.view nw_ucla.npz:17
      python -m skelbench.view NTU60_CV.npz:S001C001P001R001A010 --out clap.gif
      python -m skelbench.view nw_ucla.npz:17 --run runs/one --variant conmlp-supcon
      python -m skelbench.view synthetic:0
    """

    clip: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE[:CLIP]")]
    """A file or folder of clips, and the clip's name or its number from 0 (default 0); `synthetic` is the corpus."""
    out: Path | None = None
    """A .html (can be turned) or a .gif. Default: the clip's name with .html."""
    run: Path | None = None
    """Output folder of skelbench.eval, for the prediction over time."""
    variant: str = "conmlp-supcon"
    """Which of the run's variants."""
    frames: int = 60
    """At most so many frames are shown, spread evenly."""
    seed: int = 0
    """Of the augmentation's draws."""


class ViewError(ValueError):
    """A clip that cannot be shown; one line."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Class probabilities after the first so many frames."""

    frames: list[int]  #: (k,) frames seen
    probability: NDArray[np.float64]  #: (k, classes)
    class_names: tuple[str, ...]

    @property
    def top(self) -> list[int]:
        """The classes that ever lead, and the last runners-up: at most five, the last leader first."""
        last = [int(index) for index in (-self.probability[-1]).argsort()[:3]]
        leaders = [int(index) for index in self.probability.argmax(1)]
        return list(dict.fromkeys(last + sorted(set(leaders), key=leaders.count, reverse=True)))[:5]


def find(word: str) -> tuple[Clips, int]:
    """The clips that `FILE[:CLIP]` is of, and the clip's index.

    Raises:
        ViewError: no such clip; DataError: a file that cannot be read.
    """
    import numpy as np

    from skelbench import data as clip_data

    path, clip = word, "0"
    if not Path(word).exists() and ":" in word:
        path, _, clip = word.rpartition(":")
    clips = clip_data.load(None if path == "synthetic" else path)
    named = np.flatnonzero(clips.names == clip)
    if len(named):
        return clips, int(named[0])
    if clip.isdigit() and int(clip) < len(clips):
        return clips, int(clip)
    raise ViewError(
        f"{path} has no clip {clip!r}: it has {len(clips)} (0 to {len(clips) - 1}), the first is {clips.names[0]}"
    )


def augmented(clips: Clips, index: int, seed: int) -> list[NDArray[np.float32]]:
    """Both views of a clip, (T, m, J, 3) each, as training sees them."""
    import torch

    from skelbench.ops.augment import augment, draw
    from skelbench.training.dataset import PackedDataset

    data = PackedDataset(clips, torch.device("cpu"))
    shear, reverse = draw(1, torch.Generator().manual_seed(seed))
    views = augment(
        data.joints, data.offsets, data.frames, data.bodies, torch.tensor([index]), shear,
        torch.ones_like(reverse), data.shape.length, data.shape.max_bodies,
    )  # fmt: skip
    bodies = int(clips.bodies[index])
    rows = int(clips.frames[index]) * bodies
    return [
        views.joints[int(begin) : int(begin) + rows].reshape(-1, bodies, *clips.joints.shape[1:]).numpy()
        for begin in views.offsets[:2]
    ]


def prefixes(clips: Clips, index: int, ends: list[int]) -> Clips:
    """A dataset whose clips are the first `ends[k]` frames of clip `index`."""
    import numpy as np

    one = clips.select(np.array([index]))
    bodies, count = int(one.bodies[0]), len(ends)
    rows = np.array(ends) * bodies
    repeated: dict[str, Any] = {
        name: np.repeat(getattr(one, name), count)
        for name in ("bodies", "label", "subject", "camera", "setup", "replication")
    }
    return replace(
        one,
        joints=np.concatenate([one.joints[:end] for end in rows]),
        offsets=np.concatenate([[0], np.cumsum(rows)]).astype(np.int64),
        names=np.array([f"{one.names[0]} to {end}" for end in ends]),
        splits={},
        **repeated,
    )


def predict(encoder: Encoder, clips: Clips, index: int, most: int = 60) -> Prediction:
    """What the model says of the clip's first frames, as they grow."""
    import numpy as np
    import scipy.special

    total = int(clips.frames[index])
    ends = sorted(set(np.linspace(1, total, min(most, total)).round().astype(int).tolist()))
    logits = encoder.classify(prefixes(clips, index, ends)).astype(np.float64)
    return Prediction(ends, scipy.special.softmax(logits, axis=1), encoder.class_names)


def page(
    clips: Clips, index: int, figures: list[tuple[str, Figure]], prediction: Prediction | None, who: str
) -> str:
    """The page as text."""
    from dataclasses import asdict

    import skelbench
    from skelbench.eval import charts, html

    chart, legend, said = None, [], ""
    if prediction is not None:
        top = prediction.top
        chart = charts.probabilities(prediction.frames, 100 * prediction.probability[:, top].T)
        legend = [(prediction.class_names[c], html.css(charts.series(at))) for at, c in enumerate(top)]
        said = prediction.class_names[top[0]]
    return html.environment().get_template("view.html.j2").render(
        version=skelbench.__version__,
        title=str(clips.names[index]),
        synthetic=clips.synthetic,
        facts=_facts(clips, index),
        figures=[title for title, _ in figures],
        chart=chart,
        legend=legend,
        said=said,
        who=who,
        data=html.embed({"edges": clips.skeleton.edges, "figures": [asdict(figure) for _, figure in figures]}),
    )  # fmt: skip


def _facts(clips: Clips, index: int) -> list[tuple[str, str]]:
    known = {name: int(getattr(clips, name)[index]) for name in ("subject", "camera", "setup", "replication")}
    return [
        ("Dataset", clips.dataset),
        ("Class", clips.class_names[int(clips.label[index])]),
        ("Frames", str(int(clips.frames[index]))),
        ("Bodies", str(int(clips.bodies[index]))),
        *((name.capitalize(), str(value)) for name, value in known.items() if value),
    ]


def gif(clips: Clips, figures: list[tuple[str, Figure]], prediction: Prediction | None, path: Path) -> None:
    """The figures side by side as an animation; with a prediction, the leading class under each frame."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=13)
    decoded = [_decode(figure) for _, figure in figures]
    shown = figures[0][1].shown
    seen = np.linspace(1, figures[0][1].frames, shown)
    images = []
    for frame in range(shown):
        image = Image.new("RGB", (SIDE * len(figures), SIDE + 44), "white")
        pen = ImageDraw.Draw(image)
        for place, (title, figure) in enumerate(figures):
            pen.text((place * SIDE + 8, 6), title, fill="#555", font=font)
            for body in range(figure.bodies):
                if [frame, body] in figure.absent:
                    continue
                at = [(place * SIDE + x, y + 22) for x, y in decoded[place][frame, body].tolist()]
                for child, parent in clips.skeleton.edges:
                    pen.line([at[child], at[parent]], fill=("#2563c9", "#d9541e")[body % 2], width=3)
        note = f"{'SYNTHETIC  ' if clips.synthetic else ''}{figures[0][1].name}"
        if prediction is not None:
            row = int(np.searchsorted(prediction.frames, round(seen[frame]), side="right")) - 1
            best = int(prediction.probability[row].argmax())
            note += f"   {prediction.class_names[best]} {100 * prediction.probability[row, best]:.0f} %"
        pen.text((8, SIDE + 24), note, fill="black", font=font)
        images.append(image)
    images[0].save(path, save_all=True, append_images=images[1:], duration=66, loop=0)


def _decode(figure: Figure) -> NDArray[np.float64]:
    """Pixels (shown, bodies, joints, 2) within a square of SIDE."""
    import base64

    import numpy as np

    raw = np.frombuffer(base64.b64decode(figure.data), dtype=np.uint8).astype(float) - 127.5
    joints = raw.reshape(figure.shown, figure.bodies, figure.joints, 3)
    across = joints[..., 0] * np.cos(TURN) + joints[..., 2] * np.sin(TURN)
    scale = SIDE / 310
    return np.stack([SIDE / 2 + across * scale, SIDE / 2 - joints[..., 1] * scale], axis=-1)


def view(options: View) -> Path:
    """Write the animation; returns where.

    Raises:
        ViewError, DataError, ValueError: one line that says what is wrong.
    """
    import numpy as np

    import skelbench
    from skelbench import data as clip_data
    from skelbench.eval import exhibits, html

    clips, index = find(options.clip)
    out = options.out or Path(f"{clips.names[index]}.html".replace("/", "-"))
    if out.suffix not in (".html", ".gif"):
        raise ViewError(f"--out {out}: name a .html or a .gif")
    if options.frames < 1:
        raise ViewError(f"--frames is {options.frames}, it must be above 0")
    clips = clips.select(np.array([index]))
    name, prediction, who, align = str(clips.names[0]), None, "", "none"
    if options.run is not None:
        encoder = skelbench.load(options.run, options.variant)
        prediction = predict(encoder, clips, 0)
        who, align = (
            f"{options.variant} of {options.run.resolve().name}, seed {encoder.built.seed}",
            encoder.built.align,
        )
    clips = clip_data.preprocess(clips, align=align)  # augmentation turns about the origin that training sees
    moving: list[tuple[str, Any]] = [("the clip", clips.clip(0))]
    moving += zip(("view 1: sheared", "view 2: reversed"), augmented(clips, 0, options.seed), strict=True)
    figures = [(title, exhibits.pack(joints, clips, name, options.frames)) for title, joints in moving]
    if out.suffix == ".gif":
        gif(clips, figures, prediction, out)
    else:
        html.save(page(clips, 0, figures, prediction, who), out)
    return out


def main() -> int:
    """The command line."""
    options = tyro.cli(View, prog="python -m skelbench.view")
    try:
        print(view(options))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
