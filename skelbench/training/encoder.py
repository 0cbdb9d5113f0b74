"""Training an encoder on two augmented views of each clip, and the recipes built on it.

One loop serves every objective: a contrastive loss on the projection head (with or without reconstruction), followed
by a linear probe on frozen representations; or cross-entropy on a classifier trained with the encoder.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from skelbench.losses import part_of
from skelbench.models.conmlp import Decoder, InputShape, ProjectionHead
from skelbench.models.divided import DividedClips
from skelbench.models.ragged_input import FactoredSGD
from skelbench.ops.augment import draw
from skelbench.ops.clips import RaggedClips
from skelbench.ops.ragged import packed_rows
from skelbench.runs.results import Stage
from skelbench.training.batches import VIEWS, OwnClips, batches
from skelbench.training.checkpoint import LoopState
from skelbench.training.log import EpochLog, require_finite
from skelbench.training.memory import require_memory
from skelbench.training.probe import linear_probe, probe_stage, ridge_accuracy
from skelbench.training.sampling import Sampler
from skelbench.training.settings import Settings
from skelbench.training.task import Fitted, Task, Trained, count_parameters, top1
from skelbench.training.variant import Variant, resolve

# The cosine's end as a share of its start: ConMLP's lr_decay_rate 0.1, cubed.
LAST_LR = 1e-3
# How often the test split is looked at for the curves; nothing is chosen by them.
TESTS_DURING_TRAINING = 20
# Clips of the one random test draw that the released probe scores.
RELEASED_DRAW = 256


class _Model(nn.Module):
    """Everything that takes part in training, as one module."""

    def __init__(self, variant: Variant, shape: InputShape) -> None:
        super().__init__()
        assert variant.encoder is not None
        self.encoder: nn.Module = resolve(variant.encoder)(shape)
        width = int(self.encoder.width)
        self.head: nn.Module = (
            nn.Linear(width, shape.classes) if variant.loss is None else ProjectionHead(width)
        )
        self.decoder = Decoder(shape, width) if variant.reconstruct else None

    def forward(
        self, views: RaggedClips | DividedClips, target: RaggedClips | DividedClips | None
    ) -> tuple[Tensor, Tensor | None]:
        """Outputs of the head (B, width) and, with a decoder, the joints of `target`."""
        representation = self.encoder(views)
        decoded = None
        if self.decoder is not None and target is not None:
            decoded = self.decoder(representation, target)
        return self.head(representation), decoded


def train_encoder(
    task: Task,
    variant: Variant,
    tested: Callable[[_Model], float] | None = None,
) -> Trained[_Model]:
    """Train on the task's training clips; an epoch is one pass over them (one draw under `conmlp60`).

    SGD with momentum and weight decay; cosine without restarts, stepped once an epoch. Continues from the task's
    checkpoint where there is one.

    Raises:
        TrainingError: the loss is not finite.
    """
    settings, data, fabric, ranks = task.settings, task.data, task.fabric, task.ranks
    require_memory(
        variant.key,
        lambda: _Model(variant, task.shape),
        f"shorten the clips, --length is {task.shape.length}",
    )
    # torch's own generator makes weights and dropout; this one batches, shears and reversals.
    torch.manual_seed(task.seed)
    generator = task.generator()
    model = _Model(variant, task.shape)
    if task.initial:
        task.initial.load_into(model.encoder)
    inputs = batches(data, model, model.encoder, model.decoder, ranks)
    optimizer = _sgd(model, settings, fabric, inputs)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs, settings.lr * LAST_LR)
    _, wrapped_optimizer = fabric.setup(model, optimizer)
    objective = part_of(variant.make_loss(settings) or nn.CrossEntropyLoss(), ranks)
    sampler = Sampler(task.train, settings.batch_size, settings.sampling, task.shape.classes, generator)
    state = LoopState(model, optimizer, schedule, fabric, generator, sampler)
    finished = task.checkpoint.restore(state) if task.checkpoint else 0
    inputs.divide(optimizer)
    for epoch in range(finished + 1, settings.epochs + 1):
        model.train()
        ranks.same_random_state()
        began, total = time.perf_counter(), torch.zeros((), device=fabric.device)
        steps: list[tuple[Tensor, Tensor]] = []
        for indices in sampler.epoch():
            share = ranks.share(len(indices))
            shear, reverse = draw(len(indices), generator, settings.per_clip_draws)
            views = inputs.views(indices, shear, reverse, share)
            target = inputs.target(indices, share) if variant.reconstruct else None
            # Not through Fabric's wrapper, which would cast the clips: only the model computes in low precision.
            with fabric.autocast(), share.drawn_for_all(VIEWS):
                outputs, decoded = model(views, target)
            outputs = outputs.float()
            labels = (indices if variant.instance_labels else data.label[indices])[share.own]
            try:
                loss = objective(outputs, labels.repeat(VIEWS), share.rows(VIEWS))
            except RuntimeError:
                if not ranks.every(bool(torch.isfinite(outputs).all())):
                    _require_finite_steps(task, epoch, [*steps, (outputs.new_tensor(math.nan), indices)])
                raise
            if target is not None and decoded is not None:
                loss = loss + inputs.error(decoded.float(), target, indices, share)
            wrapped_optimizer.zero_grad()
            fabric.backward(loss)
            ranks.reduce_gradients(inputs.shared())
            wrapped_optimizer.step()
            total += loss.detach() * len(indices)
            steps.append((loss.detach(), indices))
        mean_loss = float(ranks.summed(total)) / sampler.clips_per_epoch
        if not math.isfinite(mean_loss):
            _require_finite_steps(task, epoch, steps)
        rate = sampler.clips_per_epoch / (time.perf_counter() - began)
        state.history.append(
            EpochLog("train", epoch, settings.epochs, mean_loss, float(schedule.get_last_lr()[0]), rate)
        )
        schedule.step()
        if tested is not None and _is_tested(epoch, settings.epochs):
            with inputs.whole():
                state.curve.append((epoch, tested(model)))
        task.keep(state, epoch == settings.epochs, lambda: inputs.whole(optimizer))
        task.on_epoch(state.history[-1])
        task.watch(epoch, partial(_representations, task, model.encoder))
    inputs.join()
    stage = Stage("train", settings.epochs, sampler.batch_size, settings.lr, "SGD")
    return Trained(model, state.history, state.curve, sampler.coverage, stage)


def _require_finite_steps(task: Task, epoch: int, steps: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Name the first step of an epoch, (loss, clip indices) each, whose loss is not finite, and its batch."""
    losses = task.ranks.summed(torch.stack([loss.float() for loss, _ in steps])).cpu()
    step = int((~losses.isfinite()).nonzero()[0])
    clips = task.data.batch(steps[step][1])
    size = float(clips.joints[packed_rows(clips)].abs().max())
    require_finite(
        float(losses[step]),
        "the encoder",
        epoch,
        "--lr",
        task.settings.lr,
        f", step {step + 1} (its coordinates reach {size:.3g}, metres are expected)",
        [str(name) for name in task.clips.names[steps[step][1].cpu().numpy()]],
    )


