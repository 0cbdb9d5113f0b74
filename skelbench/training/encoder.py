"""Training an encoder on two augmented views of each clip, and the recipes built on it.

One loop serves every objective: a contrastive loss on the projection head (with or without reconstruction), followed
by a linear probe on frozen representations; or cross-entropy on a classifier trained with the encoder.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from skelbench.models.conmlp import Decoder, InputShape, ProjectionHead
from skelbench.ops.augment import draw
from skelbench.ops.clips import RaggedClips
from skelbench.ops.ragged import packed_rows
from skelbench.training.checkpoint import LoopState
from skelbench.training.descent import FactoredSGD
from skelbench.training.log import EpochLog, TrainingError
from skelbench.training.probe import linear_probe, ridge_accuracy
from skelbench.training.sampling import Sampler
from skelbench.training.settings import Settings
from skelbench.training.task import Fitted, Task, count_parameters, in_batches, top1

LAST_LR = 1e-3  #: the cosine's end as a share of its start: ConMLP's lr_decay_rate 0.1, cubed
TESTS_DURING_TRAINING = 20  #: how often the test split is looked at for the curves; nothing is chosen by them
RELEASED_DRAW = 256  #: clips of the one random test draw that the released probe scores


@dataclass(frozen=True)
class Objective:
    """What the encoder is trained for, as its registry row says."""

    encoder: Callable[[InputShape], nn.Module]  #: a module with `width`, RaggedClips -> (B, width)
    loss: Callable[..., nn.Module] | None  #: contrastive loss; None: cross-entropy on the class labels
    loss_options: dict[str, float]
    instance_labels: bool  #: self-supervised: only the other view of the same clip is a positive
    reconstruct: bool  #: add the decoder and its mean squared error


class _Model(nn.Module):
    """Everything that takes part in training, as one module, so that Fabric wraps one thing."""

    def __init__(self, objective: Objective, shape: InputShape) -> None:
        super().__init__()
        self.encoder = objective.encoder(shape)
        width = int(self.encoder.width)  # type: ignore[arg-type]
        self.head: nn.Module = (
            nn.Linear(width, shape.classes) if objective.loss is None else ProjectionHead(width)
        )
        self.decoder = Decoder(shape, width) if objective.reconstruct else None

    def forward(self, views: RaggedClips, target: RaggedClips | None) -> tuple[Tensor, Tensor | None]:
        representation = self.encoder(views)
        decoded = None if self.decoder is None else self.decoder(representation, target)
        return self.head(representation), decoded


@dataclass
class _Trained:
    """A trained model and what its training showed."""

    model: _Model
    sampler: Sampler
    history: list[EpochLog]
    curve: list[tuple[int, float]]  #: (epoch, test top-1), where training looks at it

    def complete(self, fitted: Fitted) -> Fitted:
        """Add what training showed to the classifier made from it."""
        rates = sorted(log.clips_per_s for log in self.history)
        fitted.train_clips_per_s = rates[len(rates) // 2]
        fitted.training_parameters = count_parameters(self.model)
        fitted.coverage = self.sampler.coverage
        fitted.history = self.history + fitted.history
        return fitted


def train_encoder(
    task: Task,
    objective: Objective,
    tested: Callable[[int, _Model], float | None] = lambda epoch, model: None,
) -> _Trained:
    """Train on the task's training clips; an epoch is one pass over them (one draw under `conmlp60`).

    SGD with momentum and weight decay; cosine without restarts, stepped once an epoch. Goes on from the task's
    checkpoint where there is one.
    """
    settings, data, fabric = task.settings, task.data, task.fabric
    torch.manual_seed(task.seed)  # weights and dropout
    generator = task.generator()  # batches, shears and reversals
    model = _Model(objective, task.shape)
    optimiser = _sgd(model, settings, fabric)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs, settings.lr * LAST_LR)
    wrapped, wrapped_optimiser = fabric.setup(model, optimiser)
    contrast = objective.loss(**objective.loss_options) if objective.loss else nn.CrossEntropyLoss()
    sampler = Sampler(task.train, settings.batch_size, settings.sampling, task.shape.classes, generator)
    state = LoopState(model, optimiser, schedule, fabric, generator, sampler)
    finished = task.checkpoint.restore(state) if task.checkpoint else 0
    for epoch in range(finished + 1, settings.epochs + 1):
        wrapped.train()
        began, total = time.perf_counter(), torch.zeros((), device=fabric.device)
        for indices in sampler.epoch():
            shear, reverse = draw(len(indices), generator, settings.per_clip_draws)
            views = data.views(indices, shear, reverse)
            # The clip before augmentation is what both views are decoded to.
            target = data.batch(indices.repeat(2)) if objective.reconstruct else None
            outputs, decoded = wrapped(views, target)
            labels = indices if objective.instance_labels else data.label[indices]
            try:
                loss = contrast(outputs, labels.repeat(2))
            except RuntimeError as error:
                if bool(torch.isfinite(outputs).all()):
                    raise
                raise _diverged("nan", epoch, settings) from error
            if target is not None and decoded is not None:
                loss = loss + F.mse_loss(decoded, target.joints[packed_rows(target)])
            wrapped_optimiser.zero_grad()
            fabric.backward(loss)
            wrapped_optimiser.step()
            total += loss.detach() * len(indices)
        mean_loss = float(total) / sampler.clips_per_epoch
        if not torch.isfinite(total):
            raise _diverged(f"{mean_loss}", epoch, settings)
        rate = sampler.clips_per_epoch / (time.perf_counter() - began)
        state.history.append(
            EpochLog("train", epoch, settings.epochs, mean_loss, float(schedule.get_last_lr()[0]), rate)
        )
        schedule.step()
        if (accuracy := tested(epoch, model)) is not None:
            state.curve.append((epoch, accuracy))
        if task.checkpoint:
            task.checkpoint.save(state, last=epoch == settings.epochs)
        task.on_epoch(state.history[-1])
        task.watch(epoch, model.encoder)
    return _Trained(model, sampler, state.history, state.curve)


def _sgd(model: nn.Module, settings: Settings, fabric: Fabric) -> torch.optim.SGD:
    """SGD with momentum. A gradient scaler wants every gradient in its place, before the step."""
    if getattr(fabric.strategy.precision, "scaler", None) is None:
        return FactoredSGD(model, settings.lr, settings.momentum, settings.weight_decay)
    return torch.optim.SGD(
        model.parameters(), settings.lr, settings.momentum, weight_decay=settings.weight_decay, fused=True
    )


def _diverged(loss: str, epoch: int, settings: Settings) -> TrainingError:
    return TrainingError(f"the loss is {loss} in epoch {epoch}: lower --lr (is {settings.lr:g})")


def contrastive_then_probe(task: Task, objective: Objective) -> Fitted:
    """Pre-train with the contrastive objective, freeze, and fit a linear probe on the representations."""
    label = task.data.label

    def test(epoch: int, model: _Model) -> float | None:
        if not _is_tested(epoch, task.settings.epochs):
            return None
        train, test = (in_batches(model.encoder, task.data.batch, part) for part in (task.train, task.test))
        return ridge_accuracy(train, label[task.train], test, label[task.test])

    trained = train_encoder(task, objective, test)
    fitted = trained.complete(_probe(task, trained.model.encoder))
    fitted.pretraining_curve = trained.curve
    return fitted


def _is_tested(epoch: int, epochs: int) -> bool:
    return epoch % max(1, epochs // TESTS_DURING_TRAINING) == 0 or epoch == epochs


def random_encoder_probe(task: Task, objective: Objective) -> Fitted:
    """Control: the same probe on an encoder that was never trained."""
    torch.manual_seed(task.seed)
    return _probe(task, _Model(objective, task.shape).encoder.to(task.fabric.device))


def cross_entropy(task: Task, objective: Objective) -> Fitted:
    """The encoder with a linear classifier, trained together on the class labels."""

    def test(epoch: int, model: _Model) -> float | None:
        if not _is_tested(epoch, task.settings.epochs):
            return None
        logits = in_batches(_classifier(model.encoder, model.head), task.data.batch, task.test)
        return top1(logits, task.data.label[task.test])

    trained = train_encoder(task, objective, test)
    encoder, head = trained.model.encoder, trained.model.head
    train, test_representations = (
        in_batches(encoder, task.data.batch, part) for part in (task.train, task.test)
    )
    with torch.inference_mode():
        logits = head(test_representations.to(task.fabric.device)).float().cpu()
    fitted = Fitted(
        _classifier(encoder, head),
        task.data.batch,
        logits,
        train,
        test_representations,
        test_curve=trained.curve,
    )
    return trained.complete(fitted)


def _probe(task: Task, encoder: nn.Module) -> Fitted:
    """Representations once, then the linear probe; the best test top-1 over its epochs is kept apart."""
    device = task.fabric.device
    train, test = (in_batches(encoder, task.data.batch, part) for part in (task.train, task.test))
    representations = torch.zeros(len(task.clips), train.shape[1])
    representations[task.train.cpu()] = train
    representations = representations.to(device)
    on_device, label = test.to(device), task.data.label[task.test]
    draws = task.generator()
    curve: list[tuple[int, float]] = []
    released = [0.0]

    def after_epoch(layer: nn.Linear) -> None:
        with torch.inference_mode():
            curve.append((len(curve) + 1, top1(layer(on_device), label)))
            if task.settings.sampling == "conmlp60":
                pool = min(task.shape.classes, len(task.test))
                drawn = torch.randint(pool, (RELEASED_DRAW,), generator=draws).to(device)
                released.append(top1(layer(on_device[drawn]), label[drawn]))

    layer, history = linear_probe(task, representations, after_epoch)
    with torch.inference_mode():
        logits = layer(on_device).float().cpu()
    return Fitted(
        _classifier(encoder, layer),
        task.data.batch,
        logits,
        train,
        test,
        test_curve=curve,
        released_score=max(released) if task.settings.sampling == "conmlp60" else None,
        training_parameters=count_parameters(encoder) + count_parameters(layer),
        history=history,
    )


def _classifier(encoder: nn.Module, head: nn.Module) -> nn.Module:
    """What a user runs: clips in, logits out; the weights are saved under these two names."""
    return nn.Sequential(OrderedDict(encoder=encoder, classifier=head))
