"""The options of a study. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from skelbench.eval.config import DataOptions, MachineOptions
from skelbench.options import Count, Seed, require_in_range
from skelbench.training.settings import PRESETS, Settings

DEFAULTS = replace(PRESETS["quick"], epochs=60, batch_size=128, probe_epochs=50)


@dataclass(frozen=True, kw_only=True)
class Tune(MachineOptions, DataOptions):
    """Search rate, tau, k1 and k2 of a variant with Optuna, with a budget of trials.

    Trials train on a part of the protocol's training clips and are scored on the rest of them, in the way that the
    protocol tests: another camera for xview, another set-up for xset, else other people, where the data know them;
    test clips are never looked at. Trials that lag are pruned. A study lies in --out and continues where it was
    stopped; several commands, or --jobs, may work on it together. Examples:

      skelbench tune conmlp-tcl xview --data nw_ucla.npz --trials 40 --out runs/tune-tcl
      skelbench tune conmlp-supcon xview --data nw_ucla.npz --trials 40 --out runs/tune-supcon
      skelbench tune tcn-tcl xview --data nw_ucla.npz --grid crossover=0.3,0.5,0.7,0.8 k2=1,2,4 --out runs/surface
    """

    variant: tyro.conf.Positional[str] = "conmlp-supcon"
    """A trained variant: conmlp-tcl, conmlp-supcon, ... or module:ROW."""
    protocol: tyro.conf.Positional[str] = "xview"
    """Whose training clips are used."""
    grid: tuple[str, ...] = ()
    """Try a grid instead of searching: NAME=VALUE,VALUE ..., of settings that the row depends on, or crossover, which
    sets TCL's k1: ln k1 / (1 / tau + 1). Every cell is trained to its end."""
    trials: Count = 30
    """Trials of the whole study, those of earlier commands included; a grid has as many as it has cells."""
    jobs: Count = 1
    """Processes at work on the study."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = DEFAULTS
    """Hyper-parameters of every trial; those that are searched start from here."""
    seed: Seed = 0
    """Of training, of the search and of what is held out."""
    out: Path = Path("runs/tune")
    """Folder of the study (study.log), its best (best.json) and its page (tune.html)."""

    def check(self) -> None:
        """Hold the options against their ranges.

        Raises:
            ConfigError: the first option that cannot be used.
        """
        require_in_range(self)
