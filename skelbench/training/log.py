"""What a training tells while it runs, and how it says that it cannot go on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from skelbench.errors import SkelbenchError


class TrainingError(SkelbenchError):
    """Training that cannot go on; the message says where and what to try."""


@dataclass(frozen=True)
class EpochLog:
    """One pass over the training clips."""

    stage: str
    """`train`, `probe` or `embedding`."""
    epoch: int
    """From 1."""
    epochs: int
    loss: float
    lr: float
    clips_per_s: float


def require_finite(loss: float, stage: str, epoch: int, option: str, rate: float) -> None:
    """Stop a training whose loss is not finite.

    Args:
        loss: mean loss of the epoch.
        stage: what is trained, in words.
        epoch: from 1.
        option: the option that sets the rate, `--lr` for instance.
        rate: its value.

    Raises:
        TrainingError: the loss is not finite.
    """
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss of {stage} is {loss} in epoch {epoch}: lower {option} (is {rate:g}), "
            "and check the unit of the coordinates (metres are expected)"
        )
