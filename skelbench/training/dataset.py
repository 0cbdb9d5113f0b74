"""A dataset on a device: packed clips with their labels, of which a batch is an index."""

from __future__ import annotations

from mmap import mmap

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelbench.data.clips import Clips, release
from skelbench.models.conmlp import InputShape
from skelbench.ops.augment import augment
from skelbench.ops.clips import RaggedClips

_RESIDENT = 1 << 28  # bytes of a memory-mapped dataset that may stay resident
_RELEASED_AFTER = (
    2048  # clips read of a larger one; of NTU RGB+D, 170 MB of pages, which are mapped in groups
)


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
