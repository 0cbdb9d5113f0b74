"""What a recipe is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from skelbench.data.clips import Clips, release
from skelbench.models.conmlp import InputShape
from skelbench.ops.augment import augment
from skelbench.ops.ragged import RaggedClips
from skelbench.training.settings import Settings

if TYPE_CHECKING:
    from skelbench.training.checkpoint import Checkpoint


_RESIDENT = 1 << 28  # bytes of a memory-mapped dataset that may stay resident
_RELEASED_AFTER = (
    2048  # clips read of a larger one; of NTU RGB+D, 170 MB of pages, which are mapped in groups
)


class TrainingError(RuntimeError):
    """Training that cannot go on (a loss that is not finite, say); the message says where and what to try."""


class PackedDataset:
    """The whole dataset as tensors on one device, loaded once; a batch points into it and copies nothing."""

    def __init__(self, clips: Clips, device: torch.device) -> None:
        self._packed = _writeable(clips.joints)
        self.joints = torch.from_numpy(self._packed).to(device)
        self._read = 0  # clips since pages were released
        self.offsets = torch.from_numpy(clips.offsets[:-1].copy()).to(device)
        self.frames = torch.from_numpy(clips.frames.copy()).to(device)
        self.bodies = torch.from_numpy(clips.bodies.astype(np.int64)).to(device)
        self.label = torch.from_numpy(clips.label.astype(np.int64)).to(device)
        self.shape = InputShape(clips.length, clips.max_bodies, clips.joints.shape[1], clips.classes)

    def batch(self, indices: Tensor) -> RaggedClips:
        """The clips at `indices` (B,), unaugmented, starting at frame 0 of the padded row."""
        self._release(len(indices))
        return RaggedClips(
            joints=self.joints,
            offsets=self.offsets[indices],
            frames=self.frames[indices],
            bodies=self.bodies[indices],
            start=torch.zeros_like(indices),
            length=self.shape.length,
            max_bodies=self.shape.max_bodies,
        )

    def views(self, indices: Tensor, shear: Tensor, reverse: Tensor) -> RaggedClips:
        """Both augmented views of the clips at `indices` (B,); see `augment` for `shear` and `reverse`."""
        self._release(len(indices))
        return augment(
            self.joints,
            self.offsets,
            self.frames,
            self.bodies,
            indices,
            shear.to(self.joints.device),
            reverse.to(self.joints.device),
            self.shape.length,
            self.shape.max_bodies,
        )

    def _release(self, clips: int) -> None:
        """Before `clips` are read: of a large memory-mapped dataset, some hundred megabytes stay resident."""
        self._read += clips
        if self._read > _RELEASED_AFTER and self._packed.nbytes > _RESIDENT:
            release(self._packed)
            self._read = clips


def _writeable(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """`joints` as torch wants it. A read-only memory map is mapped anew, private and writable: no page is copied."""
    if joints.flags.writeable:
        return joints
    if isinstance(joints, np.memmap) and joints.filename is not None and isinstance(joints.base, mmap):
        return np.memmap(joints.filename, joints.dtype, "c", joints.offset, joints.shape)
    return np.array(joints)


@dataclass(frozen=True)
class EpochLog:
    """One pass over the training clips."""

    stage: str  #: "train", "probe", ...
    epoch: int  #: 1-based
    epochs: int
    loss: float
    lr: float
    clips_per_s: float


@dataclass
class Task:
    """One variant on one split with one seed."""

    clips: Clips
    data: PackedDataset
    train: Tensor  #: int64 (n_train,), clip indices
    test: Tensor  #: int64 (n_test,)
    settings: Settings
    seed: int
    fabric: Fabric
    on_epoch: Callable[[EpochLog], None] = lambda log: None
    watch: Callable[[int, nn.Module], None] = lambda epoch, encoder: None
    """Shown the encoder after each epoch of its training; what it raises ends the training."""
    checkpoint: Checkpoint | None = None  #: where the training is kept and goes on from
    embeddings: Path | None = None  #: folder of the graph family's embeddings, by content

    @property
    def shape(self) -> InputShape:
        return self.data.shape

    def generator(self) -> torch.Generator:
        """A fresh CPU generator for the draws of this run."""
        return torch.Generator().manual_seed(self.seed)


@dataclass
class Fitted:
    """A trained classifier and what its training showed."""

    inference: nn.Module  #: `batch(indices)` -> logits (B, classes)
    batch: Callable[[Tensor], Any]
    test_logits: Tensor  #: float32 (n_test, classes), the whole test split, last epoch
    train_representations: Tensor | None = None  #: float32 (n_train, width)
    test_representations: Tensor | None = None
    test_curve: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, test top-1) while the classifier was trained; it is looked at, nothing is chosen by it."""
    pretraining_curve: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, test top-1 of a ridge probe) while the encoder was trained; likewise only looked at."""
    tables: dict[str, Tensor] = field(default_factory=dict)
    """What was learned besides the weights of `inference`, stored with them."""
    released_score: float | None = None  #: only for `conmlp60`: the score the released code would print
    training_parameters: int = 0  #: all that training used, projection head and decoder included
    coverage: int = 0  #: distinct training clips seen
    train_clips_per_s: float | None = None
    history: list[EpochLog] = field(default_factory=list)

    @property
    def best_on_test(self) -> float | None:
        """Best top-1 of `test_curve`: chosen on the test split, not a result."""
        return max(share for _, share in self.test_curve) if self.test_curve else None


def in_batches(module: nn.Module, batch: Callable[[Tensor], Any], indices: Tensor, size: int = 512) -> Tensor:
    """Outputs of `module` in evaluation mode for the clips at `indices`, float32 on the CPU."""
    was_training = module.training
    module.eval()
    with torch.inference_mode():
        outputs = [module(batch(part)).float().cpu() for part in indices.split(size)]
    module.train(was_training)
    return torch.cat(outputs)


def count_parameters(module: nn.Module) -> int:
    """Trainable numbers in a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def top1(logits: Tensor, label: Tensor) -> float:
    """Share of rows whose largest logit is at their label."""
    return float((logits.argmax(1).cpu() == label.cpu()).double().mean())
