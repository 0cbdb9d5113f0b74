"""Kill a command and let it go on: what the `kill` programs and their test share.

The command runs in a process that is forked from one which has imported everything, so that a kill falls into its work
and costs little. It is killed at random moments, or right before and right after one of its operations on files, which
Python's audit events tell of: a file opened to be written, a folder made, a name given or removed.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FORKED = multiprocessing.get_context("forkserver")
_IMPORTED = (
    "skelbench.eval.runner",
    "skelbench.prepare.pipeline",
    "skelbench.tuning.study",
    "sklearn.manifold",
)
# Longer than a run takes on a busy machine.
_LIMIT = 1200
_OPERATIONS = frozenset(
    f"os.{name}" for name in ("rename", "remove", "mkdir", "rmdir", "link", "symlink", "truncate", "chmod")
)


@dataclass(frozen=True)
class Stop:
    """Before or after which of its operations on files a command is killed."""

    operation: int
    """From 1."""
    after: bool = False

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} operation {self.operation}"


class Command:
    """`skelbench WORDS`, which goes on where it was; what it prints is in a log."""

    def __init__(self, words: Sequence[str], out: Path, prepare: Callable[[], object] | None = None) -> None:
        """A command that can be started again and again.

        Args:
            words: after `skelbench`.
            out: the folder it makes; operations on files count where they are of its parent folder.
            prepare: called in its process before it.
        """
        self.words, self.out, self.prepare = list(words), out, prepare
        self.log = out.parent.with_name(f"{out.parent.name}.log")

    def finish(self) -> float:
        """Let it go on to its end; the seconds that it took."""
        began = time.monotonic()
        process = self._start()
        process.join(_LIMIT)
        self._require(process)
        return time.monotonic() - began

    def killed_after(self, seconds: float) -> bool:
        """Kill it so many seconds after its start; whether it had not ended by then."""
        process = self._start()
        process.join(seconds)
        if process.exitcode is not None:
            self._require(process)
            return False
        process.kill()
        process.join()
        return True

    def killed_at(self, stop: Stop) -> bool:
        """Kill it at one of its operations; whether it has so many."""
        process = self._start(stop)
        process.join(_LIMIT)
        if process.exitcode == -signal.SIGKILL:
            return True
        self._require(process)
        return False

    def _start(self, stop: Stop | None = None) -> Any:
        process = _process(_run, self.words, self.out.parent, self.log, self.prepare, stop)
        process.start()
        return process

    def _require(self, process: Any) -> None:
        if process.exitcode != 0:
            process.kill()
            said = self.log.read_text(errors="replace")[-4000:]
            raise AssertionError(f"{' '.join(self.words)}\nended with {process.exitcode}:\n{said}")


def _process(function: Callable[..., object], *arguments: Any) -> Any:
    _FORKED.set_forkserver_preload(["tests.killing", *_IMPORTED])
    return _FORKED.Process(target=function, args=arguments)


def _run(
    words: Sequence[str], folder: Path, log: Path, prepare: Callable[[], object] | None, stop: Stop | None
) -> None:
    """In the process that may be killed."""
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    from skelbench.cli.main import main

    if prepare:
        prepare()
    if stop:
        sys.addaudithook(_Killer(folder, stop))
    sys.exit(main(words))


class _Killer:
    """An audit hook that counts operations on the files of a folder and ends the process at one of them."""

    def __init__(self, folder: Path, stop: Stop) -> None:
        self.folder, self.stop, self.count = str(folder), stop, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._changes(event, arguments):
            return
        self.count += 1
        if self.count == self.stop.operation:
            if self.stop.after:
                # Whatever Python does next, in the thread whose operation it was, comes after it.
                sys.setprofile(self._operation_done)
            else:
                os.kill(os.getpid(), signal.SIGKILL)

    def _changes(self, event: str, arguments: tuple[Any, ...]) -> bool:
        written = os.O_WRONLY | os.O_RDWR | os.O_CREAT
        if event not in _OPERATIONS and (event != "open" or not arguments[2] & written):
            return False
        # A file that is open already goes by its number.
        names = [name for name in arguments[:2] if isinstance(name, str | bytes | os.PathLike)]
        return any(os.path.abspath(os.fsdecode(name)).startswith(self.folder) for name in names)

    def _operation_done(self, frame: Any, event: str, argument: object) -> None:
        if frame.f_code is not _Killer.__call__.__code__:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Case:
    """What is killed, and what has to be the same afterwards."""

    steps: Callable[[Path], Sequence[Command]]
    """The commands, one after the other, that make a folder."""
    differences: Callable[[Path, Path], list[str]]
    """Between a folder that nothing stopped and one that was killed and went on."""
    look: Callable[[Path], list[str]] = lambda out: []
    """After a kill: what was lost."""

    def whole(self, work: Path) -> tuple[Path, list[float]]:
        """A folder that nothing stopped, and the seconds of each step."""
        # The server imports before it forks its first process, which is not to be timed.
        first = _process(time.sleep, 0)
        first.start()
        first.join()
        out = _made(work / "whole")
        return out, [command.finish() for command in self.steps(out)]

    def killed_at(self, work: Path, whole: Path, step: int, stop: Stop) -> list[str] | None:
        """What is wrong after a kill in one of the steps; None where that step has no such operation."""
        out = _made(work / f"step{step}-{str(stop).replace(' ', '-')}")
        killed, wrong = False, list[str]()
        for number, command in enumerate(self.steps(out)):
            if number == step:
                killed = command.killed_at(stop)
                wrong += self.look(out)
            command.finish()
        wrong += self.look(out) + self.differences(whole, out)
        return [f"killed in step {step} {stop}: {what}" for what in wrong] if killed else None

    def killed_at_random(
        self, work: Path, whole: Path, seconds: Sequence[float], wanted: int, moments: random.Random
    ) -> list[str]:
        """Kill `wanted` times, each step up to four times, in as many folders as it takes; what is wrong."""
        kills, folders, found = 0, 0, list[str]()
        while kills < wanted:
            out, wrong = _made(work / f"killed{folders}"), list[str]()
            for command, lasts in zip(self.steps(out), seconds, strict=True):
                for _ in range(min(moments.randint(1, 4), wanted - kills)):
                    moment = moments.uniform(0, lasts)
                    if not command.killed_after(moment):
                        break
                    kills += 1
                    print(f"kill {kills}: {command.words[0]} after {moment:.2f} s", flush=True)
                    wrong += self.look(out)
                command.finish()
            wrong += self.look(out) + self.differences(whole, out)
            found += [f"{out.parent.name}: {what}" for what in wrong]
            folders += 1
        return found

    def killed_at_each(self, work: Path, whole: Path) -> tuple[int, list[str]]:
        """Kill before and after each operation of each step, in a folder each; how many kills, and what is wrong."""
        kills, found = 0, list[str]()
        for step in range(len(self.steps(whole))):
            stops = (Stop(number, after) for number in itertools.count(1) for after in (False, True))
            for stop in stops:
                wrong = self.killed_at(work, whole, step, stop)
                if wrong is None:
                    break
                kills += 1
                found += wrong
                print(f"step {step}, {stop}: {'; '.join(wrong) or 'the same'}", flush=True)
        return kills, found


def _made(parent: Path) -> Path:
    parent.mkdir()
    return parent / "out"


def main(description: str | None, case_of: Callable[[Path, bool], Case]) -> int:
    """A kill program: 1 where something is wrong.

    Args:
        description: of the program.
        case_of: makes what is killed, in a folder for its data; the smaller one of two for many kills.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kills", type=int, nargs="?", default=30, help="how often to kill (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument(
        "--operations", action="store_true", help="kill before and after each operation on files instead"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        case = case_of(work, options.operations)
        whole, seconds = case.whole(work)
        print(f"what nothing stopped took {sum(seconds):.1f} s", flush=True)
        if options.operations:
            kills, wrong = case.killed_at_each(work, whole)
        else:
            kills = options.kills
            wrong = case.killed_at_random(work, whole, seconds, kills, random.Random(options.seed))
    print("\n".join(wrong) or f"the same, and nothing left behind, after {kills} kills")
    return int(bool(wrong))
