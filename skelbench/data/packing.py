"""From padded or separate arrays to the packed rows of `Clips`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import IntArray
from skelbench.data.presence import Array as AnyArray
from skelbench.data.presence import Mask, present, tidy

Array = NDArray[np.float32]

CHUNK_BYTES = 16 << 20
"""Of padded data looked at in one go."""


class Packer:
    """Packs clips one by one, each tidied (`skelbench.data.presence`), so that no padded array is kept.

    The rows grow in place (realloc moves pages, it does not copy them), so that the peak is little above the result.
    """

    def __init__(self, joints: int, padded: bool) -> None:
        """`padded`: frames without a body at the ends of a clip are padding, and are not worth a note."""
        self._rows = np.zeros((0, joints, 3), dtype=np.float32)
        self._used = 0
        self._padded = padded
        self._frames: list[int] = []
        self._bodies: list[int] = []
        self._cut: list[int] = []
        self._continued = 0

    def add(self, clip: AnyArray, there: Mask | None = None) -> None:
        """One clip (T, M, J, 3) of any real dtype; `there`: `present(clip)`, where that is known already."""
        tidied = tidy(clip, there)
        frames, bodies = tidied.clip.shape[:2]
        self._frames.append(frames)
        self._bodies.append(bodies)
        self._continued += tidied.continued > 0
        if frames and tidied.cut:
            self._cut.append(tidied.cut)
        end = self._used + frames * bodies
        if end > len(self._rows):
            step = CHUNK_BYTES // (12 * self._rows.shape[1])
            size = max(end, len(self._rows) + max(step, len(self._rows) // 8))
            self._rows.resize((size, *self._rows.shape[1:]), refcheck=False)
        self._rows[self._used : end] = tidied.clip.reshape(frames * bodies, *self._rows.shape[1:])
        self._used = end

    def add_block(self, block: AnyArray) -> None:
        """Clips (B, T, M, J, 3)."""
        for clip, there in zip(block, present(block), strict=True):
            self.add(clip, there)

    @property
    def frames(self) -> IntArray:
        """Of each clip so far."""
        return np.array(self._frames, dtype=np.int64)

    @property
    def bodies(self) -> IntArray:
        """Of each clip so far."""
        return np.array(self._bodies, dtype=np.int64)

    def joints(self) -> Array:
        """The packed rows, float32 (sum of frames * bodies, J, 3); call once, at the end."""
        self._rows.resize((self._used, *self._rows.shape[1:]), refcheck=False)
        return self._rows

    def notes(self) -> tuple[str, ...]:
        """What tidying changed, a line each."""
        found = []
        if self._cut and not self._padded:
            found.append(
                f"{len(self._cut)} clips begin or end in frames without a body: {sum(self._cut)} frames left out there"
            )
        if self._continued:
            found.append(
                f"{self._continued} clips: a body that appears after another has left is taken as the same person"
            )
        return tuple(found)


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
