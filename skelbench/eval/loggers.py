"""Training curves in the loggers of Lightning Fabric: CSV, or TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from skelbench.eval.config import ConfigError
from skelbench.eval.progress import Progress
from skelbench.runs.folder import job_name
from skelbench.runs.results import Failure, Results, RunInfo, Score, VariantInfo
from skelbench.training.log import EpochLog


class Logged(Progress):
    """Tells another progress, and writes losses, rates and scores to a logger, one for each training."""

    def __init__(self, progress: Progress, kind: Literal["csv", "tensorboard"]) -> None:
        """A progress that logs.

        Args:
            progress: told of everything.
            kind: of logger.

        Raises:
            ConfigError: TensorBoard is not installed.
        """
        if kind == "tensorboard" and find_spec("tensorboard") is None:
            raise ConfigError("--logger tensorboard needs TensorBoard: pip install 'skelbench[tensorboard]'")
        self._progress, self._kind = progress, kind
        self._folder = Path()
        self._logger: Logger | None = None

    def begin(self, info: RunInfo, variants: list[VariantInfo], folder: Path) -> None:
        """Note the folder: logs lie in RUN/logs/, named as the files of a training are."""
        self._folder = folder / "logs"
        self._progress.begin(info, variants, folder)

    def plan(self, rows: Sequence[str]) -> None:
        """Pass it on."""
        self._progress.plan(rows)

    def variant(self, variant: VariantInfo, seed: int, fold: str) -> None:
        """Begin a log."""
        self._finish()
        name = job_name(variant.key, seed, fold)
        if self._kind == "csv":
            self._logger = CSVLogger(self._folder, name, version="", flush_logs_every_n_steps=1)
        else:
            self._logger = TensorBoardLogger(self._folder, name, version="")
        self._progress.variant(variant, seed, fold)

    def epoch(self, log: EpochLog) -> None:
        """Log loss, rate and speed of an epoch; a stage without a loss is left out."""
        if self._logger is not None and not math.isnan(log.loss):
            values = {"loss": log.loss, "lr": log.lr, "clips_per_s": log.clips_per_s}
            metrics = {f"{log.stage}/{name}": value for name, value in values.items()}
            self._logger.log_metrics(metrics, log.epoch)
        self._progress.epoch(log)

    def score(self, score: Score) -> None:
        """Log the test scores."""
        if self._logger is not None:
            self._logger.log_metrics({"test/top1": score.top1, "test/mean_class": score.mean_class}, 0)
        self._finish()
        self._progress.score(score)

    def failure(self, failure: Failure) -> None:
        """Pass on."""
        self._finish()
        self._progress.failure(failure)

    def end(self, results: Results, folder: Path) -> None:
        """Pass on."""
        self._progress.end(results, folder)

    def _finish(self) -> None:
        if self._logger is not None:
            self._logger.finalize("success")
            self._logger = None
