"""Which training clips a batch holds: every clip once an epoch, or the released ConMLP sampler.

The released code draws `np.random.choice(np.arange(len(y[1])), batch_size)`: `y` is one-hot, so `len(y[1])` is the
number of classes, and only the first 60 clips of the NTU-60 file are ever drawn. Its epoch is one such batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from skelbench.data.clips import Clips, IntArray
from skelbench.training.settings import Sampling


class Sampler:
    """Batches of clip indices, and the count of distinct clips drawn so far."""

    def __init__(
        self, indices: Tensor, batch_size: int, sampling: Sampling, classes: int, generator: torch.Generator
    ) -> None:
        self.indices = indices
        self.batch_size = batch_size if sampling == "conmlp60" else min(batch_size, len(indices))
        self.sampling = sampling
        # What the released code takes for the number of clips.
        self.pool = min(classes, len(indices))
        self.generator = generator
        self.seen = torch.zeros(len(indices), dtype=torch.bool)

    @property
    def clips_per_epoch(self) -> int:
        """Clips of one epoch; under `conmlp60` one batch."""
        return self.batch_size if self.sampling == "conmlp60" else len(self.indices)

    @property
    def coverage(self) -> int:
        """Distinct training clips drawn so far."""
        return int(self.seen.sum())

    def epoch(self) -> Iterator[Tensor]:
        """The batches of one epoch, int64 clip indices on the device of `indices`."""
        if self.sampling == "conmlp60":
            batches: tuple[Tensor, ...] = (
                torch.randint(self.pool, (self.batch_size,), generator=self.generator),
            )
        else:
            order = torch.randperm(len(self.indices), generator=self.generator)
            batches = order.split(self.batch_size)
            # A lone clip has no negatives to be compared with: it joins the batch before it.
            if len(batches) > 1 and len(batches[-1]) == 1:
                batches = (*batches[:-2], torch.cat(batches[-2:]))
        for positions in batches:
            self.seen[positions] = True
            yield self.indices[positions.to(self.indices.device)]


def released_order(clips: Clips, indices: IntArray, protocol: str) -> IntArray:
    """Clip indices in the order of the released files.

    They are grouped by camera (X-View), subject (X-Sub) or set-up (X-Set), and ordered within a group by NTU's names:
    set-up, camera, subject, replication, action. Where the clips come without that knowledge (a CTR-GCN-style npz),
    they are in that order already.
    """
    if not (clips.subject[indices].any() or clips.camera[indices].any()):
        return indices
    group = {"xview": clips.camera, "xsub": clips.subject, "xset": clips.setup}.get(protocol, clips.setup)
    keys = (clips.label, clips.replication, clips.subject, clips.camera, clips.setup, group)
    return indices[np.lexsort([key[indices] for key in keys])]
