"""Clips whose padded frames are divided among processes: a wide layer's weights, and its work, in as many parts.

The first layer of ConMLP has 99 % of its weights. Exchanging its gradient would cost as many bytes as the weights have,
at every step. Instead each process owns some of the padded row's frames and the weights of these. It multiplies its
frames of all clips of the batch; what the processes find is added up, each getting the rows of its own clips. Backward,
each gets the gradient of all rows, and its weights' gradient is complete without a further exchange.

Frame p and frame L - 1 - p belong to one process. So a process's frames of a clip are again a clip, in a padded row of
its own frames, and the clip reversed in time is that clip reversed: nothing else in the ops has to know.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from skelbench.ops import RaggedClips
from skelbench.parallel.ranks import Ranks, gather, scatter_sum


@dataclass(frozen=True, eq=False)
class DividedClips:
    """One process's frames of the clips of a whole batch."""

    own: RaggedClips
    """Of the rows that have such frames; padded to the process's frames."""
    place: Tensor
    """int64 (len(own),), where these rows stand among all, which are ordered process by process."""
    sizes: tuple[int, ...]
    """Rows of each process's own clips."""
    ranks: Ranks

    def to_owners(self, partial: Tensor) -> Tensor:
        """Add up what all processes found (len(own), width): this process's rows (sizes[rank], width)."""
        rows = partial.new_zeros(sum(self.sizes), partial.shape[1]).index_copy(0, self.place, partial)
        return scatter_sum(rows, self.ranks, self.sizes)

    def from_owners(self, rows: Tensor) -> Tensor:
        """All processes' rows, of which this one has (sizes[rank], width), at the clips of `own`."""
        return gather(rows, self.ranks, self.sizes).index_select(0, self.place)


class OwnFrames:
    """The padded frames of each process."""

    def __init__(self, length: int, ranks: Ranks, device: torch.device) -> None:
        """Divide `length` frames, see `divides`."""
        self.length, self.ranks = length, ranks
        frame = torch.arange(length, device=device)
        owner = torch.minimum(frame, length - 1 - frame) % ranks.size
        self.of_rank = [frame[owner == rank] for rank in range(ranks.size)]
        self.own = self.of_rank[ranks.rank]
        self._count = torch.searchsorted(self.own, torch.arange(length + 1, device=device))

    @staticmethod
    def divides(length: int, processes: int) -> bool:
        """Whether every process gets a frame."""
        return (length + 1) // 2 >= processes

    def clips(self, clips: RaggedClips) -> tuple[RaggedClips, Tensor]:
        """This process's frames of clips that start at frame 0, on rows of their own, and which clips have some.

        Returns:
            n clips, padded to `len(self.own)` frames, and int64 (n,), their places among the clips given.
        """
        frames = self._count[clips.frames]
        kept = frames.nonzero()[:, 0]
        frames, bodies = frames[kept], clips.bodies[kept]
        rows = frames * bodies
        first = rows.cumsum(0) - rows
        owner = torch.repeat_interleave(torch.arange(len(kept), device=rows.device), rows)
        within = torch.arange(len(owner), device=rows.device) - first[owner]
        frame, body = within // bodies[owner], within % bodies[owner]
        source = clips.offsets[kept][owner] + self.own[frame] * bodies[owner] + body
        start = torch.zeros_like(first)
        # Rows are copied whole; indexing would copy them number by number, at a third of the speed.
        joints = clips.joints.index_select(0, source)
        return RaggedClips(joints, first, frames, bodies, start, len(self.own), clips.max_bodies), kept

    def part(self, weight: Tensor, dimension: int, rank: int | None = None) -> Tensor:
        """The part of a weight that belongs to a process (default: this one), whose `dimension` is a padded row."""
        frames = self.own if rank is None else self.of_rank[rank]
        by_frame = weight.unflatten(dimension, (self.length, -1)).index_select(dimension, frames)
        part: Tensor = by_frame.flatten(dimension, dimension + 1).contiguous()
        return part

    def whole(self, part: Tensor, dimension: int) -> Tensor:
        """The weight whose parts the processes have; an exchange of all of it."""
        block = part.shape[dimension] // len(self.own)
        shapes = [
            (*part.shape[:dimension], len(frames), block, *part.shape[dimension + 1 :])
            for frames in self.of_rank
        ]
        sizes = [torch.Size(shape).numel() for shape in shapes]
        found = self.ranks.gathered(part.reshape(-1), sizes).split(sizes)
        size = (*part.shape[:dimension], self.length, block, *part.shape[dimension + 1 :])
        whole = part.new_empty(size)
        for values, shape, frames in zip(found, shapes, self.of_rank, strict=True):
            whole.index_copy_(dimension, frames, values.view(shape))
        return whole.flatten(dimension, dimension + 1)
