"""Node features of a skeleton graph: poses freed of where the body stands and how large it is, then quantised.

A skeleton's edges never change, so its graphs differ only in what their nodes are called. A node's initial label is its
joint and a bin of one of these, per frame:

- `position`: the joint relative to the root joint of the same frame; the root itself relative to where the first body's
  root was when it was first seen. In mean bone lengths of the body.
- `bone`: the unit vector from the joint's parent to the joint; the root's is zero.
- `motion`: the joint's displacement since the previous frame, zero in the first; in mean bone lengths.
- `hands`: the joint's distances to the head, the left and the right hand, which no turn of the body changes; in mean
  bone lengths. The landmarks are those of `skelbench.data.joints`; one that a skeleton lacks is at distance zero.
- `feet`: likewise to the root, the left and the right foot.
- `degree`: the number of neighbours of the node and nothing of the pose. A control: every graph is the same graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from skelbench.data.clips import Clips, DataError, Dropped, IntArray, Skeleton, release
from skelbench.data.joints import landmarks
from skelbench.data.presence import present

LabelKind = Literal["position", "bone", "motion", "hands", "feet", "degree"]
LABEL_KINDS: tuple[LabelKind, ...] = get_args(LabelKind)
TwoPerson = Literal["drop", "disjoint"]
ABSENT = -1
"""Label of a node whose body is not in the frame; it has no token."""
# Clips of a memory-mapped dataset that are read before its pages are released.
_RELEASED_AFTER = 2048
BIN_LIMIT = 511
"""Bins run from -511 to 511 on each axis; what lies further out counts as the last bin."""


@dataclass(frozen=True, eq=False)
class Poses:
    """Frames of N clips with one coordinate system per body, on the CPU.

    `position` float32 (R, B, J, 3) holds all frames of clip i at rows `first[i] : first[i] + frames[i]`. A body that is
    absent for some frames rests where it was last seen, so that its motion on return is that since then; bodies that a
    clip lacks are zeros.
    """

    position: Tensor
    """float32 (R, B, J, 3), see the module's text."""
    first: Tensor
    """int64 (N,), first row of each clip."""
    frames: Tensor
    """int64 (N,), at least 1."""
    present: Tensor
    """bool (R, B), whether a body is in a frame (`skelbench.data.presence`)."""
    skeleton: Skeleton
    kept: IntArray
    """int64 (N,), index of each clip in the `Clips` it came from."""
    dropped: tuple[Dropped, ...]
    """Clips left out, with reasons."""

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def bodies(self) -> int:
        """Bodies of a clip."""
        return int(self.position.shape[1])

    @property
    def joints(self) -> int:
        """Joints of a body."""
        return int(self.position.shape[2])


def parents(skeleton: Skeleton) -> Tensor:
    """Parent of each joint, int64 (J,); a joint without one is its own.

    Raises DataError for a bone that names a joint the skeleton does not have.
    """
    joints = len(skeleton.joint_names)
    parent = torch.arange(joints)
    for child, up in skeleton.edges:
        if not (0 <= child < joints and 0 <= up < joints):
            raise DataError(
                f"skeleton: bone ({child}, {up}) names a joint outside 0..{joints - 1}; correct its edges"
            )
        parent[child] = up
    return parent


