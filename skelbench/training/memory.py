"""Whether a model fits, before anything is allocated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from skelbench.training.log import TrainingError

# Weights, the optimizer's momentum, and the copy that a checkpoint writes.
_COPIES = 3


def available_bytes() -> int | None:
    """Memory that a new allocation may take, where the system tells (Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def require_memory(name: str, build: Callable[[], nn.Module], hint: str) -> None:
    """Count a model's parameters without allocating them, and hold what its training needs against what is free.

    Args:
        name: of the model, for the message.
        build: makes the model.
        hint: what makes it smaller.

    Raises:
        TrainingError: it cannot fit; the message says what it needs.
    """
    try:
        with torch.device("meta"):
            numbers = sum(parameter.numel() for parameter in build().parameters())
    except (RuntimeError, NotImplementedError):
        # A model that needs real tensors to be made says so itself.
        return
    need, free = 4 * _COPIES * numbers, available_bytes()
    if free is not None and need > free:
        raise TrainingError(
            f"{name} has {numbers:,} parameters and needs {need / 1e9:,.1f} GB to be trained; "
            f"{free / 1e9:,.1f} GB are free: {hint}"
        )
