"""`skelbench probe`: linear probes and kNN on features that were computed elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from skelbench.eval.config import comma_list
from skelbench.options import Count, Positive, Seed, require_in_range
from skelbench.runs.results import Group
from skelbench.training.settings import PRESETS

_BASE = PRESETS["quick"]


@dataclass(frozen=True)
class Probe:
    """Score features that somebody else computed by the probes, protocols, tests and page of our own rows.

    FEATURES is an npz with a row for each clip:

      features  numbers (N, D), of an encoder that is not trained any further
      labels    (N,) class numbers from 0, or class names

    and what says which clips train the probe and which test it, one of

      split     (N,) "train" or "test" (or 0 and 1; "validation" or 2 is left out)
      camera, subject, setup   (N,) numbers from 1, for a PROTOCOL: xview, xsub, xset, loso, kfold:5

    optional: names (N,) of the clips, by which `skelbench fuse` finds them in other runs; class_names (C,); dataset
    (a text; "NTU RGB+D" has its official subjects). For instance


      np.savez("theirs.npz", features=z, labels=y, split=np.where(is_train, "train", "test"))

    Two rows, since our rows have two probes: one by SGD, as the ConMLP rows have it, and one whose penalty is chosen on
    folds of the training clips, as the rows on resampled clips have it. kNN-1 is a column of both. Examples:

      skelbench probe theirs.npz
      skelbench probe theirs.npz xview --name MAMP --seeds 0,1,2 --out runs/theirs
    """

    features: Annotated[Path, tyro.conf.Positional]
    """An npz, see above."""
    protocol: Annotated[str, tyro.conf.Positional] = "file"
    """file: the split that the file brings; or xview, xsub, xset, loso, kfold:5."""
    name: str | None = None
    """Of the features in tables. Default: the file's."""
    group: Group = "self-supervised"
    """What their encoder was trained with: the rows that they stand beside."""
    seeds: Annotated[tuple[Seed, ...], comma_list("INT,INT", int)] = (0,)
    """Of the probe by SGD: its first weights and the order of its batches."""
    probe_epochs: Count = _BASE.probe_epochs
    """Epochs of the probe by SGD."""
    probe_batch_size: Count = _BASE.probe_batch_size
    """Clips in a batch of the probe by SGD."""
    probe_lr: Positive = _BASE.probe_lr
    """Rate of the probe by SGD; times 0.2 at 60, 75 and 90 % of its epochs."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, or auto."""
    threads: Count | None = None
    """CPU threads. Default: what torch takes."""
    out: Path | None = None
    """Folder for report.html, results.json, report.md and scores. Default: a new one under runs/."""
    quiet: bool = False
    """Print nothing but errors."""
    log: Path | None = None
    """Also write what is printed to this file, without bars."""


def run(options: Probe, words: Sequence[str]) -> int:
    """Probe, print the table and the folder: 0, or 1 where a row failed."""
    from skelbench.cli.terminal import Terminal
    from skelbench.eval.probing import probe

    require_in_range(options)
    terminal = Terminal(options.quiet, options.log)
    try:
        results = probe(
            options.features,
            options.protocol,
            name=options.name,
            group=options.group,
            seeds=options.seeds,
            settings=replace(
                _BASE,
                probe_epochs=options.probe_epochs,
                probe_batch_size=options.probe_batch_size,
                probe_lr=options.probe_lr,
            ),
            device=options.device,
            threads=options.threads,
            out=options.out,
            progress=terminal,
        )
    except KeyboardInterrupt as stop:
        if terminal.folder is not None:
            stop.args = (f"stopped; what is finished is kept in {terminal.folder}",)
        raise
    finally:
        terminal.close()
    return 1 if results.failures else 0
