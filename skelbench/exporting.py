"""`skelbench export`: a trained encoder as ONNX or as a torch.export program, which need no skelbench.

What is written is a plain-torch twin of the encoder, without the project's ops: it takes padded arrays where the
encoder takes packed clips. The two are held against each other before the file is called done.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from skelbench import data as clip_data
from skelbench import ops
from skelbench.data.clips import Clips
from skelbench.data.packing import offsets_of
from skelbench.errors import SkelbenchError
from skelbench.models.ragged_input import RaggedInput
from skelbench.models.recurrent import SequenceClassifier
from skelbench.models.wl_bag import WLBagGRU
from skelbench.training.augmentation import plain_times
from skelbench.training.stream_task import StreamInputs
from skelbench.training.streams import StreamInput, level
from skelbench.training.trained import Encoder

SUFFIXES = (".onnx", ".pt2")
OPSET = 18
TOLERANCE = 1e-5
"""Largest difference from the encoder, as a share of the largest output."""
CLIPS = 32
"""Clips on which the two are compared."""


class ExportError(SkelbenchError):
    """A model that cannot be exported, or a file that does not compute what the model computes."""


@dataclass(frozen=True)
class Exported:
    """A written file."""

    path: Path
    inputs: dict[str, str]
    """Shape of each input, by name."""
    bytes: int
    clips: int
    """Clips on which it was compared with the encoder."""
    difference: float
    """Largest difference of an output from the encoder's, as a share of the encoder's largest output."""


@dataclass(frozen=True)
class _Twin:
    module: nn.Module
    """Tensors -> (logits, representation)."""
    inputs: Callable[[Clips], dict[str, Tensor]]
    """What the module takes for preprocessed clips."""
    shapes: dict[str, tuple[str | int, ...]]
    """Of the inputs: a name is a size that may change, the first is always the number of clips."""


def export(
    encoder: Encoder, path: str | os.PathLike[str], clips: Clips | str | os.PathLike[str] | None = None
) -> Exported:
    """Write an encoder and its classifier, and compare the file with it.

    The model takes clips as `skelbench.data.preprocess` gives them, moved to their origin and turned as the training
    clips were (under `--stream`, their bones or motion), and padded with zeros: `joints` float32
    (clips, frames, bodies, J, 3), and for rows on resampled clips also `frames` int64 (clips,). The recurrent rows of
    graph2vec take `vectors` (clips, windows, width), wl-bag-gru takes `rows` int64 (clips, windows, tokens): their
    graphs are made by skelbench. The number of clips may change, and that of frames where clips are resampled;
    elsewhere a clip is padded to the encoder's own length. It returns `logits` (clips, classes) and `representation`
    (clips, width). What a user of the file has to know (names of joints and classes, unit, alignment) stands in the
    file's metadata under "skelbench".

    Args:
        encoder: from `skelbench.load`.
        path: `.onnx` (needs the extra `export`), or `.pt2` for `torch.export.load`.
        clips: on which the two are compared; None makes some up.

    Raises:
        ExportError: another suffix, a missing package, a model without a plain twin, or outputs that differ by more
            than `TOLERANCE`; the file is then not left behind.
        DataError: clips that the encoder does not take.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ExportError(f"{path}: the file must end in {' or '.join(SUFFIXES)}")
    if path.suffix == ".onnx":
        _require_packages()
    twin = _twin(encoder)
    if clips is None:
        clips = _made_up_clips(encoder)
    elif not isinstance(clips, Clips):
        clips = clip_data.load_recordings([clips])
    clips = clips.select(np.arange(min(CLIPS, len(clips))))
    wanted = encoder.classify(clips), encoder.represent(clips)
    given = twin.inputs(clip_data.preprocess(clips, align=encoder.built.align))
    temporary = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        _write(twin, given, temporary, _facts(encoder))
        found = _run(temporary, given)
        difference = max(
            float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
            for a, b in zip(found, wanted, strict=True)
        )
        if not difference <= TOLERANCE:
            raise ExportError(
                f"{path}: the exported {encoder.built.variant} differs from the model by {difference:.1e} of its "
                f"largest output, {TOLERANCE:.0e} is allowed: nothing was written"
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    shapes = {name: f"({', '.join(str(size) for size in shape)})" for name, shape in twin.shapes.items()}
    return Exported(path, shapes, path.stat().st_size, len(clips), difference)


class _Padded(nn.Module):
    """An encoder of packed clips and its classifier, on padded rows."""

    def __init__(self, model: nn.Sequential) -> None:
        super().__init__()
        self.encoder, self.classifier = model[0], model[1]
        for parent in list(self.encoder.modules()):
            for name, layer in list(parent.named_children()):
                if isinstance(layer, RaggedInput):
                    setattr(parent, name, _PaddedInput(layer))

    def forward(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and representations of joints (N, T, M, J, 3)."""
        representation = self.encoder(joints.flatten(1))
        return self.classifier(representation), representation


class _PaddedInput(nn.Module):
    """`RaggedInput` on padded rows."""

    def __init__(self, layer: RaggedInput) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, rows: Tensor) -> Tensor:
        """Outputs (N, out) of rows (N, numbers)."""
        return F.linear(rows, self.weight, self.bias)


class _Resampled(nn.Module):
    """An encoder of resampled clips and its classifier, on padded clips: the input pipeline comes along."""

    def __init__(self, model: nn.Sequential, stream: StreamInput) -> None:
        super().__init__()
        self.encoder, self.classifier, self.stream = model[0], model[1], stream

    def forward(self, joints: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and representations of joints (N, T, M, J, 3), of which frames (N,) are a clip's."""
        positions, present = self.sample(joints, frames)
        positions = level(positions / self.stream.axes.unit, present, self.stream.axes.up, self.stream.joints)
        representation = self.encoder(self.stream.channels(positions, present))
        return self.classifier(representation), representation

    def sample(self, joints: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """`skelbench.training.streams.resample` on padded clips."""
        last = (frames - 1)[:, None]
        at = plain_times(1, self.stream.plan.frames).to(joints.device) * last
        first = torch.minimum(at.floor().to(torch.int64), last)
        second = torch.minimum(first + 1, last)
        share = (at - first).to(joints.dtype)[:, None]
        clip = torch.arange(joints.shape[0], device=joints.device)[:, None]

        def those(index: Tensor) -> tuple[Tensor, Tensor]:
            found = joints[clip, index].transpose(1, 2)
            return found, (found != 0).flatten(3).any(3)

        (before, before_there), (after, after_there) = those(first), those(second)
        left, right = (1 - share) * before_there, share * after_there
        total = left + right
        present = total > 0
        total = torch.where(present, total, 1.0)
        return (left / total)[..., None, None] * before + (right / total)[..., None, None] * after, present


class _Sequence(nn.Module):
    """A recurrent classifier, on sequences of vectors."""

    def __init__(self, model: nn.Sequential) -> None:
        super().__init__()
        self.encoder, self.classifier = model[0], model[1]

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and representations of vectors (N, W, width)."""
        representation = self.encoder(vectors)
        return self.classifier(representation), representation


class _Bags(nn.Module):
    """wl-bag on rows of its table."""

    weight: Tensor

    def __init__(self, model: nn.Sequential) -> None:
        super().__init__()
        bag, self.classifier = model[0], model[1]
        assert isinstance(bag, WLBagGRU)
        self.table = nn.Parameter(bag.embedding.detach() * (bag.known > 0)[:, None])
        nodes = len(bag.indptr) - 1
        weight = (bag.depth_weight.detach().flatten() * bag.scale).repeat_interleave(nodes)
        self.register_buffer("weight", weight[:, None])
        self.norm, self.recurrent = bag.norm, bag.recurrent

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and representations of table rows (N, W, tokens)."""
        bags = (self.table[rows] * self.weight).sum(2)
        states, _ = self.recurrent(self.norm(bags))
        representation = states.mean(1)
        return self.classifier(representation), representation


def _twin(encoder: Encoder) -> _Twin:
    """The plain-torch twin of a model on the CPU."""
    # A copy: the encoder stays where it runs, and as it is.
    model, shape = copy.deepcopy(encoder.model).cpu().eval(), encoder.built.shape
    length, bodies, joints = shape["length"], shape["max_bodies"], shape["joints"]
    device = torch.device("cpu")
    if isinstance(encoder.inputs, StreamInputs):
        stream = encoder.inputs.stream_input(encoder.built.skeleton, device)

        def clips_and_frames(clips: Clips) -> dict[str, Tensor]:
            return {"joints": _padded(clips, bodies), "frames": torch.from_numpy(clips.frames)}

        shapes = {"joints": ("clips", "frames", bodies, joints, 3), "frames": ("clips",)}
        return _Twin(_Resampled(model, stream).eval(), clips_and_frames, shapes)
    if isinstance(model[0], (SequenceClassifier, WLBagGRU)):
        inner, windows = model[0], int(encoder.built.settings["windows"])

        def sequences(clips: Clips) -> dict[str, Tensor]:
            given = encoder.inputs(clips, device)(torch.arange(len(clips)))
            if isinstance(inner, WLBagGRU):
                return {"rows": inner.rows(given).long().unflatten(0, given.shape[:2])}
            return {"vectors": given}

        if isinstance(inner, WLBagGRU):
            tokens = inner.depth_weight.numel() * (len(inner.indptr) - 1)
            return _Twin(_Bags(model).eval(), sequences, {"rows": ("clips", windows, tokens)})
        width = inner.recurrent.input_size
        return _Twin(_Sequence(model).eval(), sequences, {"vectors": ("clips", windows, width)})
    if not any(isinstance(layer, RaggedInput) for layer in model[0].modules()):
        raise ExportError(
            f"{encoder.built.variant}: no plain-torch twin of {type(model[0]).__name__} is known"
        )

    def rows(clips: Clips) -> dict[str, Tensor]:
        batch = encoder.inputs(clips, device)(torch.arange(len(clips)))
        return {"joints": ops.pad(batch).unflatten(1, (length, bodies, joints, 3))}

    return _Twin(_Padded(model).eval(), rows, {"joints": ("clips", length, bodies, joints, 3)})


def _padded(clips: Clips, bodies: int) -> Tensor:
    """Clips as float32 (N, frames of the longest, bodies, J, 3), zero where there is nothing."""
    padded = torch.zeros(len(clips), int(clips.frames.max()), bodies, *clips.joints.shape[1:])
    for index in range(len(clips)):
        clip = torch.from_numpy(np.array(clips.clip(index)))
        padded[index, : clip.shape[0], : clip.shape[1]] = clip
    return padded


def _made_up_clips(encoder: Encoder) -> Clips:
    """Random walks of the encoder's skeleton, of every length and number of bodies that it takes."""
    built, generator = encoder.built, np.random.default_rng(0)
    frames = generator.integers(1, built.shape["length"] + 1, CLIPS)
    frames[0] = built.shape["length"]
    # graph2vec may have been trained without clips of several people.
    most = 1 if isinstance(encoder.model[0], SequenceClassifier) else built.shape["max_bodies"]
    bodies = 1 + np.arange(CLIPS) % most
    parts = []
    for shape in zip(frames, bodies, strict=True):
        steps = 0.02 * generator.standard_normal((*shape, built.shape["joints"], 3))
        parts.append(
            (generator.standard_normal(steps[0].shape) + steps.cumsum(0)).reshape(-1, *steps.shape[2:])
        )
    none = np.zeros(CLIPS, dtype=np.int64)
    return Clips(
        joints=np.concatenate(parts).astype(np.float32),
        offsets=offsets_of(frames, bodies),
        bodies=bodies,
        label=none - 1,
        names=np.array([f"made-up-{index}" for index in range(CLIPS)]),
        subject=none,
        camera=none,
        setup=none,
        replication=none,
        skeleton=built.skeleton,
        class_names=encoder.class_names,
        dataset="made up",
        length=built.shape["length"],
        max_bodies=built.shape["max_bodies"],
        source="made-up clips",
        unit=built.unit or "metre",
    )


def _facts(encoder: Encoder) -> dict[str, object]:
    built = encoder.built
    return {
        "variant": built.variant,
        "seed": built.seed,
        "dataset": built.dataset,
        "joint_names": list(built.joint_names),
        "class_names": list(built.class_names),
        "unit": built.unit,
        "align": built.align,
        "stream": built.settings.get("stream"),
        "version": built.version,
    }


def _require_packages() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise ExportError(
                f"ONNX needs {package}, which is not installed: pip install 'skelbench[export]'"
            ) from error


def _write(twin: _Twin, given: dict[str, Tensor], path: Path, facts: dict[str, object]) -> None:
    named = {size for shape in twin.shapes.values() for size in shape if isinstance(size, str)}
    names = {size: torch.export.Dim(size, min=1) for size in named}
    dynamic = {
        name: {axis: names[size] for axis, size in enumerate(shape) if isinstance(size, str)}
        for name, shape in twin.shapes.items()
    }
    with _quiet():
        program = torch.export.export(
            twin.module, tuple(given.values()), dynamic_shapes=tuple(dynamic.values())
        )
        _save(program, path, list(twin.shapes), facts)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks on its own code: weights that recurrent layers keep in a list, packages it could use."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The tensor attributes .*_flat_weights")
            warnings.filterwarnings("ignore", ".*treespec", FutureWarning)
            yield
    finally:
        log.setLevel(level)


def _save(
    program: torch.export.ExportedProgram, path: Path, inputs: list[str], facts: dict[str, object]
) -> None:
    if path.suffix == ".pt2":
        torch.export.save(program, path, extra_files={"skelbench": json.dumps(facts)})
        return
    import onnx

    written = torch.onnx.export(
        program,
        input_names=inputs,
        output_names=["logits", "representation"],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert written is not None
    model = written.model_proto
    model.metadata_props.append(onnx.StringStringEntryProto(key="skelbench", value=json.dumps(facts)))
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _run(path: Path, given: dict[str, Tensor]) -> list[NDArray[np.float32]]:
    """Logits and representations that a written file computes."""
    if path.suffix == ".pt2":
        with torch.inference_mode():
            return [output.numpy() for output in torch.export.load(path).module()(*given.values())]
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(None, {name: tensor.numpy() for name, tensor in given.items()}))
