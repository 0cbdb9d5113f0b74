"""How long the trainings of a run will still take, from those that are finished and the one that is under way."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from skelbench.training.log import EpochLog


class Remaining:
    """An estimate that counts all rows and seeds, as soon as the duration of an epoch is known.

    A training under way takes what the epochs of its stage take, and what followed that stage when the row was trained
    before. A training to come takes as long as others of its row; of a row that was not trained yet, as long as those
    of other rows.
    """

    def __init__(self, rows: Sequence[str], now: Callable[[], float] = time.monotonic) -> None:
        """Begin.

        Args:
            rows: the row of each training to come.
            now: clock, in seconds.
        """
        self._to_come = Counter(rows)
        self._now = now
        # Seconds of the trainings of each row, and from their begin to the end of each stage.
        self._took: dict[str, list[float]] = {}
        self._ended: dict[tuple[str, str], float] = {}
        self._row = ""
        self._began = 0.0
        # The stage under way, its first epoch that was told, and when that was.
        self._stage = ("", 0, 0.0)
        self._estimate: float | None = None

    def begin(self, row: str) -> None:
        """A training begins."""
        self._to_come[row] -= 1
        self._row, self._stage = row, ("", 0, 0.0)
        self._began, self._estimate = self._now(), self._mean(row)

    def epoch(self, log: EpochLog) -> None:
        """An epoch of it is over."""
        now = self._now()
        stage, first, since = self._stage
        if log.stage != stage:
            # What came before its first epoch, such as reading the data, does not repeat.
            self._stage = (log.stage, log.epoch, now)
        elif log.epoch > first:
            left = (now - since) / (log.epoch - first) * (log.epochs - log.epoch)
            before = self._mean(self._row)
            after = 0.0 if before is None else before - self._ended.get((self._row, stage), before)
            self._estimate = now - self._began + left + max(after, 0.0)
        if log.epoch == log.epochs:
            self._ended[self._row, log.stage] = now - self._began

    def end(self) -> None:
        """It is over, scored or failed."""
        if self._row:
            self._took.setdefault(self._row, []).append(self._now() - self._began)
        self._row, self._estimate = "", None

    def seconds(self) -> float | None:
        """Seconds to the end of the last training; None while no duration is known."""
        known = {row: sum(took) / len(took) for row, took in self._took.items()}
        left = 0.0
        if self._row and self._estimate is not None:
            known.setdefault(self._row, self._estimate)
            left = max(self._estimate - (self._now() - self._began), 0.0)
        if not known:
            return None
        typical = sum(known.values()) / len(known)
        if self._row and self._estimate is None:
            left = max(typical - (self._now() - self._began), 0.0)
        return left + sum(count * known.get(row, typical) for row, count in self._to_come.items())

    def _mean(self, row: str) -> float | None:
        took = self._took.get(row)
        return sum(took) / len(took) if took else None


def in_words(seconds: float) -> str:
    """A duration as people say it: "50 s", "12 min", "3 h 5 min", "2 d 4 h"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
