"""Which training clips show one performance: the same person in the same take, seen by different cameras.

A contrastive row may take them for views of one clip. Recordings of several cameras tell this without class labels;
here it is read from the clips' numbers, where the action's number is part of a take's name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skelbench.data.clips import Clips, DataError, IntArray


@dataclass(frozen=True, eq=False)
class Performances:
    """N clips and the performances that they show."""

    of: Tensor
    """int64 (N,), a number for each performance; a clip that shares none has its own."""
    members: Tensor
    """int64 (N, most), the clips of each clip's performance, itself included; the last one fills the row."""
    count: Tensor
    """int64 (N,), how many there are."""

    def draw(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """For each clip at `indices` (B,), a random clip of its performance; `generator` is on the CPU."""
        share = torch.rand(len(indices), generator=generator).to(indices.device)
        chosen = (share * self.count[indices]).long()
        return self.members[indices, chosen]


def performances(clips: Clips, train: IntArray, device: torch.device) -> Performances:
    """The performances among the training clips; no other clip shares one.

    Clips share a performance where subject, set-up, replication and action agree and the cameras differ. Numbers that
    name two clips of one camera tell no performance: each of their clips has its own.

    Raises:
        DataError: no two training clips share one.
    """
    numbers = (clips.subject, clips.setup, clips.replication, clips.label)
    take = np.stack([column[train] for column in numbers], 1)
    _, take_of = np.unique(take, axis=0, return_inverse=True)
    groups: dict[int, list[int]] = {}
    for clip, number in zip(train.tolist(), take_of.ravel().tolist(), strict=True):
        groups.setdefault(number, []).append(clip)
    of, members = np.arange(len(clips)), [[clip] for clip in range(len(clips))]
    for group in groups.values():
        cameras = clips.camera[group]
        if len(group) > 1 and cameras.min() > 0 and len(np.unique(cameras)) == len(group):
            of[group] = group[0]
            for clip in group:
                members[clip] = group
    most = max(map(len, members), default=1)
    if most == 1:
        raise DataError(
            f"{clips.source}: no two training clips show one performance from different cameras (the same subject, "
            "set-up, replication and action): choose a row whose positives are views of one clip"
        )
    filled = np.array([group + group[-1:] * (most - len(group)) for group in members])
    count = np.array([len(group) for group in members])
    return Performances(*(torch.from_numpy(array).to(device) for array in (of, filled, count)))
