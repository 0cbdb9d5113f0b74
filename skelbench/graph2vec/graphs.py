"""Clips -> graphs: windows of consecutive frames over one fixed topology, with labelled nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skelbench.data.clips import Clips, Dropped, IntArray, Skeleton
from skelbench.graph2vec.poses import (
    ABSENT,
    LABEL_KINDS,
    LabelKind,
    Poses,
    TwoPerson,
    features,
    poses,
    quantise,
)

_ALL = slice(None)
# Frames whose labels are made at a time.
_FRAMES = 1 << 16


@dataclass(frozen=True, eq=False)
class SkeletonGraphs:
    """`windows` graphs for each of N clips. All graphs have the nodes and edges of one window of `window` frames.

    Node (frame f, body b, joint j) of a graph has the index (f * B + b) * J + j. Labels are stored per frame, not per
    graph, because windows overlap where a clip is short. A million graphs then fit in memory.
    """

    frame_labels: Tensor
    """int64 (R, B * J); ABSENT where the frame lacks the body."""
    frame_rows: Tensor
    """int64 (N, windows, window), the rows of `frame_labels` that make up each graph."""
    edges: Tensor
    """int64 (E, 2), undirected, between the nodes of a window."""
    kept: IntArray
    """int64 (N,), index of each clip in the `Clips` it came from."""
    dropped: tuple[Dropped, ...]
    """Clips left out, with reasons."""

    @property
    def windows(self) -> int:
        """Graphs of each clip."""
        return int(self.frame_rows.shape[1])

    @property
    def nodes(self) -> int:
        """Nodes V of each graph."""
        return int(self.frame_rows.shape[2] * self.frame_labels.shape[1])

    def __len__(self) -> int:
        """Number of graphs: clips * windows."""
        return int(self.frame_rows.shape[0] * self.frame_rows.shape[1])

    def labels(self, graphs: slice | IntArray = _ALL) -> Tensor:
        """Node labels of the graphs named (of 0..len - 1, clip by clip), int64 (n, V)."""
        rows = self.frame_rows.flatten(0, 1)[graphs]
        return self.frame_labels[rows].flatten(1)

    def select(self, clips: IntArray) -> SkeletonGraphs:
        """The graphs of the clips at positions `clips` (of 0..N-1), in that order, over the same frames."""
        index = np.asarray(clips, dtype=np.int64)
        rows = self.frame_rows[torch.from_numpy(index)]
        return SkeletonGraphs(self.frame_labels, rows, self.edges, self.kept[index], self.dropped)


def window_topology(skeleton: Skeleton, window: int, bodies: int = 1) -> Tensor:
    """Edges of the graph of a window: bones within each frame, each joint to itself in the next frame.

    Args:
        skeleton: joints and bones.
        window: frames of the window.
        bodies: bodies of the window; they stay unconnected.

    Returns:
        int64 (E, 2), E = bodies * (window * bones + (window - 1) * joints).
    """
    joints = len(skeleton.joint_names)
    node = torch.arange(window * bodies * joints).reshape(window, bodies, joints)
    child, parent = torch.tensor(skeleton.edges).T
    bones = torch.stack([node[..., child], node[..., parent]], dim=-1).reshape(-1, 2)
    time = torch.stack([node[:-1], node[1:]], dim=-1).reshape(-1, 2)
    return torch.cat([bones, time])


def window_rows(first: Tensor, frames: Tensor, windows: int, window: int) -> Tensor:
    """Rows of the frames of each graph.

    Windows start at evenly spread frames, from the clip's first to the last one that leaves room. They repeat where a
    clip has fewer such frames than windows. A clip shorter than the window repeats its last frame.

    Args:
        first: int64 (N,), first row of each clip.
        frames: int64 (N,), frames of each clip.
        windows: graphs of each clip.
        window: frames of each graph.

    Returns:
        int64 (N, windows, window).
    """
    room = (frames - window).clamp_min(0)
    start = torch.round(torch.linspace(0, 1, windows, dtype=torch.float64) * room[:, None]).to(torch.int64)
    frame = start[..., None] + torch.arange(window)
    return first[:, None, None] + torch.minimum(frame, frames[:, None, None] - 1)


def skeleton_graphs(
    clips: Clips | Poses,
    *,
    windows: int = 60,
    window: int = 5,
    label: LabelKind = "position",
    bin_size: float = 1.0,
    two_person: TwoPerson = "drop",
    index: IntArray | None = None,
) -> SkeletonGraphs:
    """Turn each clip into graphs of consecutive frames, spread evenly over its own frames.

    Args:
        clips: the clips, or their poses.
        windows: graphs of each clip.
        window: frames of each graph.
        label: kind of the nodes' labels, see `skelbench.graph2vec.poses`.
        bin_size: edge of the cubic bins: mean bone lengths for `position` and `motion` (one is about 0.2 m for an adult
            seen by Kinect), a share of the unit vector for `bone`.
        two_person: "drop" leaves out clips of several people, "disjoint" keeps them as unconnected components.
        index: int64 (n,), the clips that are used, in this order; None for all, and with poses.

    Raises:
        ValueError: a setting out of range.
        DataError: clips that cannot be used.
    """
    if windows < 1 or window < 1:
        raise ValueError(f"windows and window must be at least 1, got {windows} and {window}")
    if not bin_size > 0:
        raise ValueError(f"bin_size must be positive, got {bin_size}")
    if label not in LABEL_KINDS:
        raise ValueError(f"label: expected one of {', '.join(LABEL_KINDS)}, got {label!r}")
    if isinstance(clips, Clips):
        clips = poses(clips, two_person, index=index)
    elif index is not None:
        raise ValueError("index chooses among clips: give it to `poses`")
    edges = window_topology(clips.skeleton, window, clips.bodies)
    rows = window_rows(clips.first, clips.frames, windows, window)
    if label == "degree":
        # Every window has the same degrees, so one frame of them, looked up in turn, stands for all clips.
        nodes = window * clips.bodies * clips.joints
        degree = torch.bincount(edges.flatten(), minlength=nodes).reshape(window, -1)
        return SkeletonGraphs(
            degree, torch.arange(window).expand(rows.shape).contiguous(), edges, clips.kept, clips.dropped
        )
    previous = previous_rows(clips.first, clips.frames)
    labels = torch.empty(clips.position.shape[:3], dtype=torch.int64)
    # Some frames at a time: bins take several times the memory of labels.
    for begin in range(0, len(labels), _FRAMES):
        part = slice(begin, begin + _FRAMES)
        quantity = features(clips.position[part], clips.position[previous[part]], clips.skeleton, label)
        labels[part] = quantise(quantity, bin_size)
    labels[~clips.present] = ABSENT
    return SkeletonGraphs(labels.flatten(1), rows, edges, clips.kept, clips.dropped)


def previous_rows(first: Tensor, frames: Tensor) -> Tensor:
    """The row of the frame before each of R rows, int64 (R,); a clip's first frame is its own."""
    rows = torch.arange(int(frames.sum())) - 1
    rows[first] = first
    return rows
