"""`skelbench fuse`: the weighted mean of several models' scores."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from skelbench.runs.fuse import Fusion


@dataclass(frozen=True)
class Fuse:
    """Fuse the scores of finished runs: no training, a second or two.

    Members are fused seed by seed, over the seeds that all of them have, and the fusion is compared with its best
    member on the same clips. Weights that were chosen by looking at test scores make the result optimistic. Examples:

      skelbench fuse runs/joint:conmlp-supcon runs/bone:conmlp-supcon
      skelbench fuse runs/one:conmlp-supcon=0.6 runs/one:conmlp-recon=0.4 --out fused
      skelbench fuse runs/one
    """

    members: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN[:VARIANT[=WEIGHT]]")]
    """Output folders of skelbench eval; without a variant, every trained variant of the run. The weight is 1 where it
    is not given."""
    of: Literal["probabilities", "logits"] = "probabilities"
    """What is averaged. Logits of different models may differ in scale."""
    common: bool = False
    """Fuse on the clips that every member was tested on, and say how many that leaves out: graph variants do without
    the clips of two people. Without it, members with other test clips are refused."""
    out: Path | None = None
    """Folder for the fused scores, fused-seedS.npz (names, scores, label)."""
    force: bool = False
    """Write into the folder where it exists."""


def run(options: Fuse, words: Sequence[str]) -> int:
    """Fuse, print the table, write the fused scores where a folder is named."""
    from skelbench.runs.files import require_absent
    from skelbench.runs.fuse import fuse, parse, save

    if options.out is not None:
        require_absent(options.out, options.force)
    fusion = fuse(parse(options.members), options.of, options.common)
    show(fusion)
    if options.out is not None:
        save(fusion, options.out)
    return 0


def show(fusion: Fusion) -> None:
    """Print every member and the fusion, and whether the fusion beats its best member."""
    from skelbench.cli.terminal import table
    from skelbench.pages.text import clean
    from skelbench.runs.numbers import count, percent, points, probability, spread
    from skelbench.runs.significance import wilson

    rows = [(m.name, f"{m.weight:g}", scores) for m, scores in zip(fusion.members, fusion.own, strict=True)]
    cells = []
    for name, weight, runs in [*rows, ("fused", "", fusion.fused)]:
        intervals = [wilson(int(scores.right.sum()), len(scores.right)) for scores in runs]
        low, high = (statistics.mean(interval[end] for interval in intervals) for end in (0, 1))
        share = spread([float(scores.right.mean()) for scores in runs])
        cells.append([name, weight, share, f"{percent(low)}-{percent(high)}"])
    table(["member", "weight", "top-1 %", "95 % interval"], cells)
    if fusion.left_out:
        clips = count(len(fusion.fused[0].names), "test clip")
        print(f"on the {clips} that all members have; {fusion.left_out:,} left out")
    pair = fusion.against_best()
    low, high = (100 * end for end in pair.interval)
    print(
        f"fused minus {clean(pair.second)}: {points(pair.difference)} points ({low:+.1f} to {high:+.1f}), "
        f"{probability(pair.p)}; seeds {', '.join(map(str, fusion.seeds))}"
    )
