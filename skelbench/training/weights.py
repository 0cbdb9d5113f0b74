"""Stored weights: safetensors with, in the metadata, all that is needed to build the encoder again.

encoder = skelbench.load("runs/one", "conmlp-supcon")
encoder.represent("nw_ucla.npz")        # float32 (clips, 256)
"""

from __future__ import annotations

import json
import os
import pkgutil
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

import skelbench
from skelbench import data as clip_data
from skelbench.data.clips import Clips, DataError
from skelbench.models.conmlp import InputShape
from skelbench.training.dataset import PackedDataset
from skelbench.training.task import Fitted, Task, in_batches

if TYPE_CHECKING:
    from skelbench.variants import Variant

FORMAT = 1
Batch = Callable[[Tensor], Any]  #: clip indices -> the model's input
Inputs = Callable[[Clips, torch.device], Batch]


@dataclass(frozen=True)
class BuiltFrom:
    """What a weights file says of itself."""

    variant: str
    seed: int
    encoder: str | None  #: "module:name" of an encoder of packed clips; None where the variant has none
    shape: dict[str, int]  #: fields of InputShape
    joint_names: list[str]
    class_names: list[str]
    align: str  #: how clips were turned before training
    dataset: str
    data_sha256: str
    settings: dict[str, Any]
    version: str  #: of skelbench
    restore: str | None = None  #: "module:name" of what makes another kind of model again
    edges: list[list[int]] = field(default_factory=list)  #: bones of the skeleton: child, parent
    format: int = FORMAT


def save(fitted: Fitted, variant: Variant, task: Task, align: str, path: Path) -> None:
    """The classifier of a fitted variant, with what built it."""
    learned = fitted.inference.state_dict() | fitted.tables
    weights = {key: value.detach().contiguous().cpu() for key, value in learned.items()}
    built = BuiltFrom(
        variant=variant.key,
        seed=task.seed,
        encoder=variant.encoder,
        shape=asdict(task.shape),
        joint_names=list(task.clips.skeleton.joint_names),
        class_names=list(task.clips.class_names),
        align=align,
        dataset=task.clips.dataset,
        data_sha256=task.clips.content_hash,
        settings=asdict(task.settings),
        version=skelbench.__version__,
        restore=variant.restore,
        edges=[list(edge) for edge in task.clips.skeleton.edges],
    )
    save_file(weights, path, metadata={"skelbench": json.dumps(asdict(built))})


#: Encoder and classifier of a weights file, and how clips become their input. KeyError or RuntimeError: no fit.
Restore = Callable[[BuiltFrom, dict[str, Tensor]], tuple[nn.Sequential, Inputs]]


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

    def represent(self, clips: Clips | str | os.PathLike[str]) -> NDArray[np.float32]:
        """Representations float32 (N, width) of N clips, given as read or as a path of any known format.

        Clips are moved to their origin and turned as the training clips were.

        Raises:
            DataError: another skeleton, a clip longer or with more bodies than the encoder takes, or a file that
                cannot be read.
        """
        return self._run(self.model[0], clips)

    def classify(self, clips: Clips | str | os.PathLike[str]) -> NDArray[np.float32]:
        """Logits float32 (N, classes); the same conditions as `represent`."""
        return self._run(self.model, clips)

    def _run(self, module: nn.Module, clips: Clips | str | os.PathLike[str]) -> NDArray[np.float32]:
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
                    f"leave out what is over"
                )


def load(run: str | os.PathLike[str], variant: str, seed: int | None = None, device: str = "cpu") -> Encoder:
    """The encoder that a run trained.

    Args:
        run: output folder of `python -m skelbench.eval`.
        variant: key of the variant, "conmlp-supcon" for instance.
        seed: which of its seeds; None takes the smallest.
        device: where it shall run.

    Raises:
        ValueError: no such weights, or a file that this version cannot read; the message says what there is.
    """
    folder = Path(run) / "weights"
    found = {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
    seeds = sorted(int(stem.removeprefix(f"{variant}-seed")) for stem in found if _is_seed(stem, variant))
    if not seeds or (seed is not None and seed not in seeds):
        have = ", ".join(found) or "nothing"
        wanted = variant if seed is None else f"{variant} with seed {seed}"
        raise ValueError(f"{folder} has no weights of {wanted}; it has {have}")
    path = found[f"{variant}-seed{seeds[0] if seed is None else seed}"]
    built, weights = _read(path)
    if built.encoder is None and built.restore is None:
        raise ValueError(f"{path}: {variant} has no encoder of clips")
    restore: Restore = pkgutil.resolve_name(built.restore) if built.restore else _restore_encoder
    try:
        model, inputs = restore(built, weights)
    except (RuntimeError, KeyError) as error:
        raise ValueError(f"{path} does not fit skelbench {skelbench.__version__}: {error}") from error
    return Encoder(model, inputs, built, torch.device(device))


def _restore_encoder(built: BuiltFrom, weights: dict[str, Tensor]) -> tuple[nn.Sequential, Inputs]:
    """An encoder of packed clips and its linear classifier."""
    shape = InputShape(**built.shape)
    encoder = pkgutil.resolve_name(str(built.encoder))(shape)
    model = nn.Sequential(
        OrderedDict(encoder=encoder, classifier=nn.Linear(int(encoder.width), shape.classes))
    )
    model.load_state_dict(weights)

    def inputs(clips: Clips, device: torch.device) -> Batch:
        dataset = PackedDataset(clips, device)
        dataset.shape = shape
        return dataset.batch

    return model, inputs


def _is_seed(stem: str, variant: str) -> bool:
    return stem.startswith(f"{variant}-seed") and stem.removeprefix(f"{variant}-seed").isdigit()


def _read(path: Path) -> tuple[BuiltFrom, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            raw = json.loads((file.metadata() or {})["skelbench"])
            if raw["format"] > FORMAT:
                raise ValueError(
                    f"{path} was written by skelbench {raw['version']}, newer than this one: upgrade"
                )
            return BuiltFrom(**raw), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read as weights of skelbench: {error}") from error
