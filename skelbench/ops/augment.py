"""The two views of contrastive pre-training: sheared, and reversed in time.

Shear is x' = x S with S = [[1, xy, xz], [yx, 1, yz], [zx, zy, 1]], off-diagonals U(-1, 1). Time is reversed with
probability 1/2. Both are the augmentations of ConMLP (Dai et al., released code, util.py), which draws them once
per batch; here each clip has its own draw by default. `draw` makes the random numbers and `augment` uses them, so
that a seed fixes the views.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skelbench.ops import _library, reference
from skelbench.ops.checks import FLOATS, check_dense, check_integer, check_tensor
from skelbench.ops.clips import RaggedClips, check, check_type

_MOST_CLIPS = 2**31 - 1


def draw(batch: int, generator: torch.Generator, per_clip: bool = True) -> tuple[Tensor, Tensor]:
    """Random shears and reversals for a batch of clips, on the generator's device.

    Args:
        batch: B, at least 1.
        generator: source of every random number.
        per_clip: a draw for each clip; False draws one for the whole batch, as the released ConMLP does.

    Returns:
        shear float32 (B, 3, 3), diagonal 1, off-diagonals U(-1, 1); reverse bool (B,), each True with
        probability 1/2.

    Raises:
        TypeError: an argument of another type.
        ValueError: a batch without clips.
    """
    check_integer("batch", batch, 1, _MOST_CLIPS)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, not {type(generator).__name__}")
    draws, device = (batch if per_clip else 1), generator.device
    shear = torch.rand((draws, 3, 3), generator=generator, device=device).mul_(2).sub_(1)
    shear.diagonal(dim1=1, dim2=2).fill_(1)
    reverse = torch.rand(draws, generator=generator, device=device) < 0.5
    return shear.expand(batch, 3, 3), reverse.expand(batch)


def augment(clips: RaggedClips, index: Tensor, shear: Tensor, reverse: Tensor) -> RaggedClips:
    """Both views of some clips, in one pass over memory.

    float32 joints run in the extension. Other dtypes and devices, and joints or shears that need a gradient, run in
    plain torch.

    Args:
        clips: the dataset, or any clips; the joints have three coordinates and may be memory-mapped.
        index: int64 (B,), the clips wanted. A clip may occur more than once.
        shear: floating (B, 3, 3); view 1 of clip b is x @ shear[b].
        reverse: bool (B,), whether view 2 of clip b runs backwards.

    Returns:
        2B clips on packed rows of their own: the B shear views, then the B reverse views. A clip that runs
        backwards starts where the reversed padded row has it, at length - start - frames. Every other view
        starts where its clip starts.

    Raises:
        TypeError: an argument of another type.
        ValueError: shapes, dtypes or devices that do not fit.
        ValueError or RuntimeError: an index that names no clip, or a clip (named) outside its packed or padded row.
    """
    check_type(clips)
    check_tensor("clips.joints", clips.joints, ("rows", "joints", 3), *FLOATS)
    check_tensor("index", index, ("B",), torch.int64, like=clips.joints)
    batch = index.shape[0]
    check_tensor("shear", shear, (batch, 3, 3), *FLOATS, like=clips.joints)
    check_tensor("reverse", reverse, (batch,), torch.bool, like=clips.joints)
    if not _library.computes(clips.joints, differentiated=(clips.joints, shear)):
        check_dense("clips", index)
        if batch and (int(index.min()) < 0 or int(index.max()) >= len(clips)):
            raise ValueError(
                f"index runs from {int(index.min())} to {int(index.max())}, but there are {len(clips)} clips"
            )
        check(clips.select(index))
        return reference.augment(clips, index, shear, reverse)
    joints, offsets, frames, bodies, start = torch.ops.skelbench.augment(
        *clips.tensors, index, shear.float(), reverse, clips.length, clips.max_bodies
    )
    return RaggedClips(joints, offsets, frames, bodies, start, clips.length, clips.max_bodies)


def _fake(joints: Tensor, *rest: Any) -> Any:
    *_, index, _, _, _, _ = rest
    rows = torch.library.get_ctx().new_dynamic_size()
    views = joints.new_empty(rows, joints.shape[1], joints.shape[2])
    return views, *(index.new_empty(2 * index.shape[0]) for _ in range(4))


if _library.built:
    torch.library.register_fake("skelbench::augment")(_fake)