def _sgd(model: nn.Module, settings: Settings, fabric: Fabric, inputs: OwnClips) -> torch.optim.SGD:
    """SGD with momentum. A gradient that is scaled, or added up over processes, has to be formed before the step."""
    if getattr(fabric.strategy.precision, "scaler", None) is None and inputs.keeps_factors:
        return FactoredSGD(model, settings.lr, settings.momentum, settings.weight_decay)
    return torch.optim.SGD(
        model.parameters(), settings.lr, settings.momentum, weight_decay=settings.weight_decay, fused=True
    )


def _representations(task: Task, encoder: nn.Module) -> tuple[Tensor, Tensor]:
    """Of all training and all test clips, float32 on the CPU."""
    train, test = (task.outputs(encoder, task.data.batch, part) for part in (task.train, task.test))
    return train, test


def contrastive_then_probe(task: Task, variant: Variant) -> Fitted:
    """Pre-train with the contrastive objective, freeze, and fit a linear probe on the representations."""
    label = task.data.label

    def test(model: _Model) -> float:
        train, test = _representations(task, model.encoder)
        return ridge_accuracy(train, label[task.train], test, label[task.test])

    trained = train_encoder(task, variant, test)
    return _probed(task, trained.model.encoder, trained)


def random_encoder_probe(task: Task, variant: Variant) -> Fitted:
    """Control: the same probe on an encoder that was never trained."""
    torch.manual_seed(task.seed)
    encoder = _Model(variant, task.shape).encoder.to(task.fabric.device)
    return _probed(task, encoder)


