"""Pretext tasks beside contrast: a decoder predicts the clip itself, its hidden joints, or where its joints will be.

The target is always the clip as it is, resampled and levelled, in mean bone lengths.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from skelbench.training.augmentation import plain_times
from skelbench.training.plan import Plan
from skelbench.training.stream_task import StreamTask

# Sampled frames ahead at which displacements are predicted (GL-Transformer, Kim et al., ECCV 2022, section 3.3).
AHEAD = (1, 5, 10)
# Probability that a joint is hidden where hidden joints are predicted.
HIDDEN = 0.5


def predicted_channels(plan: Plan) -> int:
    """Numbers that are predicted of each joint and sampled frame."""
    return 3 * len(AHEAD) if plan.predict == "future" else 3


def draw_hidden(streams: StreamTask, count: int, generator: torch.Generator) -> Tensor | None:
    """Which joints of each view the encoder does not see, bool (count, M, J); None where the row hides none."""
    if streams.plan.predict != "hidden":
        return None
    shape = (count, streams.shape.bodies, streams.shape.joints)
    hidden = torch.rand(shape, generator=generator) < HIDDEN
    hidden[:, :, streams.input.joints.root] = False
    return hidden


def prediction_error(
    streams: StreamTask, indices: Tensor, predicted: Tensor, hidden: Tensor | None = None
) -> Tensor:
    """Mean smooth L1 error of what is there to be predicted: a scalar, this process's part of the whole batch's mean.

    Args:
        streams: the task.
        indices: int64 (B,), the clips of the views.
        predicted: (B, M, T, J, channels).
        hidden: bool (B, M, J); only these joints count.
    """
    clips = streams.task.data.batch(indices)
    positions, present = streams.input.positions(clips, plain_times(len(indices), streams.plan.frames))
    if streams.plan.predict == "future":
        target, counts = displacements(positions, present)
    else:
        target = positions - positions[:, :1, :, list(streams.input.joints.origin)].mean(3, keepdim=True)
        counts = present[..., None, None].expand_as(target)
    if hidden is not None:
        counts = counts & hidden.to(counts.device)[:, :, None, :, None]
    error = F.smooth_l1_loss(predicted.float(), target, reduction="none") * counts
    return error.sum() / streams.task.ranks.summed(counts.sum()).clamp(min=1)


def displacements(positions: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """How far each joint has moved 1, 5 and 10 sampled frames later.

    Positions (B, M, T, J, 3) and who is there (B, M, T) -> displacements (B, M, T, J, 9), and bool, which exist.
    """
    frames = positions.shape[2]
    found, counts = [], []
    for ahead in AHEAD:
        moved = torch.zeros_like(positions)
        known = torch.zeros_like(positions, dtype=torch.bool)
        if ahead < frames:
            moved[:, :, :-ahead] = positions[:, :, ahead:] - positions[:, :, :-ahead]
            known[:, :, :-ahead] = (present[:, :, ahead:] & present[:, :, :-ahead])[..., None, None]
        found.append(moved)
        counts.append(known)
    return torch.cat(found, -1), torch.cat(counts, -1)
