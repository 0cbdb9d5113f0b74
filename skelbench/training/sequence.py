"""Supervised training of classifiers of sequences: Adam on cross-entropy, logits of the whole test split at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Sequences(Protocol):
    """N clips that can be asked for in batches."""

    def __len__(self) -> int: ...

    def batch(self, indices: Tensor, training: bool) -> Tensor:
        """The model's input for clips `indices` (int64, on the CPU); `training` allows random variation."""
        ...


@dataclass(frozen=True)
class Vectors:
    """Sequences held as one tensor, float (N, T, features)."""

    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, indices: Tensor, training: bool) -> Tensor:
        return self.values[indices]


@dataclass(frozen=True)
class SequenceSettings:
    """Hyper-parameters; the defaults are the report's."""

    epochs: int = 150
    batch_size: int = 256
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    cosine: bool = False  #: the rate falls to zero along a half cosine, step by step
    label_smoothing: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class SequenceResult:
    """What a training gives."""

    logits: Tensor  #: float32 (N_test, classes), on the CPU, after the last epoch
    losses: tuple[float, ...]  #: mean training loss of each epoch
    clips_per_second: float  #: training clips over the time of all epochs


def train_sequence_classifier(
    model: nn.Module,
    train: Sequences,
    labels: Tensor,
    test: Sequences,
    settings: SequenceSettings = SequenceSettings(),
    on_epoch: Callable[[int, float, float], Any] | None = None,
) -> SequenceResult:
    """Train `model`, on the device of its parameters, and classify the test clips.

    labels: int64 (N,), 0-based classes of the training clips.
    on_epoch: called with (epoch from 1, mean loss, clips per second).

    An epoch visits every clip once in random order. Shuffling, dropout and the batches' random variation follow
    `settings.seed`; the caller's random state is left as it was. Raises ValueError where clips and labels differ in
    number, FloatingPointError, naming the epoch, where the loss is not finite.
    """
    if len(train) != len(labels):
        raise ValueError(f"{len(train)} training clips, but {len(labels)} labels")
    if len(train) == 0 or len(test) == 0:
        raise ValueError(f"{len(train)} training and {len(test)} test clips; both must be at least 1")
    device = next(model.parameters()).device
    optimizer = torch.optim.Adam(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = settings.epochs * -(-len(train) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) if settings.cosine else None
    objective = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    losses = []
    spent = 0.0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        for epoch in range(1, settings.epochs + 1):
            begin = time.perf_counter()
            model.train()
            total = 0.0
            for indices in torch.randperm(len(train)).split(settings.batch_size):
                loss = objective(model(train.batch(indices, True).to(device)), labels[indices].to(device))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                if schedule is not None:
                    schedule.step()
                total += float(loss.detach()) * len(indices)
            losses.append(total / len(train))
            if not torch.isfinite(torch.tensor(losses[-1])):
                raise FloatingPointError(f"epoch {epoch}: the loss is {losses[-1]}; lower the learning rate")
            seconds = time.perf_counter() - begin
            spent += seconds
            if on_epoch is not None:
                on_epoch(epoch, losses[-1], len(train) / seconds)
    logits = predict(model, test, settings.batch_size)
    return SequenceResult(logits, tuple(losses), settings.epochs * len(train) / max(spent, 1e-9))


@torch.no_grad()
def predict(model: nn.Module, clips: Sequences, batch_size: int = 256) -> Tensor:
    """Logits of all clips in evaluation mode, float32 (N, classes) on the CPU."""
    device = next(model.parameters()).device
    model.eval()
    batches = torch.arange(len(clips)).split(batch_size)
    return torch.cat([model(clips.batch(indices, False).to(device)).float().cpu() for indices in batches])
