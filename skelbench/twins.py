"""Plain-torch twins of trained models: what is exported. They take padded arrays and none of the project's ops."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench import ops
from skelbench.data.clips import Clips
from skelbench.errors import SkelbenchError
from skelbench.models.fused import FusedClassifier, FusedEncoder
from skelbench.models.ragged_input import RaggedInput
from skelbench.models.recurrent import SequenceClassifier
from skelbench.models.wl_bag import WLBagGRU
from skelbench.ops.reference_streams import level, stack
from skelbench.training.augmentation import plain_times
from skelbench.training.fused import FusedInputs
from skelbench.training.stream_task import StreamInputs
from skelbench.training.streams import StreamInput
from skelbench.training.trained import Encoder


class ExportError(SkelbenchError):
    """A model that cannot be exported, or a file that does not compute what the model computes."""


@dataclass(frozen=True)
class Twin:
    """A model that reads padded arrays, and how clips become these."""

    module: nn.Module
    """Tensors -> (logits, representation)."""
    inputs: Callable[[Clips], dict[str, Tensor]]
    """What the module takes for preprocessed clips."""
    shapes: dict[str, tuple[str | int, ...]]
    """Of the inputs: a name is a size that may change, the first is always the number of clips."""


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
        axes, maps = self.stream.axes, self.stream.joints
        positions = level(positions / axes.unit, present, axes.up, maps)
        representation = self.encoder(stack(positions, present, self.stream.plan.streams, maps))
        return self.classifier(representation), representation

    def sample(self, joints: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """`skelbench.ops.reference_streams.resample` on padded clips."""
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


class _Fused(nn.Module):
    """The twins of a fused row's members, which are given the same clips."""

    def __init__(self, members: list[nn.Module], classifier: FusedClassifier) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.classifier = classifier

    def forward(self, joints: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and representations of joints (N, T, M, J, 3), of which frames (N,) are a clip's."""
        representation = torch.cat([one(joints, frames)[1] for one in self.members], 1)
        return self.classifier(representation), representation


def twin_of(encoder: Encoder) -> Twin:
    """The plain-torch twin of a model on the CPU.

    Raises:
        ExportError: none is known.
    """
    if isinstance(encoder.inputs, FusedInputs):
        return _fused(encoder, encoder.inputs)
    # A copy: the encoder stays where it runs, and as it is.
    model, shape = copy.deepcopy(encoder.model).cpu().eval(), encoder.built.shape
    length, bodies, joints = shape["length"], shape["max_bodies"], shape["joints"]
    device = torch.device("cpu")
    if isinstance(encoder.inputs, StreamInputs):
        stream = encoder.inputs.stream_input(encoder.built.skeleton)

        def clips_and_frames(clips: Clips) -> dict[str, Tensor]:
            return {"joints": _padded(clips, bodies), "frames": torch.from_numpy(clips.frames)}

        shapes = {"joints": ("clips", "frames", bodies, joints, 3), "frames": ("clips",)}
        return Twin(_Resampled(model, stream).eval(), clips_and_frames, shapes)
    if isinstance(model[0], (SequenceClassifier, WLBagGRU)):
        inner, windows = model[0], int(encoder.built.settings["windows"])

        def sequences(clips: Clips) -> dict[str, Tensor]:
            given = encoder.inputs(clips, device)(torch.arange(len(clips)))
            if isinstance(inner, WLBagGRU):
                return {"rows": inner.rows(given).long().unflatten(0, given.shape[:2])}
            return {"vectors": given}

        if isinstance(inner, WLBagGRU):
            tokens = inner.depth_weight.numel() * (len(inner.indptr) - 1)
            return Twin(_Bags(model).eval(), sequences, {"rows": ("clips", windows, tokens)})
        width = inner.recurrent.input_size
        return Twin(_Sequence(model).eval(), sequences, {"vectors": ("clips", windows, width)})
    if not any(isinstance(layer, RaggedInput) for layer in model[0].modules()):
        raise ExportError(
            f"{encoder.built.variant}: no plain-torch twin of {type(model[0]).__name__} is known"
        )

    def rows(clips: Clips) -> dict[str, Tensor]:
        batch = encoder.inputs(clips, device)(torch.arange(len(clips)))
        return {"joints": ops.pad(batch).unflatten(1, (length, bodies, joints, 3))}

    return Twin(_Padded(model).eval(), rows, {"joints": ("clips", length, bodies, joints, 3)})


def _fused(encoder: Encoder, inputs: FusedInputs) -> Twin:
    """Members that read the same padded clips."""
    if not all(isinstance(own, StreamInputs) for own in inputs.members):
        raise ExportError(
            f"{encoder.built.variant}: its members are shown different numbers; export each as a row of its own"
        )
    cpu = torch.device("cpu")
    model = copy.deepcopy(encoder.model).cpu().eval()
    both, classifier = model[0], model[1]
    assert isinstance(both, FusedEncoder)
    assert isinstance(classifier, FusedClassifier)
    twins = []
    for own, layer, given in zip(both.members, classifier.members, inputs.members, strict=True):
        member = nn.Sequential(OrderedDict(encoder=own, classifier=layer))
        twins.append(twin_of(Encoder(member, given, encoder.built, cpu)))
    module = _Fused([twin.module for twin in twins], classifier)
    return Twin(module.eval(), twins[0].inputs, twins[0].shapes)


def _padded(clips: Clips, bodies: int) -> Tensor:
    """Clips as float32 (N, frames of the longest, bodies, J, 3), zero where there is nothing."""
    padded = torch.zeros(len(clips), int(clips.frames.max()), bodies, *clips.joints.shape[1:])
    for index in range(len(clips)):
        clip = torch.from_numpy(np.array(clips.clip(index)))
        padded[index, : clip.shape[0], : clip.shape[1]] = clip
    return padded
