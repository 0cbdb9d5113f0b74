"""What the main job tells while it works."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from skelbench.runs.results import Failure, Results, RunInfo, Score, VariantInfo
from skelbench.training.log import EpochLog


class Progress:
    """Callbacks of the runner, in the order in which they come. This one keeps quiet; subclass it to tell."""

    def begin(self, info: RunInfo, variants: list[VariantInfo], folder: Path) -> None:
        """The data are loaded and split."""

    def plan(self, rows: Sequence[str]) -> None:
        """What will be trained now: the variant of each training, without those that are finished or another's."""

    def variant(self, variant: VariantInfo, seed: int, fold: str) -> None:
        """A variant's training begins, on a fold where the protocol has several (else "")."""

    def epoch(self, log: EpochLog) -> None:
        """An epoch is over."""

    def score(self, score: Score) -> None:
        """A variant is scored and written."""

    def failure(self, failure: Failure) -> None:
        """A variant cannot be trained or scored; the run continues with the next."""

    def end(self, results: Results, folder: Path) -> None:
        """Everything is written."""
