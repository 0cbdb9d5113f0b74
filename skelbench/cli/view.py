"""`skelbench view`: a clip as a moving stick figure, with what augmentation and a model make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from skelbench.errors import SkelbenchError
from skelbench.options import Count, Seed, require_in_range

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from skelbench.data import Clips
    from skelbench.pages.view import Said


@dataclass(frozen=True)
class View:
    """Show one clip of any format that skelbench reads, beside its two augmented views.

    With --run, also what that model says of the clip's first frames, as they
    grow: its prediction over time. Examples:

      skelbench view nw_ucla.npz:17
      skelbench view NTU60_CV.npz:S001C001P001R001A010 --out clap.gif
      skelbench view nw_ucla.npz:17 --run runs/one --variant conmlp-supcon
      skelbench view synthetic:0
    """

    clip: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE[:CLIP]")]
    """A file or folder of clips, and the clip's name or its number from 0 (default 0); `synthetic` is the corpus."""
    out: Path | None = None
    """A .html (can be turned) or a .gif. Default: the clip's name with .html."""
    run: Path | None = None
    """Output folder of skelbench eval, for the prediction over time."""
    variant: str = "conmlp-supcon"
    """Which of the run's variants."""
    frames: Count = 60
    """At most so many frames are shown, spread evenly."""
    seed: Seed = 0
    """Of the augmentation's draws."""
    force: bool = False
    """Overwrite the file where it exists."""


class ViewError(SkelbenchError):
    """A clip that cannot be shown; one line."""


def run(options: View, words: Sequence[str]) -> int:
    """Write the animation, print where."""
    print(view(options))
    return 0


def view(options: View) -> Path:
    """Write the animation; returns where.

    Raises:
        ViewError, DataError, WeightsError, FileError: one line that says what is wrong.
    """
    import numpy as np

    from skelbench import data as clip_data
    from skelbench.eval.samples import fps_of, pack
    from skelbench.pages import base
    from skelbench.pages.view import Shown, gif, render
    from skelbench.runs.files import file_name, require_absent

    require_in_range(options)
    clips, index = find(options.clip)
    out = options.out or Path(file_name(str(clips.names[index]), ".html"))
    if out.suffix not in (".html", ".gif"):
        raise ViewError(f"--out {out}: name a .html or a .gif")
    require_absent(out, options.force)
    clips = clips.select(np.array([index]))
    name, said, align = str(clips.names[0]), None, "none"
    if options.run is not None:
        said, align = _predicted(clips, options.run, options.variant)
    # Augmentation turns about the origin that training sees.
    clips = clip_data.preprocess(clips, align=align)
    moving: list[tuple[str, Any]] = [("the clip", clips.clip(0))]
    moving += zip(("view 1: sheared", "view 2: reversed"), augmented(clips, 0, options.seed), strict=True)
    shown = Shown(
        name=name,
        synthetic=clips.synthetic,
        facts=_facts(clips, 0),
        truth=clips.class_names[int(clips.label[0])],
        edges=clips.skeleton.edges,
        figures=[
            (title, pack(joints, clips, name, options.frames, fps_of(clips, 0))) for title, joints in moving
        ],
        said=said,
    )
    if out.suffix == ".gif":
        gif(shown, out)
    else:
        base.save(render(shown), out)
    return out


def find(word: str) -> tuple[Clips, int]:
    """The clips that `FILE[:CLIP]` is of, and the clip's index.

    Raises:
        ViewError: no such clip.
        DataError: a file that cannot be read.
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
    if clip.isdecimal() and int(clip) < len(clips):
        return clips, int(clip)
    raise ViewError(
        f"{path} has no clip {clip!r}: it has {len(clips)} (0 to {len(clips) - 1}), the first is {clips.names[0]}"
    )


def augmented(clips: Clips, index: int, seed: int) -> list[NDArray[np.float32]]:
    """Both views of a clip, (T, m, J, 3) each, as training sees them."""
    import torch

    from skelbench.ops.augment import draw
    from skelbench.training.dataset import PackedDataset

    data = PackedDataset(clips, torch.device("cpu"))
    shear, reverse = draw(1, torch.Generator().manual_seed(seed))
    views = data.views(torch.tensor([index]), shear, torch.ones_like(reverse))
    bodies = int(clips.bodies[index])
    rows = int(clips.frames[index]) * bodies
    return [
        views.joints[int(begin) : int(begin) + rows].reshape(-1, bodies, *clips.joints.shape[1:]).numpy()
        for begin in views.offsets[:2]
    ]


def _predicted(clips: Clips, folder: Path, variant: str) -> tuple[Said, str]:
    """What the model says over time, and how it turns clips."""
    from skelbench.loading import load
    from skelbench.pages.view import Said
    from skelbench.training.early import predict

    encoder = load(folder, variant)
    prediction = predict(encoder, clips, 0)
    said = Said(
        f"{variant} of {folder.resolve().name}, seed {encoder.built.seed}",
        prediction.frames,
        prediction.probability,
        prediction.class_names,
        prediction.top,
    )
    return said, encoder.built.align


def _facts(clips: Clips, index: int) -> list[tuple[str, str]]:
    known = {name: int(getattr(clips, name)[index]) for name in ("subject", "camera", "setup", "replication")}
    return [
        ("Dataset", clips.dataset),
        ("Class", clips.class_names[int(clips.label[index])]),
        ("Frames", str(int(clips.frames[index]))),
        ("Bodies", str(int(clips.bodies[index]))),
        ("Frames a second", "unknown" if clips.fps is None else f"{clips.fps[index]:.4g}"),
        *((name.capitalize(), str(value)) for name, value in known.items() if value),
    ]
