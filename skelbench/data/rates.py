"""Frames a second: as files state them, one number for all clips or one for each, and as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import Clips, DataError

KINECT = 30.0
"""Of both Kinects: NTU RGB+D (v2) and NW-UCLA (v1)."""
# No recorder is faster; more is another unit.
_MOST = 100_000.0


def stated_fps(path: Path, stated: object, count: int) -> NDArray[np.float64]:
    """The rate of each of `count` clips, (count,), from what a file states: one number, or one for each clip.

    Raises:
        DataError: it is neither, or a rate is not above 0.
    """
    array: NDArray[Any] = np.asarray(stated)
    if array.size == 1:
        array = np.broadcast_to(array.reshape(-1), (count,))
    if array.shape != (count,) or array.dtype.kind not in "fiu":
        raise DataError(
            f"{path}: 'fps' is {array.dtype} {array.shape}, expected one number, or one for each of {count} clips"
        )
    rates = array.astype(np.float64)
    right = (rates > 0) & (rates <= _MOST)
    if not right.all():
        raise DataError(f"{path}: 'fps' holds {rates[~right][0]:g}, expected frames a second above 0")
    return rates


def written_fps(clips: Clips) -> float | Sequence[float] | None:
    """The rates as a file states them: one number where all clips share it; None where they are unknown."""
    if clips.fps is None or not len(clips.fps):
        return None
    rates: list[float] = clips.fps.tolist()
    return rates[0] if len(set(rates)) == 1 else rates
