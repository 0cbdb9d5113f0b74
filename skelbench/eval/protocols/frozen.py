"""What a protocol is given, a trained encoder beside the clips of its run, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelbench.data import Clips
from skelbench.data.clips import IntArray
from skelbench.eval.config import Config
from skelbench.runs.evaluations import Point
from skelbench.training.task import Task, in_batches
from skelbench.training.trained import Encoder
from skelbench.training.variant import Variant


@dataclass(frozen=True, eq=False)
class Frozen:
    """A trained row on the clips of its run. Nothing in it is trained further."""

    variant: Variant
    encoder: Encoder
    weights: Path
    """Where the encoder is stored."""
    task: Task
    """What it was trained on; the clips are moved, and aligned if the run aligns."""
    config: Config

    @property
    def clips(self) -> Clips:
        """All clips of the run."""
        return self.task.clips

    @cached_property
    def train(self) -> IntArray:
        """int64 (n_train,), clip indices."""
        return self.task.train.cpu().numpy()

    @cached_property
    def test(self) -> IntArray:
        """int64 (n_test,)."""
        return self.task.test.cpu().numpy()

    @property
    def train_label(self) -> Tensor:
        """int64 (n_train,)."""
        return torch.from_numpy(self.clips.label[self.train].astype(np.int64))

    @property
    def test_label(self) -> IntArray:
        """int64 (n_test,)."""
        return self.clips.label[self.test].astype(np.int64)

    @cached_property
    def train_representations(self) -> Tensor:
        """float32 (n_train, width) on the CPU."""
        return self.represent(self.clips, self.train)

    @cached_property
    def test_representations(self) -> Tensor:
        """float32 (n_test, width) on the CPU."""
        return self.represent(self.clips, self.test)

    def represent(self, clips: Clips, indices: IntArray) -> Tensor:
        """Representations float32 (n, width), on the CPU, of clips that are moved and aligned already."""
        encoder = self.encoder
        batch = encoder.inputs(clips, encoder.device)
        return in_batches(encoder.model[0], batch, torch.from_numpy(indices).to(encoder.device))


@dataclass(frozen=True, eq=False)
class Found:
    """What a protocol found: logits of the test clips, or the accuracy of each draw, or curves."""

    logits: NDArray[np.float32] | None = None
    """(n_test, classes)."""
    names: NDArray[np.str_] | None = None
    """Of the test clips; None: the run's."""
    label: IntArray | None = None
    """Of the test clips; None: the run's."""
    draws: list[float] = field(default_factory=list)
    lists: Sequence[Sequence[str]] = ()
    """Names of the labelled clips of each draw."""
    points: list[Point] = field(default_factory=list)
    words: str = ""
