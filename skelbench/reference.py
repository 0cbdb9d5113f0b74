"""The ops in plain torch, any floating dtype, any device.

They are the oracle of the tests, the baseline of the benchmarks, and what `skelbench.ops` runs where the
extension is not built. Nothing here is fast, and nothing here validates: `skelbench.ops` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from skelbench.ops.ragged import RaggedClips


# ---- ragged: clips without their padding ----


def packed_rows(offsets: Tensor, frames: Tensor, bodies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the rows of a batch lie: (clip, within, row), each int64 (R_b,), R_b = sum of frames * bodies.

    `clip` numbers the clip in the batch, `within` the row inside its clip, `row` the row of the packed
    joints.
    """
    counts = frames * bodies
    clip = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    within = torch.arange(len(clip), device=counts.device) - (counts.cumsum(0) - counts)[clip]
    return clip, within, offsets[clip] + within


def _slots(clips: RaggedClips) -> tuple[Tensor, Tensor, Tensor]:
    """(clip, slot, row) of every row; slot = padded frame * max_bodies + body."""
    clip, within, row = packed_rows(clips.offsets, clips.frames, clips.bodies)
    bodies = clips.bodies[clip]
    frame = clips.start[clip] + within // bodies
    return clip, frame * clips.max_bodies + within % bodies, row


def pad(clips: RaggedClips) -> Tensor:
    """The clips as zero-padded rows (B, features); column ((t * max_bodies + m) * J + j) * 3 + c."""
    clip, slot, row = _slots(clips)
    padded = clips.joints.new_zeros(len(clips), clips.length * clips.max_bodies, *clips.joints.shape[1:])
    return padded.index_put((clip, slot), clips.joints[row]).flatten(1)


def ragged_linear(clips: RaggedClips, weight: Tensor, bias: Tensor) -> Tensor:
    """`linear(pad(clips), weight, bias)`: weight (out, features), bias (out,) -> (B, out)."""
    return F.linear(pad(clips), weight, bias)


def ragged_decode(hidden: Tensor, weight: Tensor, bias: Tensor, clips: RaggedClips) -> Tensor:
    """`linear(hidden, weight, bias)` read where the clips have a body: -> (R_b, J, 3) in their row order."""
    clip, slot, _ = _slots(clips)
    padded = F.linear(hidden, weight, bias)
    return padded.view(len(clips), -1, *clips.joints.shape[1:])[clip, slot]


# ---- augment: the shear view and the reverse view ----


def augment(
    joints: Tensor,
    offsets: Tensor,
    frames: Tensor,
    bodies: Tensor,
    index: Tensor,
    shear: Tensor,
    reverse: Tensor,
    length: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """(joints, offsets, frames, bodies, start) of 2B clips: shear views, then reverse views."""
    frames, bodies = frames[index], bodies[index]
    clip, within, row = packed_rows(offsets[index], frames, bodies)
    sheared = torch.einsum("rji,rik->rjk", joints[row], shear.to(joints.dtype)[clip])
    m = bodies[clip]
    mirrored = (frames[clip] - 1 - within // m) * m + within % m
    reversed_row = row + torch.where(reverse[clip], mirrored - within, 0)
    start = torch.where(reverse, length - frames, 0)
    frames, bodies = frames.repeat(2), bodies.repeat(2)
    counts = frames * bodies
    return (
        torch.cat([sheared, joints[reversed_row]]),
        counts.cumsum(0) - counts,
        frames,
        bodies,
        torch.cat([torch.zeros_like(start), start]),
    )
