"""`skelbench predict`: what a trained model says of new recordings."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from skelbench.options import ConfigError, Count, Seed, require_in_range

if TYPE_CHECKING:
    from skelbench.training.trained import Predictions


@dataclass(frozen=True)
class Predict:
    """Classify recordings with a model of a finished run: labelled or not, of any format that skelbench reads.

    Clips are moved to their origin and turned as the training clips were. Examples:

      skelbench predict runs/one clap.skeleton wave.skeleton
      skelbench predict runs/one nw_ucla.npz --variant conmlp-supcon --top 3
      skelbench predict runs/one recordings/ --csv > predictions.csv
    """

    run: tyro.conf.Positional[Path]
    """Output folder of skelbench eval."""
    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """.skeleton or .bvh files, a clip each; or one file or folder of another format."""
    variant: str = "conmlp-supcon"
    """Which of the run's variants."""
    seed: Seed | None = None
    """Which of its seeds. Default: the smallest."""
    fold: str | None = None
    """Of a cross-validation, which fold's model. Default: the first."""
    top: Count = 5
    """So many classes of each clip, the likeliest first."""
    unit: str | None = None
    """Unit of the coordinates, m, cm or mm, or keep. Default: as the file states, else by the size of the bodies."""
    json: bool = False
    """Print JSON: a list of clips, each with its name and classes."""
    csv: bool = False
    """Print CSV: clip, rank, class, probability."""


def run(options: Predict, words: Sequence[str]) -> int:
    """Load, classify, print."""
    from skelbench.data import load_recordings
    from skelbench.loading import load

    require_in_range(options)
    if options.json and options.csv:
        raise ConfigError("--json and --csv: choose one")
    encoder = load(options.run, options.variant, options.seed, fold=options.fold)
    clips = load_recordings(options.files, unit=options.unit)
    for note in clips.notes:
        print(f"note: {note}", file=sys.stderr)
    show(encoder.predict(clips), options)
    return 0


def show(found: Predictions, options: Predict) -> None:
    """Print the predictions as a table, JSON or CSV."""
    best = found.top(options.top)
    if options.json:
        clips = [
            {"clip": name, "classes": [{"class": label, "probability": share} for label, share in top]}
            for name, top in zip(found.names, best, strict=True)
        ]
        print(json.dumps(clips, indent=1))
    elif options.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["clip", "rank", "class", "probability"])
        for name, top in zip(found.names, best, strict=True):
            for rank, (label, share) in enumerate(top, 1):
                writer.writerow([name, rank, label, f"{share:.6f}"])
    else:
        from skelbench.cli.terminal import table

        rows = [
            [name if rank == 0 else "", label, f"{100 * share:.1f}"]
            for name, top in zip(found.names, best, strict=True)
            for rank, (label, share) in enumerate(top)
        ]
        table(["clip", "class", "probability %"], rows, left=2)
