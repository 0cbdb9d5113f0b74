"""Stored weights: safetensors with, in the metadata, what is needed to build the model again.

The file holds no code, and no name in it is imported: the model's classes are those of the registry's row.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from skelbench.data.clips import Clips
from skelbench.models.conmlp import InputShape
from skelbench.training.built import BuiltFrom, WeightsError, read
from skelbench.training.dataset import PackedDataset
from skelbench.training.packed_stream import as_stream
from skelbench.training.settings import Settings
from skelbench.training.task import Fitted, Task
from skelbench.training.tensors import save_tensors
from skelbench.training.trained import Batch, Encoder, Inputs
from skelbench.training.variant import Variant, name_of, resolve


def save(fitted: Fitted, variant: Variant, task: Task, align: str, path: Path) -> None:
    """Write the classifier of a fitted variant, with what built it.

    Raises:
        FileError: the file cannot be written.
    """
    built = BuiltFrom(
        variant=variant.key,
        seed=task.seed,
        encoder=name_of(variant.encoder),
        shape=asdict(task.shape),
        joint_names=list(task.clips.skeleton.joint_names),
        class_names=list(task.clips.class_names),
        align=align,
        dataset=task.clips.dataset,
        data_sha256=task.clips.content_hash,
        settings=asdict(task.settings),
        version=version("skelbench"),
        restore=name_of(variant.restore),
        edges=[list(edge) for edge in task.clips.skeleton.edges],
        root=task.clips.skeleton.root,
        unit=task.clips.unit,
        init=task.initial.name if task.initial else "",
    )
    save_tensors(path, fitted.inference.state_dict() | fitted.tables, asdict(built))


Restore = Callable[[Variant, BuiltFrom, dict[str, Tensor]], tuple[nn.Sequential, Inputs]]
"""Encoder and classifier of a weights file, and how clips become their input. KeyError, RuntimeError: no fit."""


def load(path: Path, variant: Variant, device: str = "cpu") -> Encoder:
    """The encoder in a weights file.

    Args:
        path: written by `save`.
        variant: the row that was trained; it says which classes are built.
        device: where it shall run.

    Raises:
        WeightsError: the file cannot be read, does not fit the row, or the row has no encoder of clips.
    """
    built, weights = read(path)
    if variant.encoder is None and variant.restore is None:
        raise WeightsError(f"{path}: {variant.key} has no encoder of clips")
    try:
        model, inputs = restored(variant, built, weights)
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path} does not fit {variant.key} of this version: {reason}") from error
    return Encoder(model, inputs, built, torch.device(device))


def restored(variant: Variant, built: BuiltFrom, weights: dict[str, Tensor]) -> tuple[nn.Sequential, Inputs]:
    """Encoder and classifier from the tensors of a weights file, see `Restore`."""
    restore: Restore = resolve(variant.restore) if variant.restore else _restore_encoder
    return restore(variant, built, weights)


def _restore_encoder(
    variant: Variant, built: BuiltFrom, weights: dict[str, Tensor]
) -> tuple[nn.Sequential, Inputs]:
    """An encoder of packed clips and its linear classifier."""
    assert variant.encoder is not None
    shape = InputShape(**built.shape)
    make = resolve(variant.encoder)

    def build() -> nn.Sequential:
        encoder = make(shape)
        classifier = nn.Linear(int(encoder.width), shape.classes)
        return nn.Sequential(OrderedDict(encoder=encoder, classifier=classifier))

    # On the meta device the shapes are held against the file's tensors before anything is allocated.
    with torch.device("meta"):
        model = build()
    model.load_state_dict(weights, assign=True)
    if any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
        # A buffer that is not stored: the encoder makes it itself.
        model = build()
        model.load_state_dict(weights)

    stream = Settings(**built.settings).stream

    def inputs(clips: Clips, device: torch.device) -> Batch:
        return PackedDataset(as_stream(clips, stream), device, shape).batch

    return model, inputs
