"""What the graph models share: adjacency from bones, the people of a clip, and the multi-scale temporal convolution."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.stream_shape import StreamEncoder, StreamShape

# (outputs, stride over time) of each unit of ST-GCN and its successors.
UNITS = ((64, 1), (64, 1), (64, 1), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2), (256, 1), (256, 1))


def partitions(shape: StreamShape) -> Tensor:
    """Adjacency of self, inward and outward bones, (3, J, J), each column summing to one or zero.

    `partitions[k, u, v]` is what joint u receives from joint v. Inward: a parent receives from its children, outward: a
    child from its parent; the spatial partition of ST-GCN (Yan et al., AAAI 2018, section 3.3) on a skeleton's tree.
    """
    self_, inward, outward = torch.zeros(3, shape.joints, shape.joints)
    self_.fill_diagonal_(1)
    for child, parent in shape.edges:
        inward[parent, child] = 1
        outward[child, parent] = 1
    return torch.stack([part / part.sum(0).clamp(min=1) for part in (self_, inward, outward)])


def mix_joints(clips: Tensor, matrices: Tensor) -> Tensor:
    """Joints of each head mixed by its matrix: (B, H, D, T, J) and (H, J, J) -> (B, H, D, T, J).

    One product per head over all clips; many small ones take three times as long on a CPU.
    """
    heads = clips.transpose(0, 1)
    mixed = heads.reshape(len(matrices), -1, clips.shape[-1]) @ matrices.mT
    found: Tensor = mixed.view(heads.shape).transpose(0, 1)
    return found


class BodyNorm(nn.Module):
    """Batch normalisation of every channel of every joint of every body; each body is then a sample of its own.

    (B, M, T, J, C) -> (B * M, C, T, J), as ST-GCN and its successors begin.
    """

    def __init__(self, bodies: int, joints: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(bodies * joints * channels)

    def forward(self, streams: Tensor) -> Tensor:
        """Normalised bodies."""
        clips, bodies, frames, joints, channels = streams.shape
        # No size is left to be found: of a process without clips in a batch, it could not be.
        rows = streams.permute(0, 1, 3, 4, 2).reshape(clips, bodies * joints * channels, frames)
        flat: Tensor = self.norm(rows)
        return flat.view(clips * bodies, joints, channels, frames).permute(0, 2, 3, 1)


def mean_over_people(features: Tensor, streams: Tensor) -> Tensor:
    """Features (B * M, width) of bodies -> (B, width), the mean over the bodies that `streams` has.

    The published codes take the mean over all places, absent bodies included; with one place it is the same.
    """
    there = (streams != 0).flatten(2).any(2).to(features)
    # The first body always counts, so that no clip is without one.
    there = torch.cat([torch.ones_like(there[:, :1]), there[:, 1:]], 1)
    shares = there / there.sum(1, keepdim=True)
    return (features.view(*there.shape, features.shape[-1]) * shares[..., None]).sum(1)


class MultiScaleTemporal(nn.Module):
    """Four branches over time, side by side: kernel 5 at dilations 1 and 2, maximum of 3, and pointwise.

    (B, in, T, J) -> (B, out, ceil(T / stride), J), out a multiple of 4. CTR-GCN (Chen et al., ICCV 2021, section 3.4).
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        width = outputs // 4

        def pointwise(stride: int = 1) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(inputs, width, 1, (stride, 1)), nn.BatchNorm2d(width))

        def over_time(dilation: int) -> nn.Conv2d:
            return nn.Conv2d(width, width, (5, 1), (stride, 1), (2 * dilation, 0), (dilation, 1))

        self.convolutions = nn.ModuleList(
            nn.Sequential(pointwise(), nn.ReLU(), over_time(dilation), nn.BatchNorm2d(width))
            for dilation in (1, 2)
        )
        self.maximum = nn.Sequential(
            pointwise(), nn.ReLU(), nn.MaxPool2d((3, 1), (stride, 1), (1, 0)), nn.BatchNorm2d(width)
        )
        self.pointwise = pointwise(stride)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                initialise(module)

    def forward(self, clips: Tensor) -> Tensor:
        """Outputs of all branches as channels."""
        branches = [*self.convolutions, self.maximum, self.pointwise]
        return torch.cat([branch(clips) for branch in branches], 1)


class Shortcut(nn.Module):
    """The residual of a unit: the input itself where shapes agree, else a pointwise convolution and a norm."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            convolution = nn.Conv2d(inputs, outputs, 1, (stride, 1))
            initialise(convolution)
            self.convolution = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

    def forward(self, clips: Tensor) -> Tensor:
        """The input in the shape of the output."""
        found: Tensor = self.convolution(clips)
        return found


class UnitStack(StreamEncoder):
    """Streams (B, M, T, J, C) -> representations (B, 256): ten units over joints and time.

    A row says which `unit` it is made of: `unit(inputs, outputs, stride, first, adjacency)`, a module
    (B, inputs, T, J) -> (B, outputs, T / stride, J).
    """

    unit: Callable[[int, int, int, bool, Tensor], nn.Module]

    def __init__(self, shape: StreamShape) -> None:
        super().__init__()
        self.width = UNITS[-1][0]
        self.norm = BodyNorm(shape.bodies, shape.joints, shape.channels)
        adjacency, inputs, units = partitions(shape), shape.channels, []
        for number, (outputs, stride) in enumerate(UNITS):
            units.append(type(self).unit(inputs, outputs, stride, number == 0, adjacency))
            inputs = outputs
        self.units = nn.Sequential(*units)

    def forward(self, streams: Tensor) -> Tensor:
        """Representations, the mean over the people of a clip."""
        return mean_over_people(mean_over_clip(self.units(self.norm(streams))), streams)


def initialise(convolution: nn.Conv2d) -> None:
    """Normal weights with the variance of the outputs kept (He et al. 2015), biases zero."""
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


def mean_over_clip(clips: Tensor) -> Tensor:
    """(B, C, T, J) -> (B, C)."""
    return F.adaptive_avg_pool2d(clips, 1).flatten(1)
