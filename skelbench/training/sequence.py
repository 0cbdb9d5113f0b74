"""Supervised training of classifiers of sequences: Adam on cross-entropy, logits of the whole test split at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from skelbench.losses import part_of
from skelbench.parallel.ranks import ALONE, Ranks
from skelbench.training.checkpoint import Checkpoint, LoopState, keep
from skelbench.training.log import EpochLog, require_finite
from skelbench.training.task import outputs


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
        """The sequences of clips `indices`, (B, T, features)."""
        return self.values[indices]


@dataclass(frozen=True)
class SequenceSettings:
    """Hyper-parameters; the defaults are the NITAP report's."""

    epochs: int = 150
    batch_size: int = 256
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    cosine: bool = False
    """The rate falls to zero along a half cosine, step by step."""
    label_smoothing: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class SequenceResult:
    """What a training gives."""

    logits: Tensor
    """float32 (N_test, classes), on the CPU, after the last epoch."""
    history: list[EpochLog]
    """One entry per epoch."""
    clips_per_second: float
    """Training clips over the time of all epochs."""


def train_sequence_classifier(
    model: nn.Module,
    train: Sequences,
    labels: Tensor,
    test: Sequences,
    settings: SequenceSettings = SequenceSettings(),
    on_epoch: Callable[[EpochLog], Any] = lambda log: None,
    checkpoint: Checkpoint | None = None,
    fabric: Fabric | None = None,
    ranks: Ranks = ALONE,
) -> SequenceResult:
    """Train `model`, on the device of its parameters, and classify the test clips.

    An epoch visits every clip once in random order. Shuffling, dropout and the batches' random variation follow
    `settings.seed`; the caller's random state is left as it was.

    Args:
        model: sequences -> logits (B, classes).
        train: N training clips.
        labels: int64 (N,), 0-based classes of the training clips.
        test: the test clips.
        settings: hyper-parameters.
        on_epoch: told of every epoch.
        checkpoint: where the training is kept after its epochs, and resumed from bit-identically.
        fabric: precision of the training; default: float32 on the CPU.
        ranks: the processes that train together; each has all clips.

    Raises:
        ValueError: clips and labels differ in number.
        TrainingError: the loss is not finite; the message names the epoch.
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
    schedule: torch.optim.lr_scheduler.LRScheduler = (
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        if settings.cosine
        else torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    )
    objective = part_of(nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing), ranks)
    fabric = fabric or Fabric(accelerator="cpu")
    _, wrapped_optimizer = fabric.setup(model, optimizer, move_to_device=False)
    state = LoopState(model, optimizer, schedule, fabric)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        finished = checkpoint.restore(state) if checkpoint else 0
        for epoch in range(finished + 1, settings.epochs + 1):
            begin, rate = time.perf_counter(), float(schedule.get_last_lr()[0])
            model.train()
            ranks.same_random_state()
            total = torch.zeros((), dtype=torch.float64)
            for indices in torch.randperm(len(train)).split(settings.batch_size):
                share = ranks.share(len(indices))
                own = indices[share.own]
                with fabric.autocast(), share.drawn_for_all():
                    logits = model(train.batch(own, True).to(device))
                loss = objective(logits.float(), labels[own].to(device), share.sizes)
                wrapped_optimizer.zero_grad(set_to_none=True)
                fabric.backward(loss)
                ranks.reduce_gradients(model.parameters())
                wrapped_optimizer.step()
                schedule.step()
                total += float(loss.detach()) * len(indices)
            loss_of_epoch = float(ranks.summed(total)) / len(train)
            require_finite(loss_of_epoch, "the classifier", epoch, "--sequence-lr", settings.learning_rate)
            clips_per_s = len(train) / (time.perf_counter() - begin)
            state.history.append(EpochLog("train", epoch, settings.epochs, loss_of_epoch, rate, clips_per_s))
            if checkpoint:
                keep(checkpoint, ranks, state, epoch == settings.epochs)
            on_epoch(state.history[-1])
    logits = outputs(ranks, lambda own: predict(model, test, settings.batch_size, own), len(test))
    seconds_per_clip = sum(1 / log.clips_per_s for log in state.history) / len(state.history)
    return SequenceResult(logits, state.history, 1 / seconds_per_clip)


@torch.no_grad()
def predict(
    model: nn.Module, clips: Sequences, batch_size: int = 256, indices: Tensor | None = None
) -> Tensor:
    """Logits of the clips at `indices` (default: all) in evaluation mode, float32 (N, classes) on the CPU."""
    device = next(model.parameters()).device
    model.eval()
    batches = (torch.arange(len(clips)) if indices is None else indices).split(batch_size)
    return torch.cat([model(clips.batch(indices, False).to(device)).float().cpu() for indices in batches])
