"""The commands of `skelbench`: options, a line of help, and what runs. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from skelbench.cli import bench, compare, evaluate, export, fuse, merge, predict, prepare, probe, tune, view
from skelbench.cli.bench import Bench
from skelbench.cli.compare import Compare
from skelbench.cli.evaluate import Eval
from skelbench.cli.export import Export
from skelbench.cli.fuse import Fuse
from skelbench.cli.merge import Merge
from skelbench.cli.predict import Predict
from skelbench.cli.prepare import Prepare
from skelbench.cli.probe import Probe
from skelbench.cli.view import View
from skelbench.tuning.options import Tune


@dataclass(frozen=True)
class Command:
    """One command."""

    options: type[Any]
    """A dataclass whose docstring is the command's help."""
    summary: str
    run: Callable[[Any, Sequence[str]], int]
    """Options and the words of the command line -> exit code."""
    default: Callable[[Sequence[str]], Any] | None = None
    """Default options, where they depend on the words."""


COMMANDS: dict[str, Command] = {
    "eval": Command(
        Eval, "Train variants and score them on the whole test split.", evaluate.run, evaluate.default
    ),
    "prepare": Command(Prepare, "Turn raw NTU .skeleton files into a packed dataset.", prepare.run),
    "predict": Command(Predict, "Classify new recordings with a trained model.", predict.run),
    "probe": Command(Probe, "Score somebody else's features by our probes.", probe.run),
    "export": Command(Export, "Write a trained model as ONNX or torch.export.", export.run),
    "compare": Command(Compare, "Compare finished runs, with significance tests.", compare.run),
    "merge": Command(Merge, "Make one run of several shards.", merge.run),
    "fuse": Command(Fuse, "Fuse the scores of finished runs.", fuse.run),
    "tune": Command(Tune, "Search hyper-parameters on a part of the training clips.", tune.run),
    "view": Command(View, "Show a clip as a moving stick figure.", view.run),
    "bench": Command(Bench, "Time the ops beside their peers.", bench.run),
}
