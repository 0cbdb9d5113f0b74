"""A skeleton's joints as tensors, for the rows on resampled clips."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from skelbench.data.clips import Skeleton
from skelbench.data.joints import landmarks, mirrored, parents, torso_pairs


@dataclass(frozen=True, eq=False)
class JointMaps:
    """A skeleton's joints as tensors on one device; J joints, indices int64."""

    root: int
    """The joint that hidden joints lie at."""
    origin: Tensor
    """(1 or 2,), joints whose mean all lengths are measured from: the root, or both hips."""
    mirrored: Tensor
    """(J,), the joint of the other side."""
    parents: Tensor
    """(J,), itself where a joint has none."""
    paths: Tensor
    """float32 (J, J): 1 where the bone that ends at the column's joint is on the way to the row's joint."""
    landmarks: Tensor
    """(L,), L <= LANDMARKS."""
    torso: Tensor
    """(P, 2), left and right."""

    @staticmethod
    def of(skeleton: Skeleton, device: torch.device) -> JointMaps:
        """The maps of a skeleton."""
        above = parents(skeleton)
        paths = torch.zeros(len(above), len(above))
        for joint in range(len(above)):
            step = joint
            while above[step] != step:
                paths[joint, step] = 1
                step = above[step]

        def indices(values: list[int] | list[tuple[int, int]]) -> Tensor:
            return torch.tensor(values, dtype=torch.int64, device=device)

        return JointMaps(
            skeleton.root,
            indices(list(skeleton.origin)),
            indices(mirrored(skeleton)),
            indices(above),
            paths.to(device),
            indices(landmarks(skeleton)),
            indices(torso_pairs(skeleton)).reshape(-1, 2),
        )