def poses(
    clips: Clips, two_person: TwoPerson = "drop", slots: int | None = None, index: IntArray | None = None
) -> Poses:
    """Centre and scale every body of every clip, or of those at `index`, int64 (n,), in that order.

    Clips with more than one body are left out and listed (`two_person="drop"`, as the report does), or kept with one
    slot per body (`"disjoint"`). The unit is the body's mean bone length: the median over the frames in which it is
    present, so that a mistracked frame does not set the scale, and one without the body does not count. `slots`: of
    bodies, where a model was trained with more than these clips have.

    Raises DataError, naming the clip, for a coordinate that is not finite and for a body without extent.
    """
    if two_person not in get_args(TwoPerson):
        raise ValueError(f"two_person: expected one of {', '.join(get_args(TwoPerson))}, got {two_person!r}")
    skeleton = clips.skeleton
    if not skeleton.edges:
        raise DataError(
            f"{clips.source}: the skeleton has no bones, so its clips have no graphs; give its edges"
        )
    parent = parents(skeleton).numpy()
    chosen = np.arange(len(clips)) if index is None else index
    fits = np.full(len(chosen), True) if two_person == "disjoint" else clips.bodies[chosen] == 1
    kept = chosen[fits]
    dropped = tuple(
        Dropped(str(clips.names[i]), f"{clips.bodies[i]} people; the graph has one") for i in chosen[~fits]
    )
    if len(kept) == 0:
        raise DataError(f"{clips.source}: every clip has more than one person; use two_person='disjoint'")
    bodies = slots or int(clips.bodies[kept].max())
    frames = clips.frames[kept]
    first = np.concatenate([[0], np.cumsum(frames)[:-1]])
    rows = np.zeros((int(frames.sum()), bodies, clips.joints.shape[1], 3), dtype=np.float32)
    there = np.zeros((len(rows), bodies), dtype=bool)
    bones = [(child, up) for child, up in enumerate(parent) if child != up]
    child, up = np.array(bones, dtype=np.int64).T
    for number, (clip, begin, count) in enumerate(
        zip(kept.tolist(), first.tolist(), frames.tolist(), strict=True), 1
    ):
        joints = clips.clip(clip)
        if not np.isfinite(joints).all():
            raise _unusable(clips, clip, "a non-finite coordinate in a body of")
        seen = present(joints)
        there[begin : begin + count, : joints.shape[1]] = seen
        bodies_seen = np.flatnonzero(seen.any(axis=0)).tolist()
        if not bodies_seen:
            raise _unusable(clips, clip, "nobody in any frame of")
        start = joints[np.argmax(seen[:, bodies_seen[0]]), bodies_seen[0], skeleton.root]
        for body in bodies_seen:
            pose = _own_system(joints[:, body], seen[:, body], child, up, skeleton.root, start)
            if pose is None:
                raise _unusable(clips, clip, "no extent in a body of")
            rows[begin : begin + count, body] = pose
        if number % _RELEASED_AFTER == 0:
            release(clips.joints)
    return Poses(
        torch.from_numpy(rows), torch.from_numpy(first.astype(np.int64)), torch.from_numpy(frames.astype(np.int64)),
        torch.from_numpy(there), skeleton, kept.astype(np.int64), dropped,
    )  # fmt: skip


def _unusable(clips: Clips, clip: int, what: str) -> DataError:
    return DataError(f"{clips.names[clip]}: {what} it; leave the clip out or repair it")


def _own_system(
    body: NDArray[np.float32],
    seen: NDArray[np.bool_],
    child: IntArray,
    up: IntArray,
    root: int,
    start: NDArray[np.float32],
) -> NDArray[np.float32] | None:
    """A body (T, J, 3) in its own coordinate system, None where it has no extent.

    `seen` (T,) says in which frames it is, `start` (3,) where the first body's root is when it is first seen.
    """
    joints = body[seen]
    size = np.median(np.linalg.norm(joints[:, child] - joints[:, up], axis=-1).mean(axis=-1))
    if not size > 0:
        return None
    centred = joints - joints[:, root, None]
    centred[:, root] = joints[:, root] - start
    scaled: NDArray[np.float32] = centred / size
    if seen.all():
        return scaled
    # The last frame seen so far; before the first, the first.
    last = np.maximum(np.cumsum(seen) - 1, 0)
    filled: NDArray[np.float32] = scaled[last]
    return filled


def features(position: Tensor, previous: Tensor, skeleton: Skeleton, kind: LabelKind) -> Tensor:
    """The quantity that `kind` names, (..., J, 3), from the positions (..., J, 3) of a frame and of the one before."""
    if kind == "position":
        return position
    root = skeleton.root
    if kind in ("hands", "feet"):
        centred = position.clone()
        centred[..., root, :] = 0
        marks = landmarks(skeleton)
        chosen = marks[:3] if kind == "hands" else [root, *marks[3:5]]
        distances = [(centred - centred[..., mark, None, :]).norm(dim=-1) for mark in chosen]
        return F.pad(torch.stack(distances, dim=-1), (0, 3 - len(chosen)))
    # Positions are relative to the root, whose own row holds its path: put both back into one frame of reference.
    here, before = (
        p + _without_root_row(p[..., root : root + 1, :], root, p.shape[-2]) for p in (position, previous)
    )
    if kind == "motion":
        return here - before
    bone: Tensor = here - here[..., parents(skeleton), :]
    length: Tensor = bone.norm(dim=-1, keepdim=True)
    return bone / length.clamp_min(1e-12)


def _without_root_row(path: Tensor, root: int, joints: int) -> Tensor:
    """The root's path (..., 1, 3) for every joint (..., J, 3), zero for the root, whose row holds it already."""
    mask = torch.ones(joints, 1, dtype=path.dtype, device=path.device)
    mask[root] = 0
    return path * mask


def quantise(feature: Tensor, bin_size: float) -> Tensor:
    """Label each joint with its index and the cubic bin of its feature: (..., J, 3) -> int64 (..., J), all >= 0.

    Bins are centred on the multiples of `bin_size`, so that a joint at rest does not flicker between two.
    """
    cell = torch.round(feature / bin_size).clamp(-BIN_LIMIT, BIN_LIMIT).to(torch.int64) + BIN_LIMIT + 1
    joints = feature.shape[-2]
    packed = (cell[..., 0] << 20) | (cell[..., 1] << 10) | cell[..., 2]
    return packed * joints + torch.arange(joints, device=feature.device)
