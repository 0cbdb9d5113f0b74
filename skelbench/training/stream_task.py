"""What the recipes on resampled clips share: the plan with the options put in, the input, the loop, the stored row."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from skelbench.data.clips import Clips, Skeleton
from skelbench.models.heads import Centred
from skelbench.models.stream_shape import StreamEncoder
from skelbench.parallel.norm import synchronised
from skelbench.parallel.shares import Share
from skelbench.runs.results import Stage
from skelbench.training.built import BuiltFrom
from skelbench.training.checkpoint import LoopState
from skelbench.training.dataset import PackedDataset
from skelbench.training.log import EpochLog, require_finite
from skelbench.training.plan import Plan
from skelbench.training.sampling import Sampler
from skelbench.training.settings import Settings
from skelbench.training.streams import Axes, StreamInput
from skelbench.training.task import Fitted, Model, Task, Trained, count_parameters
from skelbench.training.trained import Batch, Inputs
from skelbench.training.variant import Variant, resolve

WARM_UP = 0.1
# The rate of the first and of the last step, as shares of the highest.
FIRST_RATE, LAST_RATE = 0.05, 0.0005
# How often the test split is looked at for the curves; nothing is chosen by them.
TESTS_DURING_TRAINING = 20
_AXES = "streams.axes"

Objective = Callable[[nn.Module, Tensor, torch.Generator, Share], Tensor]
"""`objective(model, indices, generator, share)`: this process's part of the loss of the batch at `indices`."""


def plan_of(variant: Variant, settings: Settings) -> Plan:
    """The row's plan, with the options that are set in the place of its own."""
    assert variant.plan is not None
    given: dict[str, Any] = {
        "epochs": settings.stream_epochs,
        "lr": settings.stream_lr,
        "batch_size": settings.stream_batch_size,
        "frames": settings.stream_frames,
        "temperature": settings.temperature,
        "predict": settings.stream_predict,
    }
    if settings.stream_strength is not None:
        given["augmentation"] = variant.plan.augmentation.scaled(settings.stream_strength)
    if settings.stream is not None:
        # What others call the joint stream are positions from the root in the first frame.
        given["streams"] = ("position" if settings.stream == "joint" else settings.stream,)
    return replace(variant.plan, **{name: value for name, value in given.items() if value is not None})


