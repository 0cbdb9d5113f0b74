"""`skelbench bench`: the speed of the ops, from a checkout."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from skelbench.options import ConfigError


@dataclass(frozen=True)
class Bench:
    """Time every op in turn with its peers, after checking that both compute the same: `python -m benchmarks.compare`.

    The benchmarks belong to the checkout and its [bench] extra. Examples:

      skelbench bench
      skelbench bench -k contrastive --size full
      skelbench bench -- --help
    """

    words: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="WORD")] = ()
    """What `python -m benchmarks.compare` takes."""


def run(options: Bench, words: Sequence[str]) -> int:
    """The exit code of the benchmarks."""
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / "benchmarks" / "compare.py").exists():
        raise ConfigError(
            "skelbench bench needs a checkout of the repository: the benchmarks are not installed"
        )
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.compare", *options.words], cwd=checkout
    ).returncode
