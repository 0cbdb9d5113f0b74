"""Packed clips as a stream other than joint positions, for models that read packed clips: bones, or motion.

Rows on resampled clips have streams of their own (skelbench.ops.resampled_streams).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import Clips, release
from skelbench.data.joints import parents
from skelbench.training.settings import InputStream

# Brings steps between frames to the size of positions. Of 1, 8 and 32 on NW-UCLA's camera 2, trained on camera 1.
MOTION = 8.0
_CHUNK = 4096  # clips


def as_stream(clips: Clips, stream: InputStream | None) -> Clips:
    """`clips` whose joints are those of a stream; of positions (`joint` or None), the clips themselves.

    - `bone`: from the joint's parent; zero for a joint without one.
    - `motion`: MOTION times the displacement to the clip's next frame; zero in the last frame, and where the body is
      absent in either.

    As in 2s-AGCN (Shi et al., CVPR 2019) and CTR-GCN, but for the factor, which brings displacements to the size of
    positions.
    """
    if stream is None or stream == "joint":
        return clips
    joints = np.empty(clips.joints.shape, dtype=np.float32)
    above = np.array(parents(clips.skeleton))
    for index, (begin, end) in enumerate(pairwise(clips.offsets.tolist())):
        clip = clips.clip(index)
        found = clip - clip[:, :, above] if stream == "bone" else _motion(clip)
        joints[begin:end] = found.reshape(end - begin, *joints.shape[1:])
        if index % _CHUNK == 0:
            release(clips.joints)
    return replace(clips, joints=joints)


def _motion(clip: NDArray[np.float32]) -> NDArray[np.float32]:
    """Steps (T, m, J, 3) of a clip."""
    steps = np.zeros_like(clip)
    there: NDArray[np.bool_] = (clip != 0).any(axis=(2, 3))
    steps[:-1] = MOTION * (clip[1:] - clip[:-1]) * (there[1:] & there[:-1])[..., None, None]
    return steps
