"""From padded or separate arrays to the packed rows of `Clips`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import IntArray

Array = NDArray[np.float32]


def count_unpadded(block: NDArray, trim_frames: bool) -> tuple[IntArray, IntArray]:
    """Frames and bodies that are really there in a padded block (B, T, M, J, 3): two int64 (B,) arrays.

    Trailing all-zero frames are padding (where `trim_frames`). A body after the first is absent if it is zero
    throughout, or if it repeats the first: the public NTU-120 script writes the only actor into both places.
    A clip that is zero throughout has no frames and one body.
    """
    present = (block != 0).any(axis=(3, 4))
    if trim_frames:
        frames_present = present.any(axis=2)
        frames = block.shape[1] - np.argmax(frames_present[:, ::-1], axis=1)
        frames = np.where(frames_present.any(axis=1), frames, 0)
    else:
        frames = np.full(len(block), block.shape[1])
    seen = present.any(axis=1)
    for body in range(1, block.shape[2]):
        candidates = np.flatnonzero(seen[:, body])
        copies = (block[candidates, :, body] == block[candidates, :, 0]).all(axis=(1, 2, 3))
        seen[candidates[copies], body] = False
    bodies = np.where(seen.any(axis=1), seen.shape[1] - np.argmax(seen[:, ::-1], axis=1), 1)
    return frames.astype(np.int64), bodies.astype(np.int64)


def concatenate(parts: Iterable[Array], rows: int, joints: int) -> Array:
    """The clips `parts`, each (t, m, J, 3), in one float32 array (rows, J, 3), rows = sum of t * m."""
    packed = np.empty((rows, joints, 3), dtype=np.float32)
    position = 0
    for part in parts:
        count = part.shape[0] * part.shape[1]
        packed[position : position + count] = part.reshape(count, joints, 3)
        position += count
    return packed


def offsets_of(frames: IntArray, bodies: IntArray) -> IntArray:
    """First row of each clip and the end, int64 (N + 1,)."""
    return np.concatenate([[0], np.cumsum(frames * bodies)]).astype(np.int64)
