"""The in-memory model of a dataset: packed joint coordinates and what is known of each clip.

Nothing here is padded. A clip of T frames and m bodies is `T * m` rows of a packed array, frame by frame and body by
body within a frame, so that one clip is one contiguous run of memory; the array may be memory-mapped.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skelbench.errors import SkelbenchError

IntArray = NDArray[np.int64]


class DataError(SkelbenchError, ValueError):
    """Input that cannot be used; the message names the file, clip or key, and says what to do. One line."""


def release(joints: NDArray[np.float32]) -> None:
    """Takes the pages of a memory-mapped array out of this process's resident memory; of another array, does nothing.

    They stay in the system's cache, and are mapped again when they are read, so that it costs little to do this every
    few hundred megabytes of a pass over a large dataset. What was written to a private map is lost.
    """
    base = joints.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # which Windows lacks
        base.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class Skeleton:
    """Joint names, bones, and the joints that the coordinate system of a body rests on."""

    joint_names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    """Bones, (child, parent) joint indices."""
    root: int
    """Joint in the middle of the spine or the hips; where no joint is named so, a joint that is nobody's child."""
    left_shoulder: int | None = None
    right_shoulder: int | None = None
    hip: int | None = None
    """Lower end of the spine, for the body's upright axis."""
    neck: int | None = None
    """Upper end of the spine."""
    left_hip: int | None = None
    right_hip: int | None = None
    centred: bool = True
    """Whether `root` is a joint in the middle of the body; COCO's 17 joints, for instance, have none."""

    @property
    def origin(self) -> tuple[int, ...]:
        """The joints whose mean is put at the origin: the root, or both hips where no joint lies between them."""
        return (self.root,) if self.centred else self._middle(self.left_hip, self.right_hip) or (self.root,)

    @property
    def spine(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The joints whose means are the lower and the upper end of the spine; () where no joint tells.

        Hip and neck, or else both hips and both shoulders.
        """
        lower = (self.hip,) if self.hip is not None else self._middle(self.left_hip, self.right_hip)
        upper = (
            (self.neck,) if self.neck is not None else self._middle(self.left_shoulder, self.right_shoulder)
        )
        return lower, upper

    @staticmethod
    def _middle(left: int | None, right: int | None) -> tuple[int, ...]:
        return () if left is None or right is None else (left, right)


@dataclass(frozen=True)
class Dropped:
    """A clip that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Clips:
    """N clips of one dataset; every array of shape (N,) unless said otherwise."""

    joints: NDArray[np.float32]
    """float32 (R, J, 3), R = sum of frames * bodies; possibly a memory map."""
    offsets: IntArray
    """int64 (N + 1,), first row of each clip."""
    bodies: IntArray
    """Bodies in each clip, at least 1; a body that is in no frame is none (`skelbench.data.presence`)."""
    label: IntArray
    """0-based class index; -1 where it is unknown."""
    names: NDArray[np.str_]
    """Unique clip names; `scores/*.npz` are keyed by them."""
    subject: IntArray
    """1-based, 0 where unknown; so are the next three."""
    camera: IntArray
    """View or sensor."""
    setup: IntArray
    replication: IntArray
    skeleton: Skeleton
    class_names: tuple[str, ...]
    dataset: str
    """Short name by evidence (`skelbench.data.identity`): "NTU RGB+D", "NW-UCLA", "synthetic", or the file's stem."""
    length: int
    """Frames of the padded row an MLP sees (300 for NTU, else the longest clip)."""
    max_bodies: int
    """Bodies of the padded row (2 for NTU)."""
    source: str
    """File or folder, and the format it was recognised as."""
    unit: str = "metre"
    """Of the coordinates; "" where neither the file nor the size of the bodies tells."""
    synthetic: bool = False
    fps: NDArray[np.float64] | None = None
    """Frames a second of each clip; None where neither the file nor the data set tells."""
    splits: Mapping[str, tuple[IntArray, IntArray]] = field(default_factory=dict)
    """Train and test clip indices by protocol name, where the file brings its own split."""
    validation: Mapping[str, IntArray] = field(default_factory=dict)
    """Clip indices by protocol name, where the file's own split has a part to tune on; never tested on."""
    parts: Mapping[str, IntArray] = field(default_factory=dict)
    """Clip indices by the names that the file gives its parts ("train1", "test1", ...)."""
    dropped: tuple[Dropped, ...] = ()
    """Clips left out so far, with reasons."""
    notes: tuple[str, ...] = ()
    """What was found or changed on reading and preprocessing, a line each with its count, for the report."""

    def __len__(self) -> int:
        return len(self.label)

    @cached_property
    def frames(self) -> IntArray:
        """Frames of each clip, int64 (N,)."""
        return np.diff(self.offsets) // self.bodies

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def clip(self, index: int) -> NDArray[np.float32]:
        """Clip `index` as a view of shape (T, m, J, 3)."""
        rows = self.joints[self.offsets[index] : self.offsets[index + 1]]
        return rows.reshape(-1, int(self.bodies[index]), *self.joints.shape[1:])

    def select(self, indices: IntArray, dropped: tuple[Dropped, ...] = ()) -> Clips:
        """The clips named by `indices`, in that order, repacked; the splits of the file are re-indexed."""
        indices = np.asarray(indices, dtype=np.int64)
        counts = np.diff(self.offsets)[indices]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        joints = np.empty((int(offsets[-1]), *self.joints.shape[1:]), dtype=np.float32)
        for position, index in enumerate(indices):
            joints[offsets[position] : offsets[position + 1]] = self.joints[
                self.offsets[index] : self.offsets[index + 1]
            ]
        place = np.full(len(self), -1, dtype=np.int64)
        place[indices] = np.arange(len(indices))
        per_clip = {
            key: getattr(self, key)[indices]
            for key in ("bodies", "label", "names", "subject", "camera", "setup", "replication")
        }

        fps = None if self.fps is None else self.fps[indices]

        def kept(part: IntArray) -> IntArray:
            return place[part][place[part] >= 0]

        return replace(
            self,
            joints=joints,
            offsets=offsets,
            fps=fps,
            splits={key: (kept(train), kept(test)) for key, (train, test) in self.splits.items()},
            validation={key: kept(part) for key, part in self.validation.items()},
            parts={key: kept(part) for key, part in self.parts.items()},
            dropped=self.dropped + dropped,
            **per_clip,
        )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over coordinates, offsets, bodies, labels and names: the same data give the same hash."""
        digest = hashlib.sha256()
        for array in (self.offsets, self.bodies, self.label):
            digest.update(np.ascontiguousarray(array).data)
        digest.update("\n".join(self.names.tolist()).encode())
        for begin in range(0, len(self.joints), 1 << 20):
            digest.update(np.ascontiguousarray(self.joints[begin : begin + (1 << 20)]).data)
            release(self.joints)
        return digest.hexdigest()