class StreamTask:
    """A task as its recipe on resampled clips sees it."""

    def __init__(self, task: Task, variant: Variant) -> None:
        self.task = task
        self.variant = variant
        self.plan = plan_of(variant, task.settings)
        self.axes = Axes.of(task.clips, task.train.cpu().numpy())
        self.input = StreamInput(task.clips.skeleton, self.plan, self.axes, task.shape.max_bodies)
        self.shape = self.input.shape(task.shape.classes)

    def encoder(self) -> StreamEncoder:
        """The row's encoder: with fresh weights, which follow torch's random state, or those that the task names."""
        assert self.variant.encoder is not None
        encoder: StreamEncoder = resolve(self.variant.encoder)(self.shape)
        if self.task.initial:
            self.task.initial.load_into(encoder)
        return encoder

    def batch(self, indices: Tensor) -> Tensor:
        """The clips at `indices` as they are."""
        return self.input.plain(self.task.data.batch(indices))

    def view(self, indices: Tensor, generator: torch.Generator, hidden: Tensor | None = None) -> Tensor:
        """A random view of each clip at `indices`; joints at `hidden`, bool (B, M, J), lie at the root."""
        return self.input.view(self.task.data.batch(indices), generator, hidden)

    def representations(self, encoder: StreamEncoder) -> tuple[Tensor, Tensor]:
        """Of all training and all test clips, float32 on the CPU."""
        parts = self.task.train, self.task.test
        train, test = (self.task.outputs(encoder, self.batch, part) for part in parts)
        return train, test

    def is_tested(self, epoch: int) -> bool:
        """Whether the curves have this epoch."""
        epochs = self.plan.epochs
        return epoch % max(1, epochs // TESTS_DURING_TRAINING) == 0 or epoch == epochs

    def fitted(
        self, encoder: StreamEncoder, classifier: nn.Linear, trained: Trained[Any] | None = None
    ) -> Fitted:
        """The finished row: centred representations, logits of the test split, and what training showed."""
        train, test = self.representations(encoder)
        device = self.task.fabric.device
        mean = train.mean(0)
        with torch.no_grad():
            moved = nn.Linear(classifier.in_features, classifier.out_features, device=device)
            moved.weight.copy_(classifier.weight)
            moved.bias.copy_(classifier.bias + classifier.weight @ mean.to(device))
            logits = classifier(test.to(device)).float().cpu()
        module = nn.Sequential(OrderedDict(encoder=Centred(encoder, mean.to(device)), classifier=moved))
        axes = torch.tensor([self.axes.up, self.axes.unit], dtype=torch.float64)
        return Fitted(
            module,
            self.batch,
            logits,
            train - mean,
            test - mean,
            tables={_AXES: axes},
            training_parameters=count_parameters(trained.model if trained else module),
            coverage=trained.coverage if trained else len(self.task.train),
            train_clips_per_s=trained.clips_per_s if trained else None,
            history=trained.history if trained else [],
            stages=[trained.stage] if trained else [],
        )


def descend(
    streams: StreamTask,
    model: Model,
    objective: Objective,
    tested: Callable[[int, Model], float | None],
) -> Trained[Model]:
    """Train `model` by the plan; an epoch is one pass over the training clips. Resumes from the task's checkpoint.

    Args:
        streams: the task.
        model: everything that is trained.
        objective: loss of a batch, or this process's part of it.
        tested: test top-1 of an epoch's model, or None.

    Raises:
        TrainingError: the loss is not finite.
    """
    task, plan, fabric = streams.task, streams.plan, streams.task.fabric
    ranks = task.ranks
    generator = task.generator()
    synchronised(model, ranks)
    # Moved first: the mean of the weights is a copy on the same device.
    model.to(fabric.device)
    mean = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(plan.average), use_buffers=True)
    optimizer = _adamw(model, plan)
    sampler = Sampler(task.train, plan.batch_size, task.settings.sampling, task.shape.classes, generator)
    steps = plan.epochs * -(-sampler.clips_per_epoch // sampler.batch_size)
    schedule = WarmUpCosine(optimizer, steps)
    wrapped, wrapped_optimizer = fabric.setup(model, optimizer)
    kept = nn.ModuleDict({"last": model, "mean": mean}) if plan.average else model
    state = LoopState(kept, optimizer, schedule, fabric, generator, sampler)
    finished = task.checkpoint.restore(state) if task.checkpoint else 0
    for epoch in range(finished + 1, plan.epochs + 1):
        wrapped.train()
        ranks.same_random_state()
        began, total = time.perf_counter(), torch.zeros((), device=fabric.device)
        rate = float(schedule.get_last_lr()[0])
        for indices in sampler.epoch():
            loss = objective(wrapped, indices, generator, ranks.share(len(indices)))
            wrapped_optimizer.zero_grad()
            fabric.backward(loss)
            ranks.reduce_gradients(model.parameters())
            fabric.clip_gradients(
                wrapped, wrapped_optimizer, max_norm=plan.clip_norm, error_if_nonfinite=False
            )
            wrapped_optimizer.step()
            schedule.step()
            if plan.average:
                mean.update_parameters(model)
            total += loss.detach() * len(indices)
        loss_of_epoch = float(ranks.summed(total)) / sampler.clips_per_epoch
        require_finite(loss_of_epoch, streams.variant.key, epoch, "--stream-lr", plan.lr)
        clips_per_s = sampler.clips_per_epoch / (time.perf_counter() - began)
        state.history.append(EpochLog("train", epoch, plan.epochs, loss_of_epoch, rate, clips_per_s))
        finished_model = cast(Model, mean.module) if plan.average else model
        if streams.is_tested(epoch) and (accuracy := tested(epoch, finished_model)) is not None:
            state.curve.append((epoch, accuracy))
        task.keep(state, epoch == plan.epochs)
        task.on_epoch(state.history[-1])
        encoder = cast(StreamEncoder, finished_model.encoder)
        task.watch(epoch, partial(streams.representations, encoder))
    stage = Stage("train", plan.epochs, sampler.batch_size, plan.lr, "AdamW")
    last = cast(Model, mean.module) if plan.average else model
    return Trained(last, state.history, state.curve, sampler.coverage, stage)


def _adamw(model: nn.Module, plan: Plan) -> torch.optim.AdamW:
    """AdamW; biases, norms and other vectors do not decay."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": plan.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, plan.lr)


class WarmUpCosine(torch.optim.lr_scheduler.LRScheduler):
    """The rate of each step: up to the optimizer's own along a half cosine, then down along another."""

    def __init__(self, optimizer: torch.optim.Optimizer, steps: int) -> None:
        self.steps = steps
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """Rates of the parameter groups at this step."""
        done = self.last_epoch / max(1, self.steps - 1)
        if done < WARM_UP:
            begin, end, part = FIRST_RATE, 1.0, done / WARM_UP
        else:
            begin, end, part = 1.0, LAST_RATE, min(1.0, (done - WARM_UP) / (1 - WARM_UP))
        share = end + (begin - end) * (1 + math.cos(math.pi * part)) / 2
        return [share * rate for rate in self.base_lrs]


def restore(variant: Variant, built: BuiltFrom, weights: dict[str, Tensor]) -> tuple[nn.Sequential, Inputs]:
    """A stored row: its encoder and classifier, and how clips become their input."""
    plan = plan_of(variant, Settings(**built.settings))
    up, unit = weights.pop(_AXES).tolist()
    axes, bodies = Axes(int(up), unit), built.shape["max_bodies"]
    shape = StreamInput(built.skeleton, plan, axes, bodies).shape(built.shape["classes"])
    assert variant.encoder is not None
    mean = weights["encoder.mean"]
    encoder = Centred(resolve(variant.encoder)(shape), torch.zeros_like(mean))
    model = nn.Sequential(OrderedDict(encoder=encoder, classifier=nn.Linear(len(mean), shape.classes)))
    model.load_state_dict(weights)

    return model, StreamInputs(plan, axes, bodies)


@dataclass(frozen=True)
class StreamInputs:
    """How clips become the input of a stored row."""

    plan: Plan
    axes: Axes
    bodies: int

    def stream_input(self, skeleton: Skeleton) -> StreamInput:
        """The row's input pipeline."""
        return StreamInput(skeleton, self.plan, self.axes, self.bodies)

    def __call__(self, clips: Clips, device: torch.device) -> Batch:
        """Batches of streams of these clips."""
        dataset, stream_input = PackedDataset(clips, device), self.stream_input(clips.skeleton)
        return lambda indices: stream_input.plain(dataset.batch(indices))
