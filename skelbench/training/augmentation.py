"""Random views of resampled clips: what is drawn for a batch, and each transform with its draws given.

Positions are float (B, M, T, J, 3), y up, M bodies. Draws come from a CPU generator, so they do not depend on the
device; drawing nothing (all strengths 0) leaves the positions as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelbench.training.joints import JointMaps
from skelbench.training.plan import Augmentation


def draw_times(count: int, frames: int, strengths: Augmentation, generator: torch.Generator) -> Tensor:
    """Sampling times float32 (count, frames) of each view, ascending in [0, 1]: cropped, warped and staggered."""
    times = plain_times(count, frames)
    if strengths.stagger and frames > 1:
        moves = torch.rand(count, frames, generator=generator) - 0.5
        times = (times + strengths.stagger * moves / (frames - 1)).clamp(0, 1)
    if strengths.warp:
        times = times ** torch.exp(strengths.warp * _signed((count, 1), generator))
    if strengths.crop < 1:
        length = 1 - (1 - strengths.crop) * torch.rand(count, 1, generator=generator)
        times = (1 - length) * torch.rand(count, 1, generator=generator) + length * times
    return times


def plain_times(count: int, frames: int) -> Tensor:
    """Evenly spaced times float32 (count, frames) from the first frame, 0, to the last, 1."""
    return torch.linspace(0, 1, frames).expand(count, frames)


def augment(
    positions: Tensor,
    strengths: Augmentation,
    generator: torch.Generator,
    joints: JointMaps,
) -> Tensor:
    """One view of each clip.

    Args:
        positions: float (B, M, T, J, 3), y up, in mean bone lengths.
        strengths: how far a view departs.
        generator: on the CPU.
        joints: the skeleton's maps, on the device of the positions.

    Returns:
        float (B, M, T, J, 3).
    """
    count, device = len(positions), positions.device
    if strengths.tilt or strengths.yaw or strengths.shear or strengths.stretch:
        maps = draw_maps(count, strengths, generator).to(positions)
        # One product a clip; one for every frame takes several times as long.
        positions = (positions.flatten(1, 3) @ maps.mT).view(positions.shape)
    if strengths.limb:
        factors = 1 + strengths.limb * _signed((count, positions.shape[3]), generator)
        even = (factors + factors[:, joints.mirrored.cpu()]) / 2
        positions = scale_bones(positions, even.to(positions), joints.parents, joints.paths)
    if strengths.mirror:
        chosen = torch.rand(count, generator=generator) < strengths.mirror
        positions = mirror(positions, chosen.to(device), joints.mirrored)
    if strengths.noise:
        deviation = strengths.noise * torch.rand(count, 1, 1, 1, 1, generator=generator)
        noise = deviation * torch.randn(positions.shape, generator=generator)
        positions = positions + noise.to(positions)
    if strengths.drop:
        share = strengths.drop * torch.rand(count, 1, 1, generator=generator)
        hidden = torch.rand(count, *positions.shape[1:4:2], generator=generator) < share
        positions = hide(positions, hidden.to(device), joints.root)
    if strengths.axis:
        chosen = torch.rand(count, generator=generator) < strengths.axis
        axes = torch.where(chosen, torch.randint(3, (count,), generator=generator), -1)
        positions = flatten_axis(positions, axes.to(device))
    return positions


def draw_maps(count: int, strengths: Augmentation, generator: torch.Generator) -> Tensor:
    """Linear maps float32 (count, 3, 3): stretch, then shear, then rotations about x, y and z."""
    limits = torch.tensor([strengths.tilt, strengths.yaw, strengths.tilt])
    maps = rotations(limits * _signed((count, 3), generator))
    if strengths.shear:
        off_diagonal = strengths.shear * _signed((count, 3, 3), generator) * (1 - torch.eye(3))
        maps = maps @ (torch.eye(3) + off_diagonal)
    if strengths.stretch:
        maps = maps * (1 + strengths.stretch * _signed((count, 1, 3), generator))
    return maps


def rotations(angles: Tensor) -> Tensor:
    """Matrices (B, 3, 3) for angles (B, 3) in radians: about x, then y, then z, for column vectors."""
    cos, sin = angles.cos(), angles.sin()
    zero, one = torch.zeros_like(cos[:, 0]), torch.ones_like(cos[:, 0])

    def matrix(*numbers: Tensor) -> Tensor:
        return torch.stack(numbers, 1).view(-1, 3, 3)

    (cx, cy, cz), (sx, sy, sz) = cos.unbind(1), sin.unbind(1)
    about_x = matrix(one, zero, zero, zero, cx, -sx, zero, sx, cx)
    about_y = matrix(cy, zero, sy, zero, one, zero, -sy, zero, cy)
    about_z = matrix(cz, -sz, zero, sz, cz, zero, zero, zero, one)
    return about_z @ about_y @ about_x


def scale_bones(positions: Tensor, factors: Tensor, parents: Tensor, paths: Tensor) -> Tensor:
    """Bodies (B, M, T, J, 3) whose bone ending at joint j is `factors[:, j]` times as long, (B, J).

    Directions stay, and so does a joint that no bone ends at. `parents` and `paths` as in `JointMaps`.
    """
    bones = positions - positions[..., parents, :]
    changes = bones * (factors - 1)[:, None, None, :, None]
    # A joint moves by the changes of all bones on the way to it: one product over the joints of everything.
    return positions + (changes.mT @ paths.mT).mT


def mirror(positions: Tensor, chosen: Tensor, mirror_map: Tensor) -> Tensor:
    """Clips at `chosen`, bool (B,), with x negated and the joints of left and right exchanged."""
    swapped = positions[..., mirror_map, :] * positions.new_tensor([-1.0, 1.0, 1.0])
    return torch.where(chosen[:, None, None, None, None], swapped, positions)


def hide(positions: Tensor, hidden: Tensor, root: int) -> Tensor:
    """Joints at `hidden`, bool (B, M, J), lie at their body's root in all frames; the root itself stays."""
    return torch.where(hidden[:, :, None, :, None], positions[..., root : root + 1, :], positions)


def flatten_axis(positions: Tensor, axes: Tensor) -> Tensor:
    """One axis of each clip set to zero: `axes` int64 (B,), -1 for none."""
    kept = torch.arange(3, device=axes.device) != axes[:, None]
    return positions * kept[:, None, None, None, :].to(positions)


def _signed(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator) - 1
