"""Late fusion as a row of its own: its members are trained in turn as they are alone, and their probabilities added."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from skelbench.data.clips import Clips
from skelbench.errors import SkelbenchError
from skelbench.models.fused import FusedClassifier, FusedEncoder
from skelbench.training.built import BuiltFrom
from skelbench.training.dataset import PackedDataset
from skelbench.training.log import EpochLog
from skelbench.training.packed_stream import as_stream
from skelbench.training.task import Fitted, Task
from skelbench.training.trained import Batch, Inputs
from skelbench.training.variant import Member, Variant
from skelbench.training.weights import restored


class FusionError(SkelbenchError):
    """A row that cannot be fused; one line."""


def late_fusion(task: Task, variant: Variant) -> Fitted:
    """Train the row's members with the task's seed and fuse them; one that the task has trained is taken as it is.

    A training that was stopped goes on at the member that it had come to. Curves over epochs are the members' own: the
    fusion is there when the last of them is trained.

    Raises:
        FusionError: a member whose recipe gives no encoder with a linear classifier.
        TrainingError: a member's loss is not finite.
    """
    found = [_trained(task, member) for member in variant.members]
    model = _fused([cast(nn.Sequential, one.inference) for one in found])

    def batch(indices: Tensor) -> list[object]:
        return [one.batch(indices) for one in found]

    rates = [one.train_clips_per_s for one in found]
    return Fitted(
        model,
        batch,
        task.outputs(model, batch, task.test),
        task.outputs(model[0], batch, task.train),
        task.outputs(model[0], batch, task.test),
        tables={
            f"{_prefix(place)}{name}": table
            for place, one in enumerate(found)
            for name, table in one.tables.items()
        },
        training_parameters=sum(one.training_parameters for one in found),
        coverage=min(one.coverage for one in found),
        train_clips_per_s=1 / sum(1 / rate for rate in rates if rate) if all(rates) else None,
        history=[log for one in found for log in one.history],
        stages=[stage for one in found for stage in one.stages],
        taken_s=sum(one.taken_s for one in found),
        notes=[note for one in found for note in one.notes],
    )


def _trained(task: Task, member: Member) -> Fitted:
    """A member as its row is trained alone; what it tells carries its name."""
    settings = replace(task.settings, stream=member.stream or task.settings.stream)
    data = task.data
    if member.row.plan is None and (clips := as_stream(task.clips, settings.stream)) is not task.clips:
        data = PackedDataset(clips, task.fabric.device, task.shape)

    def named(stage: str) -> str:
        return member.name if stage == "train" else f"{member.name} {stage}"

    def on_epoch(log: EpochLog) -> None:
        task.on_epoch(replace(log, stage=named(log.stage)))

    checkpoint = task.checkpoint and task.checkpoint.part(member.name)
    found = None if member.stream else task.trained(member.row)
    found = found or member.row.fit(
        replace(task, settings=settings, data=data, checkpoint=checkpoint, on_epoch=on_epoch)
    )
    if task.checkpoint and checkpoint:
        task.checkpoint.notes += checkpoint.notes
    parts = list(found.inference.children())
    if len(parts) != 2 or not isinstance(parts[1], nn.Linear) or found.train_representations is None:
        raise FusionError(f"{member.name} gives no encoder with a linear classifier: it cannot be fused")
    return replace(
        found,
        history=[replace(log, stage=named(log.stage)) for log in found.history],
        stages=[replace(stage, name=named(stage.name)) for stage in found.stages],
        notes=[f"{member.name}: {note}" for note in found.notes],
    )


def _fused(models: Sequence[nn.Sequential]) -> nn.Sequential:
    encoder = FusedEncoder([model[0] for model in models])
    classifier = FusedClassifier([cast(nn.Linear, model[1]) for model in models])
    return nn.Sequential(OrderedDict(encoder=encoder, classifier=classifier))


def _prefix(place: int) -> str:
    """Of a member's weights, behind `encoder.` and `classifier.`, and of its tables."""
    return f"members.{place}."


def restore(variant: Variant, built: BuiltFrom, weights: dict[str, Tensor]) -> tuple[nn.Sequential, Inputs]:
    """A stored row: its members, each restored as it is alone."""
    models, inputs = [], []
    for place, member in enumerate(variant.members):
        prefix = _prefix(place)
        own = {name.replace(prefix, "", 1): value for name, value in weights.items() if _is_of(prefix, name)}
        settings = built.settings | ({"stream": member.stream} if member.stream else {})
        model, given = restored(member.row, replace(built, settings=settings), own)
        models.append(model)
        inputs.append(given)
    return _fused(models), FusedInputs(tuple(inputs))


def _is_of(prefix: str, name: str) -> bool:
    return name.startswith((prefix, f"encoder.{prefix}", f"classifier.{prefix}"))


@dataclass(frozen=True)
class FusedInputs:
    """How clips become the inputs of a stored row's members."""

    members: tuple[Inputs, ...]

    def __call__(self, clips: Clips, device: torch.device) -> Batch:
        """Batches with an input for each member."""
        batches = [inputs(clips, device) for inputs in self.members]
        return lambda indices: [batch(indices) for batch in batches]
