"""What the streams op is told besides the clips: the joints, the streams wanted, and how a view differs from its clip.

Checked when made; tensors are data, of which nothing is differentiable.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from skelbench.ops.checks import check_integer

STREAMS = ("levelled", "position", "joint", "bone", "motion", "invariant")
"""The streams, as `resampled_streams` says what they are; their order is that of `csrc/streams/kernels.h`."""
MOTION = 8.0
"""Displacements between sampled frames are this much smaller than positions; factor for motion and speeds."""
INVARIANTS = 6
"""Numbers of a joint among the invariants, besides the distances to landmarks."""
MOST_JOINTS = 256
"""Most joints of a skeleton."""
# Most joints of each other kind: what the kernels keep room for.
_MOST = {"origin": 4, "landmarks": 16, "torso": 4}


@dataclass(frozen=True)
class JointMaps:
    """A skeleton's joints as numbers 0..J-1, J at most 256.

    Raises:
        TypeError: a field (named) of another type.
        ValueError: a joint (named) that there is not, or fields that do not fit.
    """

    root: int
    """The joint that hidden joints lie at."""
    origin: tuple[int, ...]
    """1 to 4 joints whose mean all lengths are measured from: the root, or both hips."""
    mirrored: tuple[int, ...]
    """Of each joint, the joint of the other side; itself where there is none."""
    parents: tuple[int, ...]
    """Of each joint, the joint that its bone comes from; itself where there is none."""
    landmarks: tuple[int, ...]
    """At most 16 joints that distances are measured from."""
    torso: tuple[tuple[int, int], ...]
    """At most 4 pairs, left and right; their lines tell where a body's left is."""

    def __post_init__(self) -> None:
        """Check every joint."""
        for field in fields(self)[1:]:
            if not isinstance(getattr(self, field.name), tuple):
                given = type(getattr(self, field.name)).__name__
                raise TypeError(f"JointMaps.{field.name} must be a tuple, not {given}")
        joints = len(self.parents)
        if not 1 <= joints <= MOST_JOINTS:
            raise ValueError(f"JointMaps.parents has {joints} joints, expected 1 to {MOST_JOINTS}")
        check_integer("JointMaps.root", self.root, 0, joints - 1)
        if any(not isinstance(pair, tuple) or len(pair) != 2 for pair in self.torso):
            raise TypeError(f"JointMaps.torso must be pairs of joints, not {self.torso}"[:120])
        if not self.origin:
            raise ValueError("JointMaps.origin has no joint")
        if len(self.mirrored) != joints:
            raise ValueError(f"JointMaps.mirrored has {len(self.mirrored)} joints, but there are {joints}")
        for name, most in _MOST.items():
            if len(getattr(self, name)) > most:
                raise ValueError(
                    f"JointMaps.{name} has {len(getattr(self, name))} entries, at most {most} fit"
                )
        for name in ("origin", "mirrored", "parents", "landmarks"):
            for joint in getattr(self, name):
                check_integer(f"JointMaps.{name}", joint, 0, joints - 1)
        for pair in self.torso:
            for joint in pair:
                check_integer("JointMaps.torso", joint, 0, joints - 1)
        for joint, other in enumerate(self.mirrored):
            if self.mirrored[other] != joint:
                raise ValueError(
                    f"JointMaps.mirrored must be pairs, but joint {joint} goes to {other}, and that one to "
                    f"{self.mirrored[other]}"
                )
        if len(self.order) < joints:
            raise ValueError(
                f"JointMaps.parents: the bones of {joints - len(self.order)} joints run in a circle"
            )

    @property
    def joints(self) -> int:
        """J."""
        return len(self.parents)

    @property
    def order(self) -> list[int]:
        """The joints, each after its parent; without those whose bones run in a circle."""
        placed: dict[int, None] = {}
        before = -1
        while before < len(placed):
            before = len(placed)
            for joint, parent in enumerate(self.parents):
                if parent == joint or parent in placed:
                    placed[joint] = None
        return list(placed)


@dataclass(frozen=True, eq=False)
class View:
    """How each view of B clips differs from its clip, in this order; None: not at all.

    M places for people, T sampled frames, J joints.
    """

    maps: Tensor | None = None
    """Floating (B, 3, 3): linear maps of the positions as column vectors, y up."""
    limbs: Tensor | None = None
    """Floating (B, J): the bone that ends at a joint is so many times as long."""
    mirror: Tensor | None = None
    """Bool (B,): x is negated, and the joints of left and right change places."""
    noise: Tensor | None = None
    """Floating (B, M, T, J, 3), added to the positions."""
    hidden: Tensor | None = None
    """Bool (B, M, J): these joints lie at their body's root."""
    axis: Tensor | None = None
    """int64 (B,): the coordinate that is set to zero, -1 for none."""

    def to(self, device: torch.device | str) -> View:
        """The same on a device."""
        parts = ((field.name, getattr(self, field.name)) for field in fields(self))
        return replace(self, **{name: part.to(device) for name, part in parts if part is not None})


def channel_count(streams: tuple[str, ...], landmarks: int) -> int:
    """Channels of some streams for a skeleton with so many landmarks."""
    return sum(INVARIANTS + landmarks if stream == "invariant" else 3 for stream in streams)
