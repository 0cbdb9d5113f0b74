"""Processes that stay for a module's tests: each runs what it is told as one rank of a gloo group."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

# Imports once what all processes need; they are forked from it.
_CONTEXT = multiprocessing.get_context("forkserver")
_SECONDS = 120


class Group:
    """`size` processes; `group(function, ...)` runs `function(ranks, ...)` in all and returns what each returned."""

    def __init__(self, size: int, folder: Path) -> None:
        self.size = size
        _CONTEXT.set_forkserver_preload(["tests.parallel.work"])
        self._pipes, self._processes = [], []
        for rank in range(size):
            ours, theirs = _CONTEXT.Pipe()
            process = _CONTEXT.Process(
                target=_serve, args=(rank, size, folder / "store", theirs), daemon=True
            )
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def __call__(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> list[Any]:
        # By name: a function would be pickled by the name that pytest gave its module.
        for pipe in self._pipes:
            pipe.send((function.__name__, arguments, options))
        answers = []
        for rank, pipe in enumerate(self._pipes):
            assert pipe.poll(_SECONDS), f"rank {rank} does not answer"
            answers.append(pipe.recv())
        wrong = [f"rank {rank}:\n{what}" for rank, (good, what) in enumerate(answers) if not good]
        assert not wrong, "\n".join(wrong)
        return [what for _, what in answers]

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(10)
            process.kill()


def _serve(rank: int, size: int, store: Path, pipe: Any) -> None:
    import torch
    import torch.distributed as dist

    from skelbench.parallel.ranks import Ranks

    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=size, timeout=timedelta(seconds=60)
    )
    ranks = Ranks(rank, size)
    work = importlib.import_module("tests.parallel.work")
    while True:
        try:
            name, arguments, options = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, getattr(work, name)(ranks, *arguments, **options)))
        except Exception:
            pipe.send((False, traceback.format_exc()))
