"""Supervised training of a model on resampled clips: cross-entropy on random views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from skelbench.losses import part_of
from skelbench.models.stream_shape import StreamEncoder
from skelbench.parallel.shares import Share
from skelbench.training.stream_task import StreamTask, descend
from skelbench.training.task import Fitted, Task, top1
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

    entropy = part_of(nn.CrossEntropyLoss(label_smoothing=plan.label_smoothing), task.ranks)

    def objective(wrapped: nn.Module, indices: Tensor, generator: torch.Generator, share: Share) -> Tensor:
        before, target = generator.get_state(), label[indices]
        views = _views(streams, indices, generator, share)
        weight, other = _mixing(len(indices), plan.mixup, generator)
        own = target[share.own]
        if other is None:
            with share.drawn_for_all():
                return entropy(wrapped(views), own, share.sizes)
        other = other.to(target.device)[share.own]
        if share.whole:
            partners = views[other]
        else:
            # Clips of other processes, too: seen as these see them, from the same draws.
            again = torch.Generator().set_state(before)
            partners = _views(streams, indices, again, share, other)
        with share.drawn_for_all():
            logits = wrapped(weight * views + (1 - weight) * partners)
        losses = [entropy(logits, wanted, share.sizes) for wanted in (own, target[other])]
        return weight * losses[0] + (1 - weight) * losses[1]

    def tested(epoch: int, finished: Classifier) -> float:
        return top1(task.outputs(finished, streams.batch, task.test), label[task.test])

    trained = descend(streams, model, objective, tested)
    model = trained.model
    return replace(streams.fitted(model.encoder, model.classifier, trained), test_curve=trained.curve)


def _views(
    streams: StreamTask,
    indices: Tensor,
    generator: torch.Generator,
    share: Share,
    places: Tensor | None = None,
) -> Tensor:
    """Views of this process's clips of the batch at `indices`, or of as many clips at other places."""
    own = torch.arange(len(indices))[share.own] if places is None else places.cpu()
    with share.drawn_for_all(places=own):
        return streams.view(indices[own.to(indices.device)], generator)


def _mixing(count: int, strength: float, generator: torch.Generator) -> tuple[float, Tensor | None]:
    """The share of the first clip of each pair, and the second clips' places; None where this batch is not mixed."""
    if not strength or float(torch.rand((), generator=generator)) >= MIXED:
        return 1.0, None
    rng = np.random.default_rng(int(torch.randint(1 << 31, (), generator=generator)))
    return float(rng.beta(strength, strength)), torch.randperm(count, generator=generator)
