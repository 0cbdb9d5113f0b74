"""Stored weights: safetensors with, in the metadata, what is needed to build the model again.

The file holds no code, and no name in it is imported: the model's classes are those of the registry's row.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skelbench import data as clip_data
from skelbench.data.clips import Clips, DataError
from skelbench.errors import SkelbenchError
from skelbench.models.conmlp import InputShape
from skelbench.training.dataset import PackedDataset
from skelbench.training.task import Fitted, Task, in_batches
from skelbench.training.tensors import TensorFileError, load_tensors, save_tensors
from skelbench.training.variant import Variant, name_of, resolve

FORMAT = 1
Batch = Callable[[Tensor], Any]
"""Clip indices -> the model's input."""
Inputs = Callable[[Clips, torch.device], Batch]
ClipSource = Clips | str | os.PathLike[str]


class WeightsError(SkelbenchError):
    """Weights that cannot be used; one line that names the file."""


@dataclass(frozen=True)
class BuiltFrom:
    """What a weights file says of itself."""

    variant: str
    seed: int
    encoder: str | None
    """Name of the encoder's class, to be read; None where the variant has none."""
    shape: dict[str, int]
    """Fields of InputShape."""
    joint_names: list[str]
    class_names: list[str]
    align: str
    """How clips were turned before training."""
    dataset: str
    data_sha256: str
    settings: dict[str, Any]
    version: str
    """Of skelbench."""
    restore: str | None = None
    """Name of what makes another kind of model again, to be read."""
    edges: list[list[int]] = field(default_factory=list)
    """Bones of the skeleton: child, parent."""
    format: int = FORMAT


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
    )
    save_tensors(path, fitted.inference.state_dict() | fitted.tables, asdict(built))


Restore = Callable[[Variant, BuiltFrom, dict[str, Tensor]], tuple[nn.Sequential, Inputs]]
"""Encoder and classifier of a weights file, and how clips become their input. KeyError, RuntimeError: no fit."""


class Encoder:
    """A trained encoder and its classifier, ready for clips of the skeleton it was trained on."""

    def __init__(self, model: nn.Sequential, inputs: Inputs, built: BuiltFrom, device: torch.device) -> None:
        self.model = model.to(device).eval()
        self.inputs = inputs
        self.built = built
        self.device = device

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `classify`'s columns."""
        return tuple(self.built.class_names)

    def represent(self, clips: ClipSource) -> NDArray[np.float32]:
        """Representations float32 (N, width) of N clips, given as read or as a path of any known format.

        Clips are moved to their origin and turned as the training clips were.

        Raises:
            DataError: another skeleton, a clip longer or with more bodies than the encoder takes, or a file that
                cannot be read.
        """
        return self._run(self.model[0], clips)

    def classify(self, clips: ClipSource) -> NDArray[np.float32]:
        """Logits float32 (N, classes); the same conditions as `represent`."""
        return self._run(self.model, clips)

    def _run(self, module: nn.Module, clips: ClipSource) -> NDArray[np.float32]:
        if not isinstance(clips, Clips):
            clips = clip_data.load(clips)
        self._check(clips)
        clips = clip_data.preprocess(clips, align=self.built.align)
        batch = self.inputs(clips, self.device)
        return in_batches(module, batch, torch.arange(len(clips), device=self.device)).numpy()

    def _check(self, clips: Clips) -> None:
        shape, who = self.built.shape, f"{self.built.variant} of {self.built.dataset}"
        if clips.joints.shape[1] != shape["joints"]:
            raise DataError(
                f"{clips.source}: {clips.joints.shape[1]} joints, but {who} takes {shape['joints']}"
            )
        for count, most, what in (
            (clips.frames, shape["length"], "frames"),
            (clips.bodies, shape["max_bodies"], "bodies"),
        ):
            if (count > most).any():
                worst = int(count.argmax())
                raise DataError(
                    f"{clips.source}: clip {clips.names[worst]} has {count[worst]} {what}, {who} takes at most {most}: "
                    f"leave out the {what} beyond that"
                )


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
    restore: Restore = resolve(variant.restore) if variant.restore else _restore_encoder
    try:
        model, inputs = restore(variant, built, weights)
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path} does not fit {variant.key} of this version: {reason}") from error
    return Encoder(model, inputs, built, torch.device(device))


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

    def inputs(clips: Clips, device: torch.device) -> Batch:
        return PackedDataset(clips, device, shape).batch

    return model, inputs


def read(path: Path) -> tuple[BuiltFrom, dict[str, Tensor]]:
    """What a weights file says of itself, and its tensors.

    Raises:
        WeightsError: the file is missing, damaged, or newer than this version.
    """
    try:
        tensors, raw = load_tensors(path)
        if raw["format"] > FORMAT:
            raise WeightsError(
                f"{path} was written by skelbench {raw['version']}, newer than this one: upgrade"
            )
        built = BuiltFrom(**raw)
    except TensorFileError as error:
        raise WeightsError(f"{path} cannot be read as weights of skelbench: {error}") from error
    except (KeyError, TypeError) as error:
        raise WeightsError(
            f"{path} cannot be read as weights of skelbench: its record lacks {error}"
        ) from error
    bad = [
        name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    if bad:
        raise WeightsError(f"{path}: {bad[0]} holds numbers that are not finite")
    return built, tensors
