"""What a training tells while it runs, and how it says that it cannot go on."""

from __future__ import annotations

from dataclasses import dataclass


class TrainingError(RuntimeError):
    """Training that cannot go on (a loss that is not finite, say); the message says where and what to try."""


@dataclass(frozen=True)
class EpochLog:
    """One pass over the training clips."""

    stage: str  #: "train", "probe", ...
    epoch: int  #: 1-based
    epochs: int
    loss: float
    lr: float
    clips_per_s: float
