"""The streams op in plain torch, any dtype and device: the oracle of its tests, the baseline, the fallback.

Positions are (B, M, T, J, 3): clips, places for people, sampled frames, joints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from skelbench.ops.clips import RaggedClips
from skelbench.ops.views import MOTION, JointMaps, View

# Below this share of agreement between frames, a clip has no direction.
_DIRECTED = 0.01


def resampled_streams(
    clips: RaggedClips,
    times: Tensor,
    joints: JointMaps,
    streams: tuple[str, ...],
    places: int,
    up: int,
    unit: float,
    view: View,
) -> tuple[Tensor, Tensor]:
    """`skelbench.ops.resampled_streams`, step by step."""
    sampled, present = resample(clips, times, places)
    positions = transformed(level(sampled / unit, present, up, joints), view, joints)
    return stack(positions, present, streams, joints), present


def resample(clips: RaggedClips, times: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """Clips at times (B, T): positions (B, M, T, J, 3), zero where absent, and bool (B, M, T), who is there."""
    last = (clips.frames - 1)[:, None]
    at = times * last
    first = torch.minimum(at.floor().long(), last)
    second = torch.minimum(first + 1, last)
    share = (at - first).to(clips.joints.dtype)[:, None]
    body = torch.arange(places, device=first.device)
    exists = (body < clips.bodies[:, None])[:, :, None]

    def frames(index: Tensor) -> tuple[Tensor, Tensor]:
        rows = clips.offsets[:, None, None] + index[:, None] * clips.bodies[:, None, None] + body[:, None]
        found = clips.joints[torch.where(exists, rows, clips.offsets[:, None, None])]
        return found, exists & (found != 0).flatten(3).any(3)

    (before, before_there), (after, after_there) = frames(first), frames(second)
    # A frame that is hit exactly does not ask whether the next one is there.
    left, right = (1 - share) * before_there, share * after_there
    total = left + right
    present = total > 0
    total = torch.where(present, total, 1.0)
    mixed = (left / total)[..., None, None] * before + (right / total)[..., None, None] * after
    return mixed, present


def level(positions: Tensor, present: Tensor, up: int, joints: JointMaps) -> Tensor:
    """Positions with y up, turned about it so that the first body's left side lies along +x."""
    if up != 1:
        order = [1, 0, 2] if up == 0 else [0, 2, 1]
        positions = positions[..., order]
    if not joints.torso:
        return positions
    first = positions[:, 0]
    left, right = ([pair[side] for pair in joints.torso] for side in (0, 1))
    across = (first[:, :, left] - first[:, :, right]).sum(2)
    # Frame by frame a direction on the floor; their mean turns with the body, which a median by coordinates does not.
    directions = F.normalize(across[..., ::2], dim=-1) * present[:, 0, :, None]
    total = directions.sum(1)
    known = torch.linalg.vector_norm(total, dim=1) > _DIRECTED * positions.shape[2]
    cos, sin = F.normalize(total, dim=1).unbind(1)
    cos, sin = (torch.where(known, *pair)[:, None, None, None] for pair in ((cos, 1.0), (sin, 0.0)))
    px, py, pz = positions.unbind(-1)
    return torch.stack([cos * px + sin * pz, py, cos * pz - sin * px], -1)


def transformed(positions: Tensor, view: View, joints: JointMaps) -> Tensor:
    """Levelled positions as the view has them."""
    if view.maps is not None:
        # One product a clip; one for every frame takes several times as long.
        positions = (positions.flatten(1, 3) @ view.maps.to(positions).mT).view(positions.shape)
    if view.limbs is not None:
        positions = scale_bones(positions, view.limbs.to(positions), joints)
    if view.mirror is not None:
        swapped = positions[..., list(joints.mirrored), :] * positions.new_tensor([-1.0, 1.0, 1.0])
        positions = torch.where(view.mirror[:, None, None, None, None], swapped, positions)
    if view.noise is not None:
        positions = positions + view.noise.to(positions)
    if view.hidden is not None:
        root = positions[..., joints.root : joints.root + 1, :]
        positions = torch.where(view.hidden[:, :, None, :, None], root, positions)
    if view.axis is not None:
        flat = torch.arange(3, device=positions.device) == view.axis[:, None]
        positions = torch.where(flat[:, None, None, None], 0.0, positions)
    return positions


def scale_bones(positions: Tensor, factors: Tensor, joints: JointMaps) -> Tensor:
    """Bodies whose bone that ends at joint j is `factors[:, j]` times as long, (B, J); directions stay."""
    given = positions.unbind(-2)
    placed = list(given)
    for joint in joints.order:
        if (parent := joints.parents[joint]) != joint:
            bone = given[joint] - given[parent]
            placed[joint] = placed[parent] + factors[:, joint, None, None, None] * bone
    return torch.stack(placed, -2)


def stack(positions: Tensor, present: Tensor, streams: tuple[str, ...], joints: JointMaps) -> Tensor:
    """Streams of positions, y up, side by side (B, M, T, J, channels), zero where `present`, (B, M, T), says no."""
    root = positions[:, :1, :, list(joints.origin)].mean(3, keepdim=True)
    found: list[Tensor] = []
    needs_motion = {"motion", "invariant"} & set(streams)
    motion = _motion(positions, present) if needs_motion else positions
    for stream in streams:
        if stream == "levelled":
            found.append(positions)
        elif stream == "position":
            found.append(positions - root[:, :, :1])
        elif stream == "joint":
            relative = positions - root
            relative[:, :1, :, joints.root] = (root - root[:, :, :1])[:, :, :, 0]
            found.append(relative)
        elif stream == "bone":
            found.append(positions - positions[..., list(joints.parents), :])
        elif stream == "motion":
            found.append(motion)
        else:
            found += [_lengths(positions - root), _lengths(motion)]
            found.append(_distances(positions, positions[:, :1, :, list(joints.landmarks)]))
    return torch.where(present[..., None, None], torch.cat(found, -1), 0.0)


def _motion(positions: Tensor, present: Tensor) -> Tensor:
    both = (present[:, :, 1:] & present[:, :, :-1])[..., None, None]
    steps = torch.where(both, MOTION * (positions[:, :, 1:] - positions[:, :, :-1]), 0.0)
    return F.pad(steps, (0, 0, 0, 0, 0, 1))


def _lengths(vectors: Tensor) -> Tensor:
    """Length, horizontal length and vertical part of vectors (..., 3): (..., 3)."""
    x, y, z = vectors.unbind(-1)
    horizontal = x * x + z * z
    return torch.stack([(horizontal + y * y).sqrt(), horizontal.sqrt(), y], -1)


def _distances(points: Tensor, marks: Tensor) -> Tensor:
    """Distances (..., J, L) of points (..., J, 3) from marks (..., L, 3)."""
    # Axis by axis: a norm over runs of three takes several times as long.
    total: Tensor | None = None
    for point, mark in zip(points.unbind(-1), marks.unbind(-1), strict=True):
        square = (point[..., None] - mark[..., None, :]).square_()
        total = square if total is None else total.add_(square)
    assert total is not None
    return total.sqrt_()
