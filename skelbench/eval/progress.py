"""What the main job tells while it works. The base class keeps quiet; `Terminal` shows it with rich."""

from __future__ import annotations

import math
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from skelbench.eval import report
from skelbench.eval.results import Results, Score, Setting
from skelbench.training.log import EpochLog
from skelbench.variants import Variant


class Progress:
    """Callbacks of the runner, in the order in which they come."""

    def begin(self, setting: Setting, variants: tuple[Variant, ...], folder: Path) -> None:
        """The data are loaded and split."""

    def variant(self, variant: Variant, seed: int) -> None:
        """A variant's training begins."""

    def epoch(self, log: EpochLog) -> None:
        """An epoch is over."""

    def score(self, score: Score) -> None:
        """A variant is scored and written."""

    def end(self, results: Results, folder: Path) -> None:
        """Everything is written."""


class Terminal(Progress):
    """Headline, a bar per variant (epoch, loss, clips/s, time left), a line per score, and the table at the end.

    Where the output is no terminal there are no bars, only the lines.
    """

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.title = ""
        self.stage: str | None = None

    def begin(self, setting: Setting, variants: tuple[Variant, ...], folder: Path) -> None:
        for line in report.headline(setting):
            self.console.print(line, style="bold yellow" if "SYNTHETIC" in line else None, markup=False)
        self.bars.start()

    def variant(self, variant: Variant, seed: int) -> None:
        self.title = f"{variant.key} seed {seed}"
        self.stage = None

    def epoch(self, log: EpochLog) -> None:
        if not self.console.is_terminal:
            return
        if log.stage != self.stage:
            self._clear()
            self.stage = log.stage
            self.bars.add_task(f"{self.title} {log.stage}", total=log.epochs, detail="")
        # An embedding's epochs come without a loss.
        detail = "" if math.isnan(log.loss) else f"loss {log.loss:.3f}  {log.clips_per_s:,.0f} clips/s"
        self.bars.update(self.bars.task_ids[-1], completed=log.epoch, detail=detail)

    def score(self, score: Score) -> None:
        self._clear()
        self.console.print(report.score_line(score), markup=False, soft_wrap=True)

    def end(self, results: Results, folder: Path) -> None:
        self.close()
        self.console.print()
        self.console.print(report.terminal_table(results))
        for line in report.footnotes(results):
            self.console.print(line, markup=False)
        self.console.print(f"\nReport: {folder / 'report.html'}\nEverything else: {folder}", markup=False)

    def close(self) -> None:
        """Give the terminal back (also after an error)."""
        self._clear()
        self.bars.stop()

    def _clear(self) -> None:
        for task in self.bars.task_ids:
            self.bars.remove_task(task)