def _probed(task: Task, encoder: nn.Module, trained: Trained[_Model] | None = None) -> Fitted:
    """A linear probe on an encoder's representations, and what the encoder's training showed, if it was trained."""
    probe = _probe(task, encoder)
    parameters = count_parameters(encoder) + count_parameters(probe.layer)
    return Fitted(
        _classifier(encoder, probe.layer),
        task.data.batch,
        probe.logits,
        probe.train,
        probe.test,
        test_curve=probe.curve,
        pretraining_curve=trained.curve if trained else [],
        released_score=probe.released,
        training_parameters=count_parameters(trained.model) if trained else parameters,
        coverage=trained.coverage if trained else 0,
        train_clips_per_s=trained.clips_per_s if trained else None,
        history=(trained.history if trained else []) + probe.history,
        stages=([trained.stage] if trained else []) + [probe.stage],
    )


def cross_entropy(task: Task, variant: Variant) -> Fitted:
    """The encoder with a linear classifier, trained together on the class labels."""

    def test(model: _Model) -> float:
        logits = task.outputs(_classifier(model.encoder, model.head), task.data.batch, task.test)
        return top1(logits, task.data.label[task.test])

    trained = train_encoder(task, variant, test)
    encoder, head = trained.model.encoder, trained.model.head
    train, test_representations = (
        task.outputs(encoder, task.data.batch, part) for part in (task.train, task.test)
    )
    with torch.inference_mode():
        logits = head(test_representations.to(task.fabric.device)).float().cpu()
    return Fitted(
        _classifier(encoder, head),
        task.data.batch,
        logits,
        train,
        test_representations,
        test_curve=trained.curve,
        training_parameters=count_parameters(trained.model),
        coverage=trained.coverage,
        train_clips_per_s=trained.clips_per_s,
        history=trained.history,
        stages=[trained.stage],
    )


def _is_tested(epoch: int, epochs: int) -> bool:
    return epoch % max(1, epochs // TESTS_DURING_TRAINING) == 0 or epoch == epochs


@dataclass(frozen=True)
class _Probe:
    """A linear probe and what its training showed."""

    layer: nn.Linear
    logits: Tensor
    """float32 (n_test, classes)."""
    train: Tensor
    """float32 (n_train, width), the representations it was trained on."""
    test: Tensor
    curve: list[tuple[int, float]]
    released: float | None
    history: list[EpochLog]
    stage: Stage


def _probe(task: Task, encoder: nn.Module) -> _Probe:
    """Representations once, then the linear probe; the best test top-1 over its epochs is kept apart."""
    device = task.fabric.device
    train, test = (task.outputs(encoder, task.data.batch, part) for part in (task.train, task.test))
    representations = torch.zeros(len(task.clips), train.shape[1])
    representations[task.train.cpu()] = train
    representations = representations.to(device)
    on_device, label = test.to(device), task.data.label[task.test]
    draws = task.generator()
    as_released = task.settings.sampling == "conmlp60"
    curve: list[tuple[int, float]] = []
    released = [0.0]

    def after_epoch(layer: nn.Linear) -> None:
        with torch.inference_mode():
            curve.append((len(curve) + 1, top1(layer(on_device), label)))
            if as_released:
                pool = min(task.shape.classes, len(task.test))
                drawn = torch.randint(pool, (RELEASED_DRAW,), generator=draws).to(device)
                released.append(top1(layer(on_device[drawn]), label[drawn]))

    layer, history = linear_probe(task, representations, after_epoch)
    with torch.inference_mode():
        logits = layer(on_device).float().cpu()
    stage = probe_stage(task, task.settings.probe_lr)
    return _Probe(layer, logits, train, test, curve, max(released) if as_released else None, history, stage)


def _classifier(encoder: nn.Module, head: nn.Module) -> nn.Module:
    """What a user runs: clips in, logits out; the weights are saved under these two names."""
    return nn.Sequential(OrderedDict(encoder=encoder, classifier=head))
