"""What one process reads of a batch of clips to train ConMLP: its own clips, or its own frames of all clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.models.conmlp import ConMLP, Decoder
from skelbench.models.divided import DividedClips, OwnFrames
from skelbench.ops.augment import augment
from skelbench.ops.clips import RaggedClips
from skelbench.ops.ragged import packed_rows
from skelbench.parallel.ranks import Ranks
from skelbench.parallel.shares import Share
from skelbench.training.dataset import PackedDataset

# Views of each clip: sheared, and reversed in time.
VIEWS = 2


class OwnClips:
    """A process reads the clips of its share, whole. All parameters are everywhere, their gradients are added up.

    Attributes:
        keeps_factors: whether the first layer's gradient need not be formed, because no exchange asks for it.
    """

    def __init__(self, data: PackedDataset, model: nn.Module, ranks: Ranks) -> None:
        self.keeps_factors = ranks.size == 1
        self.data, self.model, self.ranks = data, model, ranks

    def views(
        self, indices: Tensor, shear: Tensor, reverse: Tensor, share: Share
    ) -> RaggedClips | DividedClips:
        """Both views of the share's clips; `indices` and draws are those of the whole batch."""
        return self.data.views(indices[share.own], shear[share.own], reverse[share.own])

    def target(self, indices: Tensor, share: Share) -> RaggedClips | DividedClips:
        """The clips before augmentation, which both views are decoded to."""
        return self.data.batch(indices[share.own].repeat(VIEWS))

    def error(
        self, decoded: Tensor, target: RaggedClips | DividedClips, indices: Tensor, share: Share
    ) -> Tensor:
        """This process's part of the mean squared error of all coordinates of the batch."""
        clips = target if isinstance(target, RaggedClips) else target.own
        joints = clips.joints.index_select(0, packed_rows(clips))
        if share.whole:
            return F.mse_loss(decoded, joints)
        rows = (self.data.clips.frames[indices] * self.data.clips.bodies[indices]).sum()
        numbers = joints.shape[1] * joints.shape[2]
        return F.mse_loss(decoded, joints, reduction="sum") / (VIEWS * rows * numbers)

    def shared(self) -> Sequence[nn.Parameter]:
        """Parameters that all processes have."""
        return list(self.model.parameters())

    def divide(self, optimizer: torch.optim.Optimizer) -> None:
        """Begin to train."""

    @contextmanager
    def whole(self, optimizer: torch.optim.Optimizer | None = None) -> Iterator[None]:
        """The model, and the optimizer's state where it is given, as one process has them."""
        yield

    def join(self) -> None:
        """End the training: the model is that of one process."""


class OwnFramesOfAll(OwnClips):
    """A process reads its own frames of all clips, and alone has the weights of these (`skelbench.models.divided`)."""

    def __init__(self, data: PackedDataset, model: nn.Module, ranks: Ranks, wide: Wide) -> None:
        super().__init__(data, model, ranks)
        self.keeps_factors = True
        self.frames = OwnFrames(data.shape.length, ranks, data.label.device)
        self.wide = wide

    def views(self, indices: Tensor, shear: Tensor, reverse: Tensor, share: Share) -> DividedClips:
        """This process's frames of both views of all clips."""
        clips, kept = self.frames.clips(self.data.batch(indices))
        device = clips.joints.device
        all_of = torch.arange(len(kept), device=device)
        views = augment(clips, all_of, shear.to(device)[kept], reverse.to(device)[kept])
        return self._divided(views, kept, share)

    def target(self, indices: Tensor, share: Share) -> DividedClips:
        """This process's frames of all clips, twice."""
        clips, kept = self.frames.clips(self.data.batch(indices))
        twice = torch.arange(len(kept), device=kept.device).repeat(VIEWS)
        return self._divided(clips.select(twice), kept, share)

    def _divided(self, views: RaggedClips, kept: Tensor, share: Share) -> DividedClips:
        places = share.places(VIEWS, kept.device).view(VIEWS, -1)
        return DividedClips(views, places[:, kept].flatten(), share.rows(VIEWS), self.ranks)

    def shared(self) -> Sequence[nn.Parameter]:
        """All but the divided weights."""
        own = {id(parameter) for parameter, _ in self.wide}
        return [parameter for parameter in self.model.parameters() if id(parameter) not in own]

    def divide(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep this process's part of the wide weights and of their momentum."""
        for parameter, dimension in self.wide:
            parameter.data = self.frames.part(parameter.data, dimension)
            state = optimizer.state[parameter]
            if (momentum := state.get("momentum_buffer")) is not None:
                state["momentum_buffer"] = self.frames.part(momentum, dimension)

    @contextmanager
    def whole(self, optimizer: torch.optim.Optimizer | None = None) -> Iterator[None]:
        """Exchange the wide weights, and their momentum where the optimizer is given."""
        own = [parameter.data for parameter, _ in self.wide]
        states = [] if optimizer is None else [optimizer.state[parameter] for parameter, _ in self.wide]
        momenta = [state.get("momentum_buffer") for state in states]
        for parameter, dimension in self.wide:
            parameter.data = self.frames.whole(parameter.data, dimension)
        for state, momentum, (_, dimension) in zip(states, momenta, self.wide, strict=False):
            if momentum is not None:
                state["momentum_buffer"] = self.frames.whole(momentum, dimension)
        yield
        for (parameter, _), part in zip(self.wide, own, strict=True):
            parameter.data = part
        for state, momentum in zip(states, momenta, strict=True):
            if momentum is not None:
                state["momentum_buffer"] = momentum

    def join(self) -> None:
        """Exchange the wide weights for good."""
        for parameter, dimension in self.wide:
            parameter.data = self.frames.whole(parameter.data, dimension)


Wide = Sequence[tuple[Tensor, int]]
"""Weights one of whose dimensions is a padded row, and which."""


def batches(
    data: PackedDataset, model: nn.Module, encoder: nn.Module, decoder: nn.Module | None, ranks: Ranks
) -> OwnClips:
    """How a model is trained by these processes: divided where there are several and its encoder is ConMLP."""
    if ranks.size == 1 or type(encoder) is not ConMLP or not OwnFrames.divides(data.shape.length, ranks.size):
        return OwnClips(data, model, ranks)
    wide: list[tuple[Tensor, int]] = [(encoder.first.weight, 1)]
    if isinstance(decoder, Decoder):
        wide += [(decoder.last.weight, 0), (decoder.last.bias, 0)]
    return OwnFramesOfAll(data, model, ranks, wide)
