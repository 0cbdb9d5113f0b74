"""The terminal: progress of the main job, and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from skelbench.eval.progress import Progress
from skelbench.pages.tables import columns, footnotes, headline, score_line, tables
from skelbench.runs.folder import RunFolder
from skelbench.runs.results import Failure, Results, RunInfo, Score, VariantInfo
from skelbench.training.log import EpochLog


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
        self.folder: Path | None = None
        self._title = ""
        self._stage: str | None = None

    def begin(self, info: RunInfo, variants: list[VariantInfo], folder: Path) -> None:
        """Show the headline and the output folder."""
        self.folder = folder
        for line in headline(info, variants):
            self.console.print(line, style="bold yellow" if "SYNTHETIC" in line else None, markup=False)
        self.console.print(f"output: {folder}", markup=False, soft_wrap=True)
        self.bars.start()

    def variant(self, variant: VariantInfo, seed: int) -> None:
        """Name the bar."""
        self._title = f"{variant.key} seed {seed}"
        self._stage = None

    def epoch(self, log: EpochLog) -> None:
        """Move the bar."""
        if not self.console.is_terminal:
            return
        if log.stage != self._stage:
            self._clear()
            self._stage = log.stage
            self.bars.add_task(f"{self._title} {log.stage}", total=log.epochs, detail="")
        # An embedding's epochs come without a loss.
        detail = "" if math.isnan(log.loss) else f"loss {log.loss:.3f}  {log.clips_per_s:,.0f} clips/s"
        self.bars.update(self.bars.task_ids[-1], completed=log.epoch, detail=detail)

    def score(self, score: Score) -> None:
        """Print a line."""
        self._clear()
        self.console.print(score_line(score), markup=False, soft_wrap=True)

    def failure(self, failure: Failure) -> None:
        """Print a line."""
        self._clear()
        line = f"{failure.variant:18} seed {failure.seed}  FAILED: {failure.reason}"
        self.console.print(line, markup=False, soft_wrap=True)

    def end(self, results: Results, folder: Path) -> None:
        """Print the table."""
        self.close()
        self.console.print()
        self.console.print(results_table(results))
        for line in footnotes(results):
            self.console.print(line, markup=False)
        run = RunFolder(folder)
        self.console.print(f"\nReport: {run.page}\nEverything else: {folder}", markup=False, soft_wrap=True)

    def close(self) -> None:
        """Give the terminal back (also after an error)."""
        self._clear()
        self.bars.stop()

    def _clear(self) -> None:
        for task in self.bars.task_ids:
            self.bars.remove_task(task)


def results_table(results: Results) -> Table:
    """The table of a run: what fits in 80 columns."""
    shown = columns("terminal")
    grid = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for place, column in enumerate(shown):
        title = "\n".join(column.title.rsplit(" ", 1))
        grid.add_column(title, justify="left" if place == 0 else "right", no_wrap=True)
    for place, rows in enumerate(tables(results).values()):
        if place:
            grid.add_section()
        for row in rows:
            grid.add_row(*row.cells(shown))
    return grid


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print a table; its first `left` columns are text, the others numbers."""
    grid = Table(box=None, header_style="bold")
    for place, title in enumerate(titles):
        grid.add_column(title, justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    Console(highlight=False, soft_wrap=True).print(grid)
