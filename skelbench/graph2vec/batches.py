"""Node labels of a batch of clips, made on demand, so that training can vary the poses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from skelbench.graph2vec.graphs import previous_rows, window_rows, window_topology
from skelbench.graph2vec.poses import ABSENT, LabelKind, Poses, features, quantise

Labellings = tuple[tuple[LabelKind, float], ...]
# Labellings and shear were chosen on cameras 1 and 2 of NW-UCLA, each scored by a model of the other (README.md).
CHOSEN_LABELLINGS: Labellings = (
    ("hands", 1.0),
    ("feet", 1.0),
    ("motion", 0.3),
)


@dataclass(frozen=True, eq=False)
class LabelBatches:
    """The graphs of N clips under K labellings, for `models.wl_bag.WLBagGRU`."""

    poses: Poses
    """The poses of all clips."""
    clips: Tensor
    """int64 (N,), indices of the poses' clips, in order."""
    labellings: Labellings = CHOSEN_LABELLINGS
    """K pairs of label and bin size, as in `skeleton_graphs`."""
    windows: int = 20
    """Graphs of each clip."""
    window: int = 5
    """Frames of each graph."""
    shear: float = 0.2
    """Off-diagonals of a random shear per clip are U(-shear, shear) in training batches; 0 for none."""
    scale: float = 0.0
    """Standard deviation of the logarithm of a random scale per clip, in training batches."""
    noise: float = 0.0
    """Standard deviation, in mean bone lengths, of noise on every coordinate of every frame, in training batches."""

    def __len__(self) -> int:
        """Number of clips N."""
        return len(self.clips)

    @property
    def edges(self) -> Tensor:
        """Topology of all graphs, int64 (E, 2)."""
        return window_topology(self.poses.skeleton, self.window, self.poses.bodies)

    @property
    def nodes(self) -> int:
        """Nodes V of a graph."""
        return self.window * self.poses.bodies * self.poses.joints

    def batch(self, indices: Tensor, training: bool) -> Tensor:
        """Labels of clips.

        Args:
            indices: int64 (B,), of 0..N-1.
            training: vary the poses.

        Returns:
            int64 (B, windows, K, V).
        """
        poses, clips = self.poses, self.clips[indices]
        frames = poses.frames[clips]
        first = frames.cumsum(0) - frames
        owner = torch.repeat_interleave(torch.arange(len(clips)), frames)
        rows = poses.first[clips][owner] + torch.arange(len(owner)) - first[owner]
        position = poses.position[rows]
        if training:
            position = self._vary(position, owner, len(clips))
        previous = position[previous_rows(first, frames)]
        labels = torch.stack(
            [
                quantise(features(position, previous, poses.skeleton, kind), size)
                for kind, size in self.labellings
            ],
            dim=1,
        )
        labels = labels.masked_fill(~poses.present[rows][:, None, :, None], ABSENT).flatten(2)
        # (B, W, window, K, bodies * J).
        picked = labels[window_rows(first, frames, self.windows, self.window)]
        return picked.transpose(2, 3).flatten(3)

    def _vary(self, position: Tensor, owner: Tensor, clips: int) -> Tensor:
        if self.shear > 0 or self.scale > 0:
            matrix = torch.empty(clips, 3, 3).uniform_(-self.shear, self.shear)
            matrix.diagonal(dim1=1, dim2=2).fill_(1)
            matrix *= torch.exp(torch.randn(clips, 1, 1) * self.scale)
            position = torch.einsum("rbjc,rcd->rbjd", position, matrix[owner])
        if self.noise > 0:
            position = position + torch.randn_like(position) * self.noise
        return position
