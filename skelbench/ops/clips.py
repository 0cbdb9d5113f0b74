"""Clips on a device without their padding: the batch that the ops, the models and the training share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class RaggedClips:
    """A batch of B clips as rows of joint coordinates, unpadded.

    Clip b owns `frames[b] * bodies[b]` consecutive rows of `joints` from row `offsets[b]`, frame by frame and
    body by body within a frame. `joints` may be the whole dataset: a batch then only points into it.
    """

    joints: Tensor  #: float32 (R, J, 3), metres (or the unit of the dataset)
    offsets: Tensor  #: int64 (B,), first row of each clip
    frames: Tensor  #: int64 (B,), frames present
    bodies: Tensor  #: int64 (B,), bodies present, at most `max_bodies`
    start: Tensor  #: int64 (B,), padded frame that holds the clip's first frame; start + frames <= length
    length: int  #: frames of the padded row (300 for NTU)
    max_bodies: int  #: bodies of the padded row (2 for NTU)

    @property
    def features(self) -> int:
        """Length of the padded row: length * max_bodies * J * 3 (45,000 for NTU)."""
        return self.length * self.max_bodies * self.joints.shape[1] * self.joints.shape[2]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """What the ops take: joints, offsets, frames, bodies, start."""
        return self.joints, self.offsets, self.frames, self.bodies, self.start

    def __len__(self) -> int:
        """Number of clips B."""
        return int(self.offsets.shape[0])


def check(clips: RaggedClips) -> None:
    """Raise ValueError, naming the clip, where the batch does not describe rows that exist."""
    check_shapes(clips)
    rows = clips.joints.shape[0]
    _require(clips.frames >= 1, "frames", clips.frames, "at least 1")
    bodies_fit = (clips.bodies >= 1) & (clips.bodies <= clips.max_bodies)
    _require(bodies_fit, "bodies", clips.bodies, f"1 to {clips.max_bodies}")
    end = clips.start + clips.frames
    _require(
        (clips.start >= 0) & (end <= clips.length), "start + frames", end, f"within length {clips.length}"
    )
    last = clips.offsets + clips.frames * clips.bodies
    _require(
        (clips.offsets >= 0) & (last <= rows),
        "offsets + frames * bodies",
        last,
        f"within {rows} rows of joints",
    )


def check_shapes(clips: RaggedClips) -> None:
    if clips.joints.dim() != 3:
        raise ValueError(
            f"RaggedClips.joints is {tuple(clips.joints.shape)}, expected (rows, joints, coordinates)"
        )
    for name in ("offsets", "frames", "bodies", "start"):
        value = getattr(clips, name)
        if value.shape != clips.offsets.shape[:1] or value.dtype != torch.int64:
            raise ValueError(
                f"RaggedClips.{name} is {value.dtype} {tuple(value.shape)}, expected int64 ({len(clips)},)"
            )
        if value.device != clips.joints.device:
            raise ValueError(f"RaggedClips.{name} is on {value.device}, joints on {clips.joints.device}")


def _require(good: Tensor, name: str, value: Tensor, expected: str) -> None:
    if not bool(good.all()):
        clip = int((~good).nonzero()[0])
        raise ValueError(f"RaggedClips: clip {clip} has {name} = {int(value[clip])}, expected {expected}")
