"""Clips on a device without their padding: the batch that the ops, the models and the training share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from skelbench.ops.checks import FLOATS, check_dense, check_integer, check_tensor

MOST_BODIES = 1024
"""Most bodies of a padded row. The layers keep a list of clips for every body and pair of neighbouring frames."""
MOST_PLACES = 2**20
"""Most places (frames * bodies) of a padded row."""
MOST_FEATURES = 2**31 - 1
"""Most numbers of a padded row."""


@dataclass(frozen=True, eq=False)
class RaggedClips:
    """A batch of B clips as rows of joint coordinates, unpadded.

    Clip b owns `frames[b] * bodies[b]` consecutive rows of `joints` from row `offsets[b]`, frame by frame and
    body by body within a frame. `joints` may be the whole dataset: a batch then only points into it.

    Types, dtypes and shapes are checked here. Values are checked by the ops that read them, because a check of
    values would wait for a GPU.

    Raises:
        TypeError: a field that is not a tensor, or a size that is not an integer.
        ValueError: a field (named) of the wrong dtype, shape, device or range.
    """

    joints: Tensor
    """Floating (R, J, C): coordinates, C = 3, in metres or the unit of the dataset."""
    offsets: Tensor
    """int64 (B,): first row of each clip."""
    frames: Tensor
    """int64 (B,): frames present."""
    bodies: Tensor
    """int64 (B,): bodies present, at most `max_bodies`."""
    start: Tensor
    """int64 (B,): padded frame that holds the clip's first frame; start + frames <= length."""
    length: int
    """Frames of the padded row (300 for NTU)."""
    max_bodies: int
    """Bodies of the padded row (2 for NTU)."""

    def __post_init__(self) -> None:
        """Check types, dtypes, shapes and sizes."""
        check_tensor("RaggedClips.joints", self.joints, ("rows", "joints", "coordinates"), *FLOATS)
        check_tensor("RaggedClips.offsets", self.offsets, ("clips",), torch.int64, like=self.joints)
        clips = self.offsets.shape[0]
        for name in ("frames", "bodies", "start"):
            value = getattr(self, name)
            check_tensor(f"RaggedClips.{name}", value, (clips,), torch.int64, like=self.joints)
        check_integer("RaggedClips.max_bodies", self.max_bodies, 1, MOST_BODIES)
        check_integer("RaggedClips.length", self.length, 1, MOST_PLACES // self.max_bodies)
        if not 1 <= self.features <= MOST_FEATURES:
            raise ValueError(
                f"RaggedClips: length {self.length} x max_bodies {self.max_bodies} x joints "
                f"{tuple(self.joints.shape[1:])} is a row of {self.features} numbers, expected 1 to {MOST_FEATURES}"
            )

    @property
    def features(self) -> int:
        """Length of the padded row: length * max_bodies * J * C (45,000 for NTU)."""
        return self.length * self.max_bodies * self.joints.shape[1] * self.joints.shape[2]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors that the ops take: joints, offsets, frames, bodies, start."""
        return self.joints, self.offsets, self.frames, self.bodies, self.start

    def select(self, index: Tensor) -> RaggedClips:
        """The clips at `index`, int64 (n,), on the same rows of joints."""
        return replace(
            self,
            offsets=self.offsets[index],
            frames=self.frames[index],
            bodies=self.bodies[index],
            start=self.start[index],
        )

    def to(self, device: torch.device | str) -> RaggedClips:
        """The same clips on a device."""
        joints, offsets, frames, bodies, start = (tensor.to(device) for tensor in self.tensors)
        return RaggedClips(joints, offsets, frames, bodies, start, self.length, self.max_bodies)

    def __len__(self) -> int:
        """Number of clips B."""
        return int(self.offsets.shape[0])


def check(clips: RaggedClips) -> None:
    """Check that every clip lies within the padded row and within `joints`.

    Raises:
        TypeError: not a RaggedClips.
        ValueError: a clip (named) that does not.
    """
    check_places(clips)
    rows = clips.joints.shape[0]
    # Offsets are compared with a difference: a sum with a huge number wraps around.
    owned = clips.frames * clips.bodies
    rows_fit = (clips.offsets >= 0) & (owned <= rows - clips.offsets)
    _require(rows_fit, "offsets + frames * bodies", clips.offsets + owned, f"within {rows} rows of joints")


def check_places(clips: RaggedClips) -> None:
    """Check that every clip lies within the padded row; `joints` and `offsets` are not looked at.

    Raises:
        TypeError: not a RaggedClips.
        ValueError: a clip (named) that does not.
    """
    check_type(clips)
    check_dense("clips", clips.frames)
    _require(clips.frames >= 1, "frames", clips.frames, "at least 1")
    bodies_fit = (clips.bodies >= 1) & (clips.bodies <= clips.max_bodies)
    _require(bodies_fit, "bodies", clips.bodies, f"1 to {clips.max_bodies}")
    # Differences, not sums: sums of huge numbers wrap around.
    fits = (clips.start >= 0) & (clips.frames <= clips.length - clips.start)
    _require(fits, "start + frames", clips.start + clips.frames, f"within length {clips.length}")


def check_type(clips: object) -> None:
    """Raise TypeError unless an op's argument is a RaggedClips."""
    if not isinstance(clips, RaggedClips):
        raise TypeError(f"clips must be a RaggedClips, not {type(clips).__name__}")


def _require(good: Tensor, name: str, value: Tensor, expected: str) -> None:
    if not bool(good.all()):
        clip = int((~good).nonzero()[0])
        raise ValueError(f"RaggedClips: clip {clip} has {name} = {int(value[clip])}, expected {expected}")
