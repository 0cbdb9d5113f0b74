"""Clips on a device without their padding: what the encoders read.

The first layer of ConMLP sees a clip as one row of `length * max_bodies * J * 3` numbers, most of them zero padding.
`RaggedClips` holds only the frames and bodies that exist, plus the frame at which they start in the padded row.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class RaggedClips:
    """A batch of B clips as rows of joint coordinates, unpadded.

    Clip b owns `frames[b] * bodies[b]` consecutive rows of `joints` from row `offsets[b]`, frame by frame and body
    by body within a frame. `joints` may be the whole dataset: a batch then only points into it.
    """

    joints: Tensor  #: float32 (R, J, 3), metres (or the unit of the dataset)
    offsets: Tensor  #: int64 (B,), first row of each clip
    frames: Tensor  #: int64 (B,), frames present
    bodies: Tensor  #: int64 (B,), bodies present, at most `max_bodies`
    start: Tensor  #: int64 (B,), padded frame that holds the clip's first frame; start + frames <= length
    length: int  #: frames of the padded row (300 for NTU)
    max_bodies: int  #: bodies of the padded row (2 for NTU)

    @property
    def features(self) -> int:
        """Length of the padded row: length * max_bodies * J * 3 (45,000 for NTU)."""
        return self.length * self.max_bodies * self.joints.shape[1] * self.joints.shape[2]

    def __len__(self) -> int:
        """Number of clips B."""
        return int(self.offsets.shape[0])
