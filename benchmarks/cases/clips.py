"""Clips of random numbers with NTU-like lengths, which the cases of the padding-free layers and of training share."""

from __future__ import annotations

import numpy as np
import torch

from skelbench.ops import RaggedClips

LENGTH, BODIES, JOINTS, CLASSES = 300, 2, 25, 60


def ntu_like(clips: int, device: str = "cpu", seed: int = 0) -> RaggedClips:
    """Standard-normal coordinates; mean near 83 of 300 frames, one body in 82 of 100 clips; all start at frame 0."""
    rng = np.random.default_rng(seed)
    frames = np.clip(np.round(np.exp(rng.normal(np.log(76), 0.42, clips))), 20, LENGTH).astype(np.int64)
    bodies = np.where(rng.random(clips) < 0.18, 2, 1)
    counts = frames * bodies
    joints = rng.standard_normal((int(counts.sum()), JOINTS, 3), dtype=np.float32)
    arrays = (joints, counts.cumsum() - counts, frames, bodies, np.zeros(clips, dtype=np.int64))
    rows, offsets, frames_, bodies_, start = (torch.from_numpy(array).to(device) for array in arrays)
    return RaggedClips(rows, offsets, frames_, bodies_, start, LENGTH, BODIES)


def rows_in(clips: RaggedClips) -> int:
    """Rows of joints that the clips have: the sum of frames * bodies."""
    return int((clips.frames * clips.bodies).sum())
