"""The two views of contrastive pre-training: sheared, and reversed in time.

Shear x' = x S with S = [[1, xy, xz], [yx, 1, yz], [zx, zy, 1]], off-diagonals U(-1, 1), and reversal of time
with probability 1/2, are the augmentations of ConMLP (its released code, util.py), which draws both once per
batch; here each clip has its own by default. Draws are made by `draw`, apart from the op, so that a seed
fixes them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelbench.ops import _library, reference
from skelbench.ops.clips import RaggedClips, check
from skelbench.ops.ragged import DEVICES


def draw(batch: int, generator: torch.Generator, per_clip: bool = True) -> tuple[Tensor, Tensor]:
    """Random shears and reversals for a batch of clips, on the generator's device.

    Args:
        batch: B, at least 1.
        generator: source of every random number.
        per_clip: a draw for each clip; False draws one for the whole batch, as the released ConMLP does.

    Returns:
        shear float32 (B, 3, 3), diagonal 1, off-diagonals U(-1, 1); reverse bool (B,), each True with
        probability 1/2.
    """
    if batch < 1:
        raise ValueError(f"draw: batch is {batch}, expected at least 1")
    draws, device = (batch if per_clip else 1), generator.device
    shear = torch.rand((draws, 3, 3), generator=generator, device=device).mul_(2).sub_(1)
    shear.diagonal(dim1=1, dim2=2).fill_(1)
    reverse = torch.rand(draws, generator=generator, device=device) < 0.5
    return shear.expand(batch, 3, 3), reverse.expand(batch)


def augment(
    joints: Tensor,
    offsets: Tensor,
    frames: Tensor,
    bodies: Tensor,
    index: Tensor,
    shear: Tensor,
    reverse: Tensor,
    length: int,
    max_bodies: int,
) -> RaggedClips:
    """Both views of B clips of a packed dataset, in one pass over memory.

    Args:
        joints: float32 (R, J, 3), the packed dataset (it may be memory-mapped).
        offsets: int64 (N,) or (N + 1,), first row of each clip.
        frames: int64 (N,), frames of each clip.
        bodies: int64 (N,), bodies of each clip.
        index: int64 (B,), the clips wanted; a clip may occur more than once.
        shear: (B, 3, 3), view 1 of clip b is x @ shear[b].
        reverse: bool (B,), whether view 2 of clip b runs backwards.
        length: frames of the padded row.
        max_bodies: bodies of the padded row.

    Returns:
        2B clips on packed rows of their own: the B shear views, which start at frame 0, then the B reverse
        views. A reversed clip starts at `length - frames`, as if the padded row had been reversed; others at
        0.

    Raises:
        ValueError: shapes or dtypes that do not fit.
        ValueError or RuntimeError: an index that names no clip, or a clip outside the dataset or the padded
            row (named).
    """
    batch, clips = index.shape[0], frames.shape[0]
    for name, value, dtype, shape in (
        ("frames", frames, torch.int64, (clips,)),
        ("bodies", bodies, torch.int64, (clips,)),
        ("index", index, torch.int64, (batch,)),
        ("reverse", reverse, torch.bool, (batch,)),
        ("shear", shear, shear.dtype, (batch, 3, 3)),
        ("offsets", offsets, torch.int64, (clips + (offsets.shape[0] == clips + 1),)),
    ):
        if value.dtype != dtype or value.shape != shape:
            raise ValueError(
                f"augment: {name} is {value.dtype} {tuple(value.shape)}, expected {dtype} {shape}"
            )
    if joints.dim() != 3 or joints.shape[2] != 3:
        raise ValueError(f"augment: joints is {tuple(joints.shape)}, expected (rows, joints, 3)")
    if not _library.built:
        _library.warn_fallback()
    elif joints.dtype == torch.float32 and joints.device.type in DEVICES:
        x, first, t, m, start = torch.ops.skelbench.augment(
            joints, offsets, frames, bodies, index, shear.float(), reverse, length, max_bodies
        )
        return RaggedClips(x, first, t, m, start, length, max_bodies)
    if batch and (int(index.min()) < 0 or int(index.max()) >= clips):
        raise ValueError(
            f"augment: index runs from {int(index.min())} to {int(index.max())}, but there are {clips} clips"
        )
    start = torch.zeros_like(index)
    check(RaggedClips(joints, offsets[index], frames[index], bodies[index], start, length, max_bodies))
    x, first, t, m, start = reference.augment(joints, offsets, frames, bodies, index, shear, reverse, length)
    return RaggedClips(x, first, t, m, start, length, max_bodies)


def _fake(
    joints: Tensor,
    offsets: Tensor,
    frames: Tensor,
    bodies: Tensor,
    index: Tensor,
    shear: Tensor,
    reverse: Tensor,
    length: int,
    max_bodies: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    rows = torch.library.get_ctx().new_dynamic_size()
    batch = 2 * index.shape[0]
    views = joints.new_empty(rows, joints.shape[1], joints.shape[2])
    return views, *(index.new_empty(batch) for _ in range(4))  # type: ignore[return-value]


if _library.built:
    torch.library.register_fake("skelbench::augment")(_fake)
