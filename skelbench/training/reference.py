"""Supervised training of a model on resampled clips: cross-entropy on random views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.stream_shape import StreamEncoder
from skelbench.training.stream_task import StreamTask, descend
from skelbench.training.task import Fitted, Task, in_batches, top1
from skelbench.training.variant import Variant

# Share of the batches that are mixed.
MIXED = 0.5


class Classifier(nn.Module):
    """An encoder and a linear classifier: streams to logits."""

    def __init__(self, encoder: StreamEncoder, classifier: nn.Linear) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier

    def forward(self, streams: Tensor) -> Tensor:
        """(B, M, T, J, C) -> (B, classes)."""
        logits: Tensor = self.classifier(self.encoder(streams))
        return logits


def train_supervised(task: Task, variant: Variant) -> Fitted:
    """The row's encoder and a linear classifier, trained together on the class labels by the row's plan."""
    streams = StreamTask(task, variant)
    plan, label = streams.plan, task.data.label
    torch.manual_seed(task.seed)
    encoder = streams.encoder()
    classifier = nn.Linear(encoder.width, task.shape.classes)
    model = Classifier(encoder, classifier)

    def objective(wrapped: nn.Module, indices: Tensor, generator: torch.Generator) -> Tensor:
        views, target = streams.view(indices, generator), label[indices]
        share, other = _mixing(len(indices), plan.mixup, generator)
        if other is None:
            return F.cross_entropy(wrapped(views), target, label_smoothing=plan.label_smoothing)
        other = other.to(target.device)
        logits = wrapped(share * views + (1 - share) * views[other])
        losses = [
            F.cross_entropy(logits, wanted, label_smoothing=plan.label_smoothing)
            for wanted in (target, target[other])
        ]
        return share * losses[0] + (1 - share) * losses[1]

    def tested(epoch: int, finished: Classifier) -> float:
        return top1(in_batches(finished, streams.batch, task.test), label[task.test])

    trained = descend(streams, model, objective, tested)
    model = trained.model
    return replace(streams.fitted(model.encoder, model.classifier, trained), test_curve=trained.curve)


def _mixing(count: int, strength: float, generator: torch.Generator) -> tuple[float, Tensor | None]:
    """The share of the first clip of each pair, and the second clips' places; None where this batch is not mixed."""
    if not strength or float(torch.rand((), generator=generator)) >= MIXED:
        return 1.0, None
    rng = np.random.default_rng(int(torch.randint(1 << 31, (), generator=generator)))
    return float(rng.beta(strength, strength)), torch.randperm(count, generator=generator)
