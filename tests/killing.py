"""Kill a command at random moments and let it go on: what the `kill` programs share."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Longer than a run takes on a busy machine.
LIMIT = 1200


def asked(description: str | None, kills: int) -> tuple[int, random.Random]:
    """How often the words of a kill program ask to kill (by default `kills` times), and the moments."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "kills", type=int, nargs="?", default=kills, help=f"how often to kill (default {kills})"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    options = parser.parse_args()
    return options.kills, random.Random(options.seed)


class Command:
    """A command of Python's that goes on where it was, what it prints in a log."""

    def __init__(self, words: Sequence[str], log: Path) -> None:
        self.words, self.log = list(words), log

    def finish(self) -> float:
        """Let it go on to its end; the seconds that it worked."""
        process = self._start()
        self._await_work(process)
        began = time.monotonic()
        self._require(process.wait(LIMIT))
        return time.monotonic() - began

    def kill(self, kills: int, moments: random.Random, seconds: float, state: Callable[[], str]) -> int:
        """Kill it `kills` times, or until it ends by itself; how often it was killed.

        Args:
            kills: at most.
            moments: of the kills.
            seconds: that it works if nothing stops it.
            state: what is told after each kill.
        """
        for number in range(1, kills + 1):
            process = self._start()
            # One in five at any moment of its start, where little is written; the others while it works.
            starting = moments.random() < 0.2
            moment = moments.uniform(0, 5 if starting else seconds)
            if not starting:
                self._await_work(process)
            try:
                self._require(process.wait(moment))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                since = "of its start" if starting else "of work"
                print(f"kill {number} after {moment:.1f} s {since}; {state()}", flush=True)
                continue
            return number - 1
        return kills

    def _start(self) -> subprocess.Popen[bytes]:
        self._printed = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, *self.words],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=file,
                stderr=file,
            )

    def _await_work(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until it prints: Python and torch are loaded."""
        deadline = time.monotonic() + LIMIT
        while process.poll() is None and self.log.stat().st_size <= self._printed:
            if time.monotonic() > deadline:
                process.kill()
                sys.exit(f"the run said nothing for {LIMIT} s")
            time.sleep(0.01)

    def _require(self, code: int) -> None:
        if code != 0:
            said = self.log.read_text(errors="replace")[-4000:]
            sys.exit(f"{' '.join(self.words)}\nended with {code}:\n{said}")
