"""`skelbench eval`: the main job on the command line."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, get_args

import tyro

from skelbench.eval.config import Config
from skelbench.options import may_change
from skelbench.parallel.launch import Launch, launched
from skelbench.training.settings import PRESETS, Preset

_PRESET_HELP = "Where epochs, batch size, rate and windows start from. " + "; ".join(
    f"{name}: {preset.epochs} epochs, batch {preset.batch_size}, rate {preset.lr:g}, "
    f"graph family {preset.sequence_epochs} epochs, batch {preset.sequence_batch_size}, {preset.windows} windows"
    for name, preset in PRESETS.items()
)


@dataclass(frozen=True, kw_only=True)
class Eval(Config):  # noqa: D101 - its help is that of the configuration
    __doc__ = Config.__doc__

    quiet: bool = may_change(False)
    """Print nothing but errors."""
    log: Path | None = may_change(None)
    """Also write what is printed to this file, without bars."""
    config: Path | None = may_change(None)
    """A file of options, such as a run's own config.yaml; what is given on the command line goes before it."""
    preset: Annotated[Preset, tyro.conf.arg(help=_PRESET_HELP)] = may_change("quick")

    def job(self) -> Config:
        """The configuration without what only the command line knows."""
        return Config(**{item.name: getattr(self, item.name) for item in fields(Config)})


def default(words: Sequence[str]) -> Eval:
    """The options before the words are read: those of the preset or file that they name, as --help shows them.

    Raises:
        ConfigError: the file cannot be used.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--config", type=Path)
    named = parser.parse_known_args(list(words))[0]
    preset: Preset = named.preset if named.preset in get_args(Preset) else "quick"
    base = Eval(settings=PRESETS[preset], preset=preset)
    return base if named.config is None else Eval.from_yaml(named.config, base)


def run(options: Eval, words: Sequence[str]) -> int:
    """Run the main job: 0, or 1 where a variant failed."""
    # Imported after the options are read: --help must not wait for torch.
    from skelbench.cli.terminal import Terminal
    from skelbench.eval.runner import run as run_job

    place = launched()
    first = place.rank == 0
    terminal = Terminal(options.quiet or not first, options.log if first else None)
    try:
        results = run_job(options.job(), terminal)
    except KeyboardInterrupt as stop:
        if terminal.folder is not None:
            again = shlex.join([*_program(place), *_resuming(words, str(terminal.folder))])
            stop.args = (f"stopped; what is finished is kept in {terminal.folder}. Continue with: {again}",)
        raise
    finally:
        terminal.close()
    return 1 if results.failures else 0


def _program(place: Launch) -> list[str]:
    """How a command of skelbench was started."""
    if place.size == 1:
        return ["skelbench"]
    machines = ["--nnodes", str(place.machines)] if place.machines > 1 else []
    return ["torchrun", *machines, "--nproc-per-node", str(place.local_size), "-m", "skelbench"]


def _resuming(words: Sequence[str], folder: str) -> list[str]:
    """The command that continues a run in `folder`."""
    again = list(words)
    if "--out" not in again:
        again += ["--out", folder]
    return again if "--resume" in again else [*again, "--resume"]
