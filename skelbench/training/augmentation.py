"""Random views of resampled clips: what is drawn for a batch. `skelbench.ops.resampled_streams` applies it.

Draws come from a CPU generator, so they do not depend on the device; drawing nothing (all strengths 0) leaves the
positions as they are.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from skelbench.ops import JointMaps, View
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


def draw_view(
    count: int,
    places: int,
    frames: int,
    strengths: Augmentation,
    generator: torch.Generator,
    joints: JointMaps,
) -> View:
    """One view of each of `count` clips, of `places` people in `frames` sampled frames."""
    view = View()
    if strengths.tilt or strengths.yaw or strengths.shear or strengths.stretch:
        view = replace(view, maps=draw_maps(count, strengths, generator))
    if strengths.limb:
        factors = 1 + strengths.limb * _signed((count, joints.joints), generator)
        view = replace(view, limbs=(factors + factors[:, list(joints.mirrored)]) / 2)
    if strengths.mirror:
        view = replace(view, mirror=torch.rand(count, generator=generator) < strengths.mirror)
    if strengths.noise:
        deviation = strengths.noise * torch.rand(count, 1, 1, 1, 1, generator=generator)
        noise = torch.randn((count, places, frames, joints.joints, 3), generator=generator)
        view = replace(view, noise=noise.mul_(deviation))
    if strengths.drop:
        share = strengths.drop * torch.rand(count, 1, 1, generator=generator)
        hidden = torch.rand(count, places, joints.joints, generator=generator) < share
        view = replace(view, hidden=hidden)
    if strengths.axis:
        chosen = torch.rand(count, generator=generator) < strengths.axis
        axis = torch.where(chosen, torch.randint(3, (count,), generator=generator), -1)
        view = replace(view, axis=axis)
    return view


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


def _signed(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator) - 1
