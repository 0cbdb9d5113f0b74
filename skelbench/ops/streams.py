"""The input of a model on resampled clips: packed rows to streams in one pass, no padded array in between.

The steps, and where they come from: frames at given times, linear between a clip's own (as CTR-GCN resamples, but
for the padding); y up and yaw removed by the torso; the transforms of a view; streams side by side (joint, bone and
motion as in 2s-AGCN, Shi et al., CVPR 2019).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skelbench.ops import _library, reference_streams
from skelbench.ops._autograd import has_tangent
from skelbench.ops.checks import FLOATS, check_dense, check_integer, check_number, check_tensor
from skelbench.ops.clips import MOST_BODIES, RaggedClips, check_type
from skelbench.ops.views import STREAMS, JointMaps, View, channel_count


class Streams(NamedTuple):
    """Streams of resampled clips."""

    channels: Tensor
    """float (B, M, T, J, channels), zero where a body is absent."""
    present: Tensor
    """bool (B, M, T), who is there."""


def resampled_streams(
    clips: RaggedClips,
    times: Tensor,
    joints: JointMaps,
    streams: tuple[str, ...],
    *,
    places: int,
    up: int = 1,
    unit: float = 1.0,
    view: View | None = None,
) -> Streams:
    """Streams of B clips at T times each.

    Positions are resampled, divided by `unit`, turned so that y is up and the first body's left side lies along +x
    (tilt stays), and changed into the view. Lengths and directions are measured from the first body.

    - Resampling is linear between a clip's frames. Between a frame in which a body is absent (all numbers zero) and one
      in which it is there, the latter is taken.
    - A frame's direction is that of the sum of the lines from right to left of the torso, on the floor; the clip's is
      their mean over the sampled frames in which the first body is there. A clip whose directions cancel out (below
      1 %) is not turned, nor is a skeleton without torso.
    - `levelled`: positions (3).
    - `position`: from the first body's origin in the first frame (3).
    - `joint`: from the first body's origin in the same frame; its root's own place holds its `position` (3).
    - `bone`: from the joint's parent; zero without one (3).
    - `motion`: 8 times the displacement to the next sampled frame; zero in the last, and where the body is absent in
      either (3).
    - `invariant`: what no rotation about the vertical changes: distance to the origin, its horizontal part, height
      above it, speed, its horizontal part, rising speed, and the distances to the first body's landmarks (6 + them).

    float32 joints run in the extension, other dtypes and devices in plain torch. No part is differentiable.

    Args:
        clips: B clips; frames before `start` and padding are not part of a clip.
        times: float32 (B, T) in [0, 1], from a clip's first frame to its last.
        joints: of the skeleton.
        streams: names of `STREAMS`, none twice; their channels stand side by side in this order.
        places: M, places for people; a clip's further bodies are left out.
        up: the coordinate that points up, 0, 1 or 2.
        unit: length that is 1 in the result.
        view: how the views differ from their clips; None: not at all.

    Returns:
        The streams and who is there, of the dtype of the joints.

    Raises:
        TypeError: an argument (named) of another type.
        ValueError: shapes, dtypes, devices or values that do not fit; a tensor that needs a gradient.
        ValueError or RuntimeError: a clip (named) outside the packed rows, or times outside their clip. On CUDA the
            kernel prints the clip and stops the device.
    """
    check_type(clips)
    if not isinstance(joints, JointMaps):
        raise TypeError(f"joints must be a JointMaps, not {type(joints).__name__}")
    view = View() if view is None else view
    if not isinstance(view, View):
        raise TypeError(f"view must be a View, not {type(view).__name__}")
    check_tensor("clips.joints", clips.joints, ("rows", joints.joints, 3), *FLOATS)
    count = clips.offsets.shape[0]
    check_tensor("times", times, (count, "T"), torch.float32, like=clips.joints)
    check_integer("places", places, 1, MOST_BODIES)
    check_integer("up", up, 0, 2)
    check_number("unit", unit, 1e-30, 1e30)
    _check_streams(streams)
    sampled = times.shape[1]
    if sampled == 0:
        raise ValueError("times must have at least one column, not (B, 0)")
    _check_view(view, (count, places, sampled, joints.joints), clips.joints)
    _refuse_gradients(clips, times, view)
    if not _library.computes(clips.joints):
        _check_values(clips, times, view)
        return Streams(
            *reference_streams.resampled_streams(clips, times, joints, streams, places, up, unit, view)
        )
    maps, limbs, noise = (
        None if part is None else part.float() for part in (view.maps, view.limbs, view.noise)
    )
    channels, present = torch.ops.skelbench.resampled_streams(
        *clips.tensors[:4], times, joints.root, joints.origin, joints.mirrored, joints.parents, joints.landmarks,
        [joint for pair in joints.torso for joint in pair], [STREAMS.index(name) for name in streams], places, up,
        float(unit), maps, limbs, view.mirror, noise, view.hidden, view.axis,
    )  # fmt: skip
    return Streams(channels, present)


def _check_streams(streams: object) -> None:
    if not isinstance(streams, tuple):
        raise TypeError(f"streams must be a tuple of names, not {type(streams).__name__}")
    if not streams or len(set(streams)) < len(streams) or not set(streams) <= set(STREAMS):
        raise ValueError(f"streams must be some of {', '.join(STREAMS)}, none twice, not {streams}"[:200])


def _check_view(view: View, sizes: tuple[int, int, int, int], like: Tensor) -> None:
    count, places, sampled, joints = sizes
    wanted: dict[str, tuple[tuple[int, ...], tuple[torch.dtype, ...]]] = {
        "maps": ((count, 3, 3), FLOATS),
        "limbs": ((count, joints), FLOATS),
        "mirror": ((count,), (torch.bool,)),
        "noise": ((count, places, sampled, joints, 3), FLOATS),
        "hidden": ((count, places, joints), (torch.bool,)),
        "axis": ((count,), (torch.int64,)),
    }
    for name, (shape, dtypes) in wanted.items():
        if (part := getattr(view, name)) is not None:
            check_tensor(f"view.{name}", part, shape, *dtypes, like=like)


def _refuse_gradients(clips: RaggedClips, times: Tensor, view: View) -> None:
    parts = {"clips.joints": clips.joints, "times": times}
    parts |= {f"view.{field.name}": getattr(view, field.name) for field in fields(view)}
    for name, part in parts.items():
        if part is not None and (has_tangent(part) or (torch.is_grad_enabled() and part.requires_grad)):
            raise ValueError(f"{name} needs a gradient, but resampled_streams has none: detach it")


def _check_values(clips: RaggedClips, times: Tensor, view: View) -> None:
    check_dense("times", times)
    rows = clips.joints.shape[0]
    # Differences and quotients, not sums and products: those of huge numbers wrap around.
    most = (rows - clips.offsets).div(clips.bodies.clamp(min=1), rounding_mode="floor")
    fits = (clips.offsets >= 0) & (clips.bodies >= 1) & (clips.frames >= 1) & (clips.frames <= most)
    if not bool(fits.all()):
        clip = int((~fits).nonzero()[0])
        frames, bodies, first = (int(part[clip]) for part in (clips.frames, clips.bodies, clips.offsets))
        raise ValueError(
            f"clip {clip} has {frames} frames of {bodies} bodies from row {first}, but there are {rows} rows of joints"
        )
    if not bool(((times >= 0) & (times <= 1)).all()):
        raise ValueError("times must be in [0, 1]")
    if view.axis is not None and not bool(((view.axis >= -1) & (view.axis < 3)).all()):
        raise ValueError("view.axis must be in [-1, 2]")


def _fake(joints: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    times, landmarks, streams, places = rest[3], rest[8], rest[10], rest[11]
    channels = channel_count(tuple(STREAMS[stream] for stream in streams), len(landmarks))
    sizes = times.shape[0], places, times.shape[1]
    return joints.new_empty(*sizes, joints.shape[1], channels), joints.new_empty(sizes, dtype=torch.bool)


if _library.built:
    torch.library.register_fake("skelbench::resampled_streams")(_fake)
