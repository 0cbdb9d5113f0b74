"""Loads libskelbench.so, the library that holds the ops, and chooses its instruction set.

Where the extension is not built, the ops compute with `skelbench.ops.reference` instead and say so once.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

_PATH = Path(__file__).resolve().parent.parent / "libskelbench.so"


def _load() -> bool:
    if not _PATH.exists():
        return False
    torch.ops.load_library(str(_PATH))
    if level := os.environ.get("SKELBENCH_ISA"):
        if level not in isa_levels():
            raise ValueError(f"SKELBENCH_ISA={level}: this machine has {', '.join(isa_levels())}")
        torch.ops.skelbench.isa_use(level)
    return True


def isa_levels() -> list[str]:
    """Instruction sets that the CPU kernels of this machine can use, the plainest first."""
    return str(torch.ops.skelbench.isa_levels()).split()


@contextmanager
def use_isa(level: str) -> Iterator[None]:
    """Computes with the CPU kernels of `level` inside a `with` block (for all threads of the process)."""
    before = torch.ops.skelbench.isa_use(level)
    try:
        yield
    finally:
        torch.ops.skelbench.isa_use(before)


@cache
def warn_fallback() -> None:
    """Says once that the extension is missing and what that means."""
    warnings.warn(
        "skelbench's extension is not built, so its ops run as plain torch: right, but slower and with more "
        "memory. Build it with `pip install --no-build-isolation -e .`",
        RuntimeWarning,
        stacklevel=3,
    )


built = _load()  #: whether the extension is there
