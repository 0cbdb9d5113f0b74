"""The terminal: progress of the main job, and tables."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from skelbench.cli.remaining import Remaining, in_words
from skelbench.eval.progress import Progress
from skelbench.pages import protocols
from skelbench.pages.tables import columns, footnotes, headline, score_line, tables
from skelbench.pages.text import clean
from skelbench.runs.files import FileError, reason
from skelbench.runs.folder import RunFolder
from skelbench.runs.results import Failure, Results, RunInfo, Score, VariantInfo
from skelbench.training.log import EpochLog

# Seconds.
_MINUTE = 60.0
# Names of so many characters are not broken; what is longer shares the room that is left.
_WHOLE = 20


class _TimeOfStage(TimeRemainingColumn):
    """The time that a stage will still take. The bar of all trainings has the estimate of `Remaining` instead."""

    def render(self, task: Task) -> Text:
        return Text() if task.fields.get("every") else super().render(task)


class Terminal(Progress):
    """Headline, bars (the whole job; epoch, loss, clips/s of a training), a line per score, the table at the end.

    Where the output is no terminal there are no bars, only the lines.
    """

    def __init__(self, quiet: bool = False, log: Path | None = None) -> None:
        """A terminal.

        Args:
            quiet: print nothing.
            log: file that gets every line, too.

        Raises:
            FileError: the log cannot be written.
        """
        self.console = Console(highlight=False, quiet=quiet)
        self._log: Console | None = None
        if log is not None:
            try:
                self._file = open(log, "a", encoding="utf-8")  # noqa: SIM115 - closed by close()
            except OSError as error:
                raise FileError(f"--log {log} cannot be written: {reason(error, log)}") from error
            self._log = Console(file=self._file, highlight=False, width=120)
        self.bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            _TimeOfStage(elapsed_when_finished=True),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal or quiet,
        )
        self.folder: Path | None = None
        self.remaining = Remaining(())
        self._title = ""
        self._last_told = time.monotonic()
        self._stage: str | None = None
        self._training: TaskID | None = None
        self._job: TaskID | None = None

    def begin(self, info: RunInfo, variants: list[VariantInfo], folder: Path) -> None:
        """Show the headline and the output folder."""
        self.folder = folder
        for line in headline(info, variants):
            self._say(line, style="bold yellow" if line.startswith("SYNTHETIC") else None)
        self._say(f"output: {folder}", soft_wrap=True)

    def plan(self, rows: Sequence[str]) -> None:
        """Start the bars."""
        self.remaining = Remaining(rows)
        self._job = self.bars.add_task("all trainings", total=len(rows), detail="", every=True)
        self.bars.start()

    def variant(self, variant: VariantInfo, seed: int, fold: str) -> None:
        """Name the bar."""
        self._title = f"{variant.key} seed {seed}" + (f" {fold}" if fold else "")
        self._stage = None
        self.remaining.begin(variant.key)

    def epoch(self, log: EpochLog) -> None:
        """Move the bar."""
        self.remaining.epoch(log)
        if not self.console.is_terminal:
            self._told(log)
            return
        if log.stage != self._stage:
            self._clear()
            self._stage = log.stage
            self._training = self.bars.add_task(f"{self._title} {log.stage}", total=log.epochs, detail="")
        # An embedding's epochs come without a loss.
        detail = "" if math.isnan(log.loss) else f"loss {log.loss:.3f}  {log.clips_per_s:,.0f} clips/s"
        if self._training is not None:
            self.bars.update(self._training, completed=log.epoch, detail=detail)
        if self._job is not None:
            self.bars.update(self._job, detail=self._left())

    def score(self, score: Score) -> None:
        """Print a line."""
        self._advance()
        self._say(score_line(score), soft_wrap=True)

    def failure(self, failure: Failure) -> None:
        """Print a line."""
        self._advance()
        line = f"{failure.variant:18} seed {failure.seed}  FAILED: {failure.reason}"
        self._say(line, soft_wrap=True)

    def end(self, results: Results, folder: Path) -> None:
        """Print the table."""
        self._stop()
        self._print()
        self._print(results_table(results))
        titles, found = protocols.table(results)
        if found:
            self._print()
            self._print(grid_of(titles, found))
            self._say(protocols.READING)
        for line in footnotes(results):
            self._say(line)
        self._print()
        self._say(f"Report: {RunFolder(folder).page}", soft_wrap=True)
        self._say(f"Everything else: {folder}", soft_wrap=True)

    def close(self) -> None:
        """Give the terminal back (also after an error)."""
        self._stop()
        if self._log is not None:
            self._file.close()

    def _told(self, log: EpochLog) -> None:
        """A line a minute where there are no bars."""
        now = time.monotonic()
        if now - self._last_told > _MINUTE and log.epoch < log.epochs:
            self._last_told = now
            loss = "" if math.isnan(log.loss) else f", loss {log.loss:.3f}"
            left = self._left()
            told = f"{self._title} {log.stage}: epoch {log.epoch:,} of {log.epochs:,}{loss}"
            self._print(told + (f"; {left}" if left else ""), soft_wrap=True)

    def _left(self) -> str:
        """The time that all trainings will still take, in words; empty where nothing is known or left."""
        seconds = self.remaining.seconds()
        return f"about {in_words(seconds)} left in all" if seconds else ""

    def _print(self, *what: Any, **how: Any) -> None:
        self.console.print(*what, **how)
        if self._log is not None:
            self._log.print(*what, **how)

    def _advance(self) -> None:
        self._clear()
        self.remaining.end()
        if self._job is not None:
            self.bars.update(self._job, advance=1, detail=self._left())

    def _say(self, line: str, style: str | None = None, soft_wrap: bool = False) -> None:
        self._print(clean(line), style=style, markup=False, soft_wrap=soft_wrap)

    def _clear(self) -> None:
        if self._training is not None:
            self.bars.remove_task(self._training)
            self._training = None

    def _stop(self) -> None:
        self._clear()
        if self._job is not None:
            self.bars.remove_task(self._job)
            self._job = None
        self.bars.stop()


def results_table(results: Results) -> Table:
    """The table of a run: what fits in 80 columns."""
    shown = columns("terminal", results)
    grid = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for place, column in enumerate(shown):
        title = "\n".join(column.title.rsplit(" ", 1))
        grid.add_column(title, justify="left" if place == 0 else "right", no_wrap=True)
    for place, rows in enumerate(tables(results).values()):
        if place:
            grid.add_section()
        for row in rows:
            grid.add_row(*(Text(clean(cell)) for cell in row.cells(shown)))
    return grid


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print a table of text, see `grid_of`."""
    Console(highlight=False, soft_wrap=True).print(grid_of(titles, rows, left))


def grid_of(titles: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Table:
    """A table of text as it is; its first `left` columns are text, the others numbers."""
    grid = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    cells = [[clean(cell) for cell in row] for row in rows]
    for place, title in enumerate(titles):
        longest = max((len(row[place]) for row in cells), default=0)
        grid.add_column(
            Text("\n".join(clean(title).rsplit(" ", 1))),
            justify="left" if place < left else "right",
            overflow="fold",
            no_wrap=place < left and longest <= _WHOLE,
        )
    for row in cells:
        grid.add_row(*map(Text, row))
    return grid
