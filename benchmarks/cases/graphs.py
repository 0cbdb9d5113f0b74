"""Graphs of one frame of a 25-joint skeleton, which the cases of the graph2vec family share."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from skelbench.data.skeletons import NTU_25

NODES, ITERATIONS = 25, 2
CELLS = 400
EDGES = torch.tensor([(child, parent) for child, parent in NTU_25.edges], dtype=torch.int64)


def zipf_labels(graphs: int, seed: int = 0) -> Tensor:
    """Per joint a bin out of CELLS, the nearer ones more often (Zipf): int64 (graphs, 25), joint and bin in one."""
    cell = np.minimum(np.random.default_rng(seed).zipf(1.5, (graphs, NODES)), CELLS)
    return torch.from_numpy(cell * NODES + np.arange(NODES))
