"""The command `skelbench`: its commands, and what becomes of an error.

Exit code: 0; 1 where a part of the work failed and the rest is done; 2 for an error that the user can mend, shown as
one line; 130 after Ctrl-C, 143 after SIGTERM. Every other exception is a bug and shows its traceback.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Annotated, Any, Union

import tyro

from skelbench.cli.commands import COMMANDS
from skelbench.errors import SkelbenchError
from skelbench.options import ConfigError
from skelbench.pages.text import clean
from skelbench.parallel.launch import launched

_DESCRIPTION = """Honest, fast benchmarks of compact models for skeleton-based action recognition.
skelbench COMMAND --help explains a command; shell completion: skelbench --tyro-print-completion bash|zsh|tcsh."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: the command line after `skelbench`; None takes the process's own.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if words is None else words)
    if words == ["--version"]:
        print(f"skelbench {version('skelbench')}")
        return 0
    if threading.current_thread() is not threading.main_thread():
        return guarded(lambda: _run(words))
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return guarded(lambda: _run(words))
    finally:
        signal.signal(signal.SIGTERM, before)


class Terminated(KeyboardInterrupt):
    """SIGTERM, which schedulers send: a command ends as after Ctrl-C."""


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def guarded(work: Callable[[], int]) -> int:
    """The exit code of `work`, which returns one; an error of the user's is one line on stderr."""
    try:
        return work()
    except SkelbenchError as error:
        rank = launched().rank
        print(f"error{f' (rank {rank})' if rank else ''}: {clean(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        if launched().rank == 0:
            print(str(stop) or "stopped", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    except BrokenPipeError:
        # Whoever read the output has left, `| head` for instance: nothing is wrong, nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(words: Sequence[str]) -> int:
    name, options = _parse(words)
    if name != "eval" and launched().size > 1:
        raise ConfigError(f"skelbench {name} is not divided among processes: start it without torchrun")
    return COMMANDS[name].run(options, words)


def _parse(words: Sequence[str]) -> tuple[str, Any]:
    """The command's name, and its options."""
    if words and words[0] == "bench" and not {"--", "-h", "--help"} & set(words):
        # Everything behind it is the benchmarks' own.
        words = ["bench", "--", *words[1:]]
    named = words[0] if words and words[0] in COMMANDS else None
    # A command's own help is its docstring; the list of commands has a line for each.
    choices = tuple(
        Annotated[
            command.options,
            tyro.conf.subcommand(
                name,
                default=command.default(words[1:])
                if name == named and command.default
                else tyro.MISSING_NONPROP,
                description=None if name == named else command.summary,
            ),
        ]
        for name, command in COMMANDS.items()
    )
    every: Any = Union[choices]  # noqa: UP007 - a union made at run time
    options = tyro.cli(
        every,
        prog="skelbench",
        description=_DESCRIPTION,
        args=list(words),
        config=(tyro.conf.OmitSubcommandPrefixes,),
    )
    name = next(name for name, command in COMMANDS.items() if type(options) is command.options)
    return name, options
