"""Padding-free layers: both views of a batch, the first layer, and the decoder's last one, against padded torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.cases.case import Case, Contender, Problem, expect_close
from benchmarks.cases.clips import BODIES, LENGTH, ntu_like, rows_in
from skelbench.ops import RaggedClips, augment, draw, pad, ragged_decode, ragged_linear, reference

# Width of ConMLP's layers.
WIDTH = 256
# Largest relative error in the L2 norm, against float64.
TOLERANCE = 1e-4


# ---- augment ----


@dataclass(frozen=True)
class Augment:
    """Clips, and the random numbers of their views."""

    data: RaggedClips
    index: Tensor
    shear: Tensor
    reverse: Tensor
    views: RaggedClips
    """The expected views."""


def make_augment(device: str, batch: int) -> Problem:
    """Both views of `batch` clips of a dataset four times as large."""
    data = ntu_like(4 * batch, device)
    generator = torch.Generator().manual_seed(0)
    index = torch.randperm(len(data), generator=generator)[:batch].to(device)
    shear, reverse = (drawn.to(device) for drawn in draw(batch, generator))
    x = Augment(data, index, shear, reverse, augment(data, index, shear, reverse))

    def run() -> RaggedClips:
        return augment(data, index, shear, reverse)

    def check() -> None:
        wide = replace(data, joints=data.joints.double())
        expected = reference.augment(wide, index, shear.double(), reverse)
        expect_close(run().joints, expected.joints, 1e-6, "augment")

    # Each row is read once and written twice.
    bytes_ = 1.5 * x.views.joints.numel() * 4
    return Problem(x, Contender(run, check), flops=0, bytes=bytes_, items=batch, unit="clips")


def augment_padded(x: Augment) -> Contender:
    """Both views of padded rows in plain torch."""
    rows = pad(x.data.select(x.index)).view(len(x.index), LENGTH, -1, 3)

    def run() -> Tensor:
        sheared = torch.bmm(rows.flatten(1, 2), x.shear).view_as(rows)
        return torch.cat([sheared, torch.where(x.reverse[:, None, None, None], rows.flip(1), rows)])

    return Contender(
        run, lambda: expect_close(run().flatten(1), pad(x.views), 1e-6, "padded augment"), packages=("torch",)
    )


# ---- the two layers ----


@dataclass(frozen=True)
class Layer:
    """A layer's clips and parameters."""

    clips: RaggedClips
    """Both views of a batch."""
    rows: Tensor
    """The same clips, padded."""
    weight: Tensor
    bias: Tensor
    hidden: Tensor
    """The decoder's input, or the gradient of the first layer's output."""


def _layer(device: str, batch: int, decoder: bool) -> Layer:
    generator = torch.Generator().manual_seed(0)
    data = ntu_like(batch, device)
    drawn = (part.to(device) for part in draw(batch, generator))
    clips = augment(data, torch.arange(batch, device=device), *drawn)
    weight = torch.randn(WIDTH, clips.features, generator=generator).mul_(0.01).to(device)
    if decoder:
        weight = weight.t().contiguous()
    bias = torch.zeros(len(weight), device=device)
    hidden = torch.randn(2 * batch, WIDTH, generator=generator).to(device)
    return Layer(
        clips, pad(clips), weight.requires_grad_(), bias.requires_grad_(), hidden.requires_grad_(decoder)
    )


def _contender(
    output: Callable[..., Tensor], gradient: Callable[[Layer], Tensor], x: Layer, parts: int
) -> Contender:
    """Times output and gradients of `parts` tensors; checks both against the padded layer in float64."""
    parameters = [x.weight, x.bias, x.hidden][:parts]

    def run() -> tuple[Tensor, ...]:
        return torch.autograd.grad(output(x, *parameters[:2]), parameters, gradient(x))

    def check() -> None:
        wide = [p.detach().double().requires_grad_() for p in parameters]
        if parts == 2:
            exact, upstream = F.linear(x.rows.double(), *wide), x.hidden.detach().double()
        else:
            exact, upstream = F.linear(wide[2], *wide[:2]), x.rows.double()
        expected = torch.autograd.grad(exact, wide, upstream)
        for name, actual, right in zip(("weight", "bias", "hidden"), run(), expected, strict=False):
            expect_close(actual, right, TOLERANCE, f"gradient of the {name}")

    return Contender(run, check, packages=("torch",))


def make_linear(device: str, batch: int) -> Problem:
    """The first layer: output, and gradients of weight and bias."""
    x = _layer(device, batch, decoder=False)
    ours = _contender(lambda x, w, b: ragged_linear(x.clips, w, b), lambda x: x.hidden, x, 2)
    products = 2.0 * rows_in(x.clips) * x.clips.joints[0].numel() * WIDTH
    return Problem(x, ours, flops=2 * products, bytes=0, items=2 * batch, unit="clips")


def linear_padded(x: Layer) -> Contender:
    """The first layer over padded rows in plain torch."""
    return _contender(lambda x, w, b: F.linear(x.rows, w, b), lambda x: x.hidden, x, 2)


def make_decode(device: str, batch: int) -> Problem:
    """The decoder's last layer: output, and gradients of weight, bias and input."""
    x = _layer(device, batch, decoder=True)
    ours = _contender(lambda x, w, b: ragged_decode(x.hidden, w, b, x.clips), lambda x: x.clips.joints, x, 3)
    products = 2.0 * rows_in(x.clips) * x.clips.joints[0].numel() * WIDTH
    return Problem(x, ours, flops=3 * products, bytes=0, items=2 * batch, unit="clips")


def decode_padded(x: Layer) -> Contender:
    """The decoder's last layer over padded rows in plain torch."""
    # Padded torch computes every place; zeros where the clips have nothing make the gradients the same.
    return _contender(lambda x, w, b: F.linear(x.hidden, w, b), lambda x: x.rows, x, 3)


_SHAPE = f"{LENGTH} frames, {BODIES} bodies, 25 joints"
_BOTH = ("cpu", "cuda")
CASES = (
    Case(
        "augment", f"gather, shear and reverse both views; {_SHAPE}", make_augment,
        small=({"batch": 8},), default=({"batch": 512},), peers={"padded torch": augment_padded}, devices=_BOTH,
    ),
    Case(
        "ragged_linear", f"first layer, forward + weight gradient; {_SHAPE} -> {WIDTH}", make_linear,
        small=({"batch": 8},), default=({"batch": 512},), more=({"batch": 64},),
        peers={"padded torch": linear_padded}, devices=_BOTH,
    ),
    Case(
        "ragged_decode", f"decoder's layer, forward + all gradients; {WIDTH} -> {_SHAPE}", make_decode,
        small=({"batch": 8},), default=({"batch": 512},), more=({"batch": 64},),
        peers={"padded torch": decode_padded}, devices=_BOTH,
    ),
)  # fmt: skip
