"""Speed of padding-free training: `python -m benchmarks.ragged_ratio [--seconds S] [--clips N]`.

Clips of random numbers with NTU-like lengths (mean near 83 of 300 frames, one body in 82 of 100 clips of two
bodies, 25 joints). Each line is a ratio of interleaved groups: augment against torch's padded form and a plain
copy, the first layer against the padded one, the decoder likewise, and a whole training step against a step as
the released ConMLP code takes it. Then: what an epoch over NTU-60's X-View training clips takes, and 5000.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import Ratio, paired_ratio
from skelbench import ops, reference
from skelbench.losses import SupConLoss
from skelbench.models.conmlp import ConMLP, InputShape, ProjectionHead
from skelbench.ops.augment import augment, draw
from skelbench.ops.ragged import RaggedClips, pad, ragged_decode, ragged_linear

LENGTH, BODIES, JOINTS, CLASSES = 300, 2, 25, 60
BATCH = 512
TRAINING_CLIPS, EPOCHS = 37_646, 5000  # NTU-60 X-View; the epochs of ConMLP


def ntu_like(clips: int, seed: int = 0) -> RaggedClips:
    """Clips of standard-normal coordinates, all starting at frame 0."""
    rng = np.random.default_rng(seed)
    frames = np.clip(np.round(np.exp(rng.normal(np.log(76), 0.42, clips))), 20, LENGTH).astype(np.int64)
    bodies = np.where(rng.random(clips) < 0.18, 2, 1)
    counts = frames * bodies
    joints = rng.standard_normal((int(counts.sum()), JOINTS, 3), dtype=np.float32)
    arrays = (joints, counts.cumsum() - counts, frames, bodies, np.zeros(clips, dtype=np.int64))
    return RaggedClips(*map(torch.from_numpy, arrays), LENGTH, BODIES)


def views_of(data: RaggedClips, index: Tensor, shear: Tensor, reverse: Tensor) -> RaggedClips:
    return augment(data.joints, data.offsets, data.frames, data.bodies, index, shear, reverse, LENGTH, BODIES)


def padded_views(x: Tensor, shear: Tensor, reverse: Tensor) -> Tensor:
    """Both views of a padded batch (B, frames, points, 3) in torch."""
    sheared = torch.bmm(x.flatten(1, 2), shear).view_as(x)
    return torch.cat([sheared, torch.where(reverse[:, None, None, None], x.flip(1), x)])


def gradients(layer: Callable[[], Tensor], parameters: list[Tensor], grad: Tensor) -> Callable[[], object]:
    return lambda: torch.autograd.grad(layer(), parameters, grad)


@dataclass
class Step:
    """A training step of ConMLP with SupCon; `fused` is all that the optimisers differ in."""

    encoder: nn.Module
    fused: bool

    def __post_init__(self) -> None:
        self.head = ProjectionHead(256)
        parameters = [*self.encoder.parameters(), *self.head.parameters()]
        self.optimiser = torch.optim.SGD(
            parameters, lr=1e-3, momentum=0.9, weight_decay=5e-4, fused=self.fused or None
        )

    def learn(self, views: RaggedClips | Tensor, labels: Tensor, loss: Callable[..., Tensor]) -> None:
        self.optimiser.zero_grad()
        loss(self.head(self.encoder(views)), labels.repeat(2)).backward()
        self.optimiser.step()


class PaddedMLP(ConMLP):
    """The encoder over padded rows, as released."""

    def forward(self, rows: Tensor) -> Tensor:  # type: ignore[override]
        layer = self.first
        return self.second(self.dropout(self.norm(F.gelu(F.linear(rows, layer.weight, layer.bias)))))


def our_step(data: RaggedClips, labels: Tensor) -> Callable[[], object]:
    step = Step(ConMLP(InputShape(LENGTH, BODIES, JOINTS, CLASSES)), fused=True)
    generator, loss = torch.Generator().manual_seed(0), SupConLoss()

    def run() -> None:
        index = torch.randint(len(data), (BATCH,), generator=generator)
        views = views_of(data, index, *draw(BATCH, generator))
        step.learn(views, labels[index], loss)

    return run


def released_step(data: RaggedClips, labels: Tensor) -> Callable[[], object]:
    """What the released code does: padded rows, float64 numpy shear and list reversal, dense layer, eager loss."""
    rows = pad(data).view(len(data), LENGTH, -1).numpy()
    step = Step(PaddedMLP(InputShape(LENGTH, BODIES, JOINTS, CLASSES)), fused=False)
    rng = np.random.default_rng(0)

    def run() -> None:
        index = rng.choice(len(rows), BATCH)
        x = rows[index]
        shear = rng.uniform(-1, 1, (3, 3))
        np.fill_diagonal(shear, 1)
        first = np.dot(x.reshape(BATCH, LENGTH, -1, 3), shear).reshape(x.shape)
        second = x[:, list(reversed(range(LENGTH)))] if rng.random() < 0.5 else x
        views = torch.from_numpy(np.concatenate([first, second])).float().flatten(1)
        step.learn(views, labels[torch.from_numpy(index)], reference.supcon_eager)

    return run


def report(what: str, ratio: Ratio, aim: str, first: str = "ours", second: str = "padded") -> None:
    print(
        f"{what:<66} {ratio!s:<21} aim {aim:<5} {first} {ratio.seconds_a * 1e3:.1f} ms, "
        f"{second} {ratio.seconds_b * 1e3:.1f} ms ({ratio.groups} groups)",
        flush=True,
    )


def compare_augment(data: RaggedClips, seconds: float) -> None:
    generator = torch.Generator().manual_seed(0)
    index = torch.randperm(len(data), generator=generator)[:BATCH]
    shear, reverse = draw(BATCH, generator)
    views = views_of(data, index, shear, reverse)
    rows = len(views.joints) // 2
    first = (getattr(views, name)[:BATCH] for name in ("offsets", "frames", "bodies", "start"))
    padded = pad(RaggedClips(views.joints, *first, LENGTH, BODIES)).view(BATCH, LENGTH, -1, 3)
    source, target = views.joints[:rows].clone(), torch.empty_like(views.joints)

    def copy() -> None:
        target[:rows].copy_(source)
        target[rows:].copy_(source)

    def ours() -> object:
        return views_of(data, index, shear, reverse)

    megabytes = views.joints.numel() * 4 / 1e6
    ratio = paired_ratio(ours, lambda: padded_views(padded, shear, reverse), seconds=seconds)
    report(f"augment, {BATCH} clips, both views, {megabytes:.0f} MB: padded / ours", ratio, "> 10")
    ratio = paired_ratio(copy, ours, seconds=seconds)
    report("augment: ours / copy into memory already mapped", ratio, "< 2", "copy", "ours")
    ratio = paired_ratio(lambda: torch.stack([source, source]), ours, seconds=seconds)
    report("augment: ours / copy into new memory, which ours is", ratio, "< 2", "copy", "ours")


def compare_layers(data: RaggedClips, seconds: float) -> None:
    generator = torch.Generator().manual_seed(0)
    index = torch.randperm(len(data), generator=generator)[:BATCH]
    views = views_of(data, index, *draw(BATCH, generator))
    rows = pad(views)
    weight = torch.randn(256, views.features, generator=generator).mul_(0.01).requires_grad_()
    bias = torch.zeros(256, requires_grad=True)
    grad = torch.randn(2 * BATCH, 256, generator=generator)
    share = float((views.frames * views.bodies).sum()) / (len(views) * LENGTH * BODIES)
    print(f"the views fill {share:.3f} of the padded rows: {1 / share:.2f} times fewer products")
    ratio = paired_ratio(
        gradients(lambda: ragged_linear(views, weight, bias), [weight, bias], grad),
        gradients(lambda: F.linear(rows, weight, bias), [weight, bias], grad),
        seconds=seconds,
    )
    report(f"ragged_linear, {2 * BATCH} rows, forward + weight grad: padded / ours", ratio, "> 5")
    flops = 2 * 2 * float((views.frames * views.bodies).sum()) * JOINTS * 3 * 256
    print(
        f"  {flops / ratio.seconds_a / 1e9:.0f} GF/s of ours, "
        f"{flops / share / ratio.seconds_b / 1e9:.0f} GF/s of the padded product"
    )
    with torch.no_grad():
        ratio = paired_ratio(
            lambda: ragged_linear(views, weight, bias), lambda: F.linear(rows, weight, bias), seconds=seconds
        )
    report("ragged_linear, forward alone: padded / ours", ratio, "-")

    hidden = torch.randn(2 * BATCH, 256, generator=generator).requires_grad_()
    decoder = weight.detach().t().contiguous().requires_grad_()
    offset = torch.zeros(views.features, requires_grad=True)
    parameters = [hidden, decoder, offset]
    ratio = paired_ratio(
        gradients(lambda: ragged_decode(hidden, decoder, offset, views), parameters, views.joints),
        gradients(lambda: F.linear(hidden, decoder, offset), parameters, rows),
        seconds=seconds,
    )
    report(f"ragged_decode, {2 * BATCH} rows, forward + all gradients: padded / ours", ratio, "-")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=8.0, help="time for one ratio")
    options.add_argument(
        "--clips", type=int, default=2048, help="clips in memory that batches are drawn from"
    )
    chosen = options.parse_args()
    torch.manual_seed(0)
    data = ntu_like(chosen.clips)
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}; "
        f"extension {'built' if ops.built else 'NOT BUILT'}, levels {ops.isa_levels() if ops.built else []}"
    )
    print(
        f"{len(data)} clips, {float(data.frames.double().mean()):.1f} frames and "
        f"{float(data.bodies.double().mean()):.2f} bodies a clip; median [95 % interval] of interleaved groups"
    )
    compare_augment(data, chosen.seconds)
    compare_layers(data, chosen.seconds)
    labels = torch.arange(len(data)) % CLASSES
    ratio = paired_ratio(our_step(data, labels), released_step(data, labels), seconds=chosen.seconds)
    report(f"training step, batch {BATCH}: released / ours", ratio, "> 15", second="released")
    steps = -(-TRAINING_CLIPS // BATCH)
    for who, seconds in (("ours", ratio.seconds_a), ("released", ratio.seconds_b)):
        print(
            f"  {who}: one epoch over {TRAINING_CLIPS} clips ({steps} steps) {steps * seconds:.1f} s, "
            f"{EPOCHS} epochs {steps * seconds * EPOCHS / 3600:.1f} h"
        )


if __name__ == "__main__":
    main()
