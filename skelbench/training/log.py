"""What a training tells while it runs, and how it says that it cannot go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from skelbench.errors import SkelbenchError


class TrainingError(SkelbenchError):
    """Training that cannot go on; the message says where and what to try."""

    clips: Sequence[str] = ()
    """Names of the clips of the batch at which it stopped, where it is known."""


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


def require_finite(
    loss: float, stage: str, epoch: int, option: str, rate: float, where: str = "", clips: Sequence[str] = ()
) -> None:
    """Stop a training whose loss is not finite.

    Args:
        loss: mean loss of the epoch, or the loss of a step.
        stage: what is trained, in words.
        epoch: from 1.
        option: the option that sets the rate, `--lr` for instance.
        rate: its value.
        where: what else is known: the step, the size of the coordinates.
        clips: names of the clips of the batch, where it is known.

    Raises:
        TrainingError: the loss is not finite.
    """
    if math.isfinite(loss):
        return
    error = TrainingError(
        f"the loss of {stage} is {loss} in epoch {epoch}{where}: lower {option} (is {rate:g})"
    )
    error.clips = tuple(clips)
    raise error
