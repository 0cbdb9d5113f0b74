"""Softmax regression on frozen inputs: the linear probe, and the raw-coordinate control."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from skelbench.runs.results import Stage
from skelbench.training.log import EpochLog, require_finite
from skelbench.training.sampling import Sampler
from skelbench.training.task import Task

# Shares of the epochs; ConMLP's main_linear: 60, 75, 90 of 100.
DECAY_AT = (0.6, 0.75, 0.9)
DECAY = 0.2


def ridge_accuracy(train: Tensor, label: Tensor, test: Tensor, test_label: Tensor) -> float:
    """Test top-1 of a linear classifier by least squares: a probe in closed form, to follow a training by.

    `train` (N, width) and `test` (M, width), float32 representations on the CPU; labels int64.
    """
    model = make_pipeline(StandardScaler(), RidgeClassifier())
    return float(model.fit(train.numpy(), label.cpu().numpy()).score(test.numpy(), test_label.cpu().numpy()))


def fit_softmax(
    task: Task,
    module: nn.Module,
    batch: Callable[[Tensor], Any],
    lr: float,
    after_epoch: Callable[[], None] = lambda: None,
) -> list[EpochLog]:
    """Train `module` in place on the task's training clips with cross-entropy.

    SGD, momentum 0.9, no weight decay, step decay, as ConMLP's `main_linear`; `batch` maps clip indices to the
    module's input; an epoch is one pass (or one draw, under the released sampler).
    """
    settings = task.settings
    sampler = Sampler(
        task.train, settings.probe_batch_size, settings.sampling, task.shape.classes, task.generator()
    )
    optimizer = torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9)
    milestones = sorted({max(1, round(settings.probe_epochs * share)) for share in DECAY_AT})
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=DECAY)
    history: list[EpochLog] = []
    module.train()
    for epoch in range(1, settings.probe_epochs + 1):
        began, total = time.perf_counter(), torch.zeros((), device=task.data.label.device)
        for indices in sampler.epoch():
            loss = F.cross_entropy(module(batch(indices)), task.data.label[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(indices)
        mean_loss = float(total) / sampler.clips_per_epoch
        require_finite(mean_loss, "the linear probe", epoch, "--probe-lr", settings.probe_lr)
        rate = sampler.clips_per_epoch / (time.perf_counter() - began)
        history.append(
            EpochLog("probe", epoch, settings.probe_epochs, mean_loss, float(schedule.get_last_lr()[0]), rate)
        )
        task.on_epoch(history[-1])
        schedule.step()
        after_epoch()
    return history


def probe_stage(task: Task, lr: float) -> Stage:
    """How `fit_softmax` trains with this rate."""
    settings = task.settings
    return Stage("probe", settings.probe_epochs, settings.probe_batch_size, lr, "SGD")


def linear_probe(
    task: Task, representations: Tensor, after_epoch: Callable[[nn.Linear], None]
) -> tuple[nn.Linear, list[EpochLog]]:
    """A linear classifier on representations computed once.

    `representations` float32 (N clips, width), rows of clips outside the training part are not read. They are
    standardised by the training clips' mean and deviation; the returned layer has that folded in, so it takes
    representations as they are.
    """
    train = representations[task.train]
    mean, deviation = train.mean(0), train.std(0, correction=0)
    # A column that does not vary but for rounding says nothing: it gets no weight.
    deviation = torch.where(deviation > 1e-5 * mean.abs(), deviation, torch.inf)
    standardised = (representations - mean) / deviation
    torch.manual_seed(task.seed)
    layer = nn.Linear(representations.shape[1], task.shape.classes).to(representations.device)
    folded = nn.Linear(representations.shape[1], task.shape.classes).to(representations.device)

    def fold_then_call() -> None:
        with torch.no_grad():
            folded.weight.copy_(layer.weight / deviation)
            folded.bias.copy_(layer.bias - folded.weight @ mean)
        after_epoch(folded)

    history = fit_softmax(
        task, layer, lambda indices: standardised[indices], task.settings.probe_lr, fold_then_call
    )
    return folded, history
