"""A training step and an epoch of ConMLP with SupCon, ours against the padded step of the released code."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.cases.case import Case, Contender, Problem, expect_close
from benchmarks.cases.clips import BODIES, CLASSES, JOINTS, LENGTH, ntu_like, rows_in
from benchmarks.peers import released
from skelbench.losses import SupConLoss
from skelbench.models.conmlp import ConMLP, InputShape, ProjectionHead
from skelbench.models.ragged_input import FactoredSGD
from skelbench.ops import RaggedClips, augment, draw, pad

SHAPE = InputShape(LENGTH, BODIES, JOINTS, CLASSES)
TEMPERATURE = 0.07
RATE, MOMENTUM, DECAY = 1e-3, 0.9, 5e-4


@dataclass(frozen=True)
class Inputs:
    """Clips, their labels, and how much of them is trained on."""

    data: RaggedClips
    labels: Tensor
    batch: int
    steps: int


class Step(nn.Module):
    """Encoder, head and optimizer: that of `skelbench.training`, or torch's as the released code calls it."""

    def __init__(self, encoder: ConMLP, ours: bool) -> None:
        """Put a head on the encoder, and choose the optimizer."""
        super().__init__()
        self.encoder, self.head = encoder, ProjectionHead(encoder.width)
        self.optimizer = (
            FactoredSGD(self, RATE, MOMENTUM, DECAY)
            if ours
            else torch.optim.SGD(self.parameters(), RATE, MOMENTUM, weight_decay=DECAY)
        )

    def learn(self, loss: Tensor) -> Tensor:
        """Backward and a step of the optimizer; returns the loss."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


class Ours(Step):
    """The training step of skelbench."""

    def __init__(self, x: Inputs) -> None:
        """Make the encoder over packed clips."""
        super().__init__(ConMLP(SHAPE), ours=True)
        self.x, self.loss = x, SupConLoss(TEMPERATURE)

    def compute(self, index: Tensor, shear: Tensor, reverse: Tensor) -> Tensor:
        """Loss of the clips at `index`."""
        device = self.x.labels.device
        index = index.to(device)
        views = augment(self.x.data, index, shear.to(device), reverse.to(device))
        loss: Tensor = self.loss(self.head(self.encoder(views)), self.x.labels[index].repeat(2))
        return loss


class Released(Step):
    """The training step of the released code."""

    def __init__(self, x: Inputs) -> None:
        """Make the encoder over padded rows, and pad all clips."""
        super().__init__(released.PaddedConMLP(SHAPE), ours=False)
        self.x = x
        self.rows = pad(x.data).view(len(x.data), LENGTH, -1).cpu().numpy()

    def compute(self, index: Tensor, shear: Tensor, reverse: Tensor) -> Tensor:
        """Loss of the clips at `index`, with the first draw for all of them."""
        views = released.views(self.rows, index.numpy(), shear[0].double().numpy(), bool(reverse[0]))
        embeddings = self.head(self.encoder(views.to(self.x.labels.device)))
        return released.loss(embeddings, self.x.labels[index.to(self.x.labels.device)].repeat(2), TEMPERATURE)


def contender(kind: type[Ours] | type[Released], x: Inputs) -> Contender:
    """A training step as a contender; `x.steps` of them are timed."""
    torch.manual_seed(0)
    step = kind(x).to(x.labels.device)
    generator = torch.Generator().manual_seed(0)

    def run() -> None:
        for _ in range(x.steps):
            index = torch.randint(len(x.data), (x.batch,), generator=generator)
            views = draw(x.batch, generator, per_clip=kind is Ours)
            step.learn(step.compute(index, *views))

    def check() -> None:
        """One step on the same weights, momentum and draws, dropout off, against the same step in float64."""
        index, views = torch.arange(x.batch), draw(x.batch, torch.Generator().manual_seed(1), per_clip=False)
        step.eval()
        exact = _exact(step, x, index, *views)
        loss = step.learn(step.compute(index, *views))
        expect_close(loss.detach(), exact[0], 1e-5, "loss of a step")
        weight = step.encoder.first.weight
        expect_close(
            step.optimizer.state[weight]["momentum_buffer"], exact[1], 1e-3, "first layer's momentum"
        )
        expect_close(weight.detach(), exact[2], 1e-6, "first layer's weight after a step")
        step.train()

    return Contender(run, check, packages=("torch", "numpy"))


def _exact(step: Step, x: Inputs, index: Tensor, shear: Tensor, reverse: Tensor) -> tuple[Tensor, ...]:
    """Loss of a step, and the first layer's momentum and weight after it, in float64 by padded torch."""
    device = x.labels.device
    index, shear, reverse = index.to(device), shear.to(device), reverse.to(device)
    wide = Step(released.PaddedConMLP(SHAPE), ours=False).double().eval().to(device)
    wide.load_state_dict(step.state_dict())
    kept = {**wide.optimizer.state_dict(), "state": step.optimizer.state_dict()["state"]}
    wide.optimizer.load_state_dict(kept)
    rows = pad(x.data.select(index)).view(len(index), LENGTH, -1).double()
    turned = rows.flip(1) if bool(reverse[0]) else rows
    sheared = (rows.view(len(rows), -1, 3) @ shear[0].double()).flatten(1)
    embeddings = wide.head(wide.encoder(torch.cat([sheared, turned.flatten(1)])))
    loss = wide.learn(released.loss(embeddings, x.labels[index].repeat(2), TEMPERATURE))
    weight = wide.encoder.first.weight
    return loss.detach(), wide.optimizer.state[weight]["momentum_buffer"], weight.detach()


def make(device: str, batch: int, clips: int, steps: int = 1) -> Problem:
    """`steps` training steps on batches of `clips` random clips."""
    data = ntu_like(clips, device)
    x = Inputs(data, torch.arange(clips, device=device) % CLASSES, batch, steps)
    # The first layer, forward and weight gradient, of the views of an average batch; the rest is below 2 % of it.
    rows = rows_in(data) / clips * 2 * batch
    flops = steps * 2 * 2.0 * rows * JOINTS * 3 * 256
    # SGD with momentum reads weight, gradient and momentum and writes two of them.
    bytes_ = steps * 5.0 * SHAPE.features * 256 * 4
    return Problem(x, contender(Ours, x), flops, bytes_, items=steps * batch, unit="clips")


def by_released(x: Inputs) -> Contender:
    """The training step of the released code."""
    return contender(Released, x)


_PEERS = {"released step": by_released}
CASES = (
    Case(
        "training_step", "ConMLP with SupCon: views, forward, backward, SGD", make,
        small=({"batch": 8, "clips": 16},), default=({"batch": 512, "clips": 2048},), peers=_PEERS,
        devices=("cpu", "cuda"),
    ),
    Case(
        "epoch", "a pass over the clips: views, forward, backward, SGD of every batch", make,
        small=({"batch": 8, "clips": 16, "steps": 2},), more=({"batch": 512, "clips": 4096, "steps": 8},),
        peers=_PEERS,
    ),
)  # fmt: skip
