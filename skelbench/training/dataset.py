"""A dataset on a device: packed clips with their labels; a batch is an index into it."""

from __future__ import annotations

from mmap import mmap

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelbench.data.clips import Clips, release
from skelbench.models.conmlp import InputShape
from skelbench.ops import RaggedClips, augment

# Bytes of a memory-mapped dataset that may stay resident.
_RESIDENT = 1 << 28
# Clips of a larger one that are read before its pages are released: 170 MB of NTU RGB+D, mapped in groups of pages.
_RELEASED_AFTER = 2048


class PackedDataset:
    """A dataset on one device, loaded once: its clips and their labels. A batch points into it and copies nothing.

    Attributes:
        clips: all clips; each starts at frame 0 of the padded row.
        label: int64 (N,), class of each clip.
        shape: the padded row and the number of classes.
    """

    def __init__(self, clips: Clips, device: torch.device, shape: InputShape | None = None) -> None:
        """Move the clips to the device; a memory map stays one on the CPU.

        Args:
            clips: the dataset.
            device: where batches are computed.
            shape: of the model that reads the clips, which may be larger than theirs. Default: theirs.
        """
        joints, classes = clips.joints.shape[1], clips.classes
        self.shape = shape or InputShape(clips.length, clips.max_bodies, joints, classes)
        self._packed = _writeable(clips.joints)
        # Clips read since pages were last released.
        self._read = 0
        offsets, frames, bodies = (
            torch.from_numpy(numbers.astype(np.int64))
            for numbers in (clips.offsets[:-1], clips.frames, clips.bodies)
        )
        self.clips = RaggedClips(
            joints=torch.from_numpy(self._packed),
            offsets=offsets,
            frames=frames,
            bodies=bodies,
            start=torch.zeros_like(frames),
            length=self.shape.length,
            max_bodies=self.shape.max_bodies,
        ).to(device)
        self.label = torch.from_numpy(clips.label.astype(np.int64)).to(device)

    def batch(self, indices: Tensor) -> RaggedClips:
        """The clips at `indices`, int64 (B,), unaugmented."""
        self._release(len(indices))
        return self.clips.select(indices)

    def views(self, indices: Tensor, shear: Tensor, reverse: Tensor) -> RaggedClips:
        """Both augmented views of the clips at `indices`, int64 (B,); `shear` and `reverse` as in `augment`."""
        self._release(len(indices))
        device = self.clips.joints.device
        return augment(self.clips, indices, shear.to(device), reverse.to(device))

    def _release(self, clips: int) -> None:
        """Release pages before `clips` are read, so that some hundred megabytes of a large map stay resident."""
        self._read += clips
        if self._read > _RELEASED_AFTER and self._packed.nbytes > _RESIDENT:
            release(self._packed)
            self._read = clips


def _writeable(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Writable `joints`, as torch wants them. A read-only map is mapped anew, private; no page is copied."""
    if joints.flags.writeable:
        return joints
    if isinstance(joints, np.memmap) and joints.filename is not None and isinstance(joints.base, mmap):
        return np.memmap(joints.filename, joints.dtype, "c", joints.offset, joints.shape)
    return np.array(joints)
