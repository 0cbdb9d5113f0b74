"""Contrastive training on strong views of resampled clips, probed on frozen representations; and the controls.

`contrastive` serves self-supervised rows (positives are views of one clip, or of one performance seen by several
cameras) and supervised ones (views of one class).
The probe's penalty is chosen on the training clips (skelbench.training.penalised_probe), for controls alike.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from skelbench.losses import part_of
from skelbench.models.heads import ProjectionMLP, StreamDecoder
from skelbench.models.stream_shape import StreamEncoder
from skelbench.parallel.shares import Share
from skelbench.training.penalised_probe import Chosen, folds_like_test, penalised_probe
from skelbench.training.performances import performances
from skelbench.training.pretext import draw_hidden, predicted_channels, prediction_error
from skelbench.training.probe import ridge_accuracy
from skelbench.training.stream_task import StreamTask, descend
from skelbench.training.task import Fitted, Task
from skelbench.training.variant import Variant


class _Model(nn.Module):
    """Encoder, head and decoder."""

    def __init__(self, streams: StreamTask) -> None:
        super().__init__()
        plan, shape = streams.plan, streams.shape
        self.encoder = streams.encoder()
        if plan.dropout is not None:
            for module in self.encoder.modules():
                if isinstance(module, nn.Dropout):
                    module.p = plan.dropout
        width = self.encoder.width
        self.head = ProjectionMLP(width, *plan.projection)
        output = (shape.bodies, shape.frames, shape.joints, predicted_channels(plan))
        self.decoder = None if plan.predict == "none" else StreamDecoder(width, output)

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor | None]:
        """Outputs of the head (B, width), and what the decoder predicts."""
        representation = self.encoder(views)
        decoded = None if self.decoder is None else self.decoder(representation)
        return self.head(representation), decoded


def contrastive(task: Task, variant: Variant) -> Fitted:
    """Pre-train on views with the row's loss, freeze, and fit the probe."""
    streams = StreamTask(task, variant)
    plan, label = streams.plan, task.data.label
    settings = replace(task.settings, temperature=plan.temperature)
    contrast = variant.make_loss(settings)
    shared = None
    if plan.across_cameras:
        shared = performances(task.clips, task.train.cpu().numpy(), task.fabric.device)
    torch.manual_seed(task.seed)
    model = _Model(streams)

    part = part_of(contrast, task.ranks)

    def objective(wrapped: nn.Module, indices: Tensor, generator: torch.Generator, share: Share) -> Tensor:
        with share.drawn_for_all(plan.views):
            return loss_of(wrapped, indices[share.own], generator, share)

    def loss_of(wrapped: nn.Module, indices: Tensor, generator: torch.Generator, share: Share) -> Tensor:
        repeated = indices.repeat(plan.views)
        instance = repeated
        if shared is not None:
            repeated = shared.draw(repeated, generator)
            instance = shared.of[repeated]
        hidden = draw_hidden(streams, len(repeated), generator)
        outputs: Tensor
        decoded: Tensor | None
        outputs, decoded = wrapped(streams.view(repeated, generator, hidden))
        classes = instance if variant.instance_labels else label[repeated]
        try:
            loss: Tensor = part(outputs.float(), classes, share.rows(plan.views))
        except RuntimeError:
            if not task.ranks.every(bool(torch.isfinite(outputs).all())):
                # The loop says in which epoch.
                return outputs.float().sum() * math.nan
            raise
        if decoded is None:
            return loss
        return loss + plan.predict_weight * prediction_error(streams, repeated, decoded, hidden)

    def tested(epoch: int, finished: _Model) -> float:
        train, test = streams.representations(finished.encoder)
        return ridge_accuracy(train, label[task.train], test, label[task.test])

    trained = descend(streams, model, objective, tested)
    encoder = trained.model.encoder
    fitted = streams.fitted(encoder, _probed(streams, encoder).layer, trained)
    return replace(fitted, pretraining_curve=trained.curve)


def raw_control(task: Task, variant: Variant) -> Fitted:
    """Control: the probe on the streams of the resampled clips themselves."""
    streams = StreamTask(task, variant)
    encoder = streams.encoder()
    return streams.fitted(encoder, _probed(streams, encoder).layer)


def random_control(task: Task, variant: Variant) -> Fitted:
    """Control: the probe on an encoder that was never trained.

    Its batch normalisations have seen the training clips once, as its trained counterpart's have.
    """
    streams = StreamTask(task, variant)
    torch.manual_seed(task.seed)
    encoder = streams.encoder().to(task.fabric.device)
    encoder.train()
    with torch.no_grad():
        for indices in task.train.split(512):
            encoder(streams.batch(indices))
    return streams.fitted(encoder, _probed(streams, encoder).layer)


def _probed(streams: StreamTask, encoder: StreamEncoder) -> Chosen:
    """The probe on the representations of the training clips."""
    task = streams.task
    device = task.fabric.device
    train, _ = streams.representations(encoder)
    masks, rule = folds_like_test(task.clips, task.train.cpu().numpy(), task.test.cpu().numpy(), task.seed)
    held = [mask.to(device) for mask in masks]
    return penalised_probe(train.to(device), task.data.label[task.train], task.shape.classes, held, rule)
