"""The input of rows on resampled clips, and a training step with it, against plain torch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.cases.case import Case, Contender, Problem, expect, expect_close
from benchmarks.cases.clips import BODIES, CLASSES, ntu_like
from skelbench.data.skeletons import NTU_25
from skelbench.models.heads import ProjectionMLP
from skelbench.models.stream_shape import StreamShape
from skelbench.ops import JointMaps, RaggedClips, View, reference_streams, resampled_streams
from skelbench.ops.views import channel_count
from skelbench.training.augmentation import draw_times, draw_view
from skelbench.training.plan import Plan
from skelbench.training.settings import Settings
from skelbench.training.stream_rows import STREAM_ROWS
from skelbench.training.streams import joint_maps
from skelbench.training.variant import Variant, resolve

# Largest relative error in the L2 norm, against float64.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Views:
    """Clips, and what is drawn for their views."""

    clips: RaggedClips
    times: Tensor
    view: View
    joints: JointMaps
    streams: tuple[str, ...]
    expected: Tensor
    """The streams, from float64."""


def row_of(key: str) -> tuple[Variant, Plan]:
    """A row on resampled clips, and how it is trained."""
    (variant,) = (variant for variant in STREAM_ROWS if variant.key == key)
    assert variant.plan is not None
    return variant, variant.plan


def clips_like(batch: int, bodies: int, joints: JointMaps, device: str) -> RaggedClips:
    """NTU-like clips of people who face somewhere: the mean direction of random joints is next to nothing."""
    clips = ntu_like(batch, device)
    for left, right in joints.torso:
        clips.joints[:, left] += torch.tensor([1.0, 2.0, 1.5], device=device)
        clips.joints[:, right] -= torch.tensor([1.0, 2.0, 1.5], device=device)
    return replace(clips, bodies=clips.bodies.clamp(max=bodies))


def drawn(
    batch: int, bodies: int, plan: Plan, joints: JointMaps, generator: torch.Generator
) -> tuple[Tensor, View]:
    """Times and views of a batch."""
    times = draw_times(batch, plan.frames, plan.augmentation, generator)
    return times, draw_view(batch, bodies, plan.frames, plan.augmentation, generator, joints)


def make(device: str, batch: int, row: str) -> Problem:
    """Views of `batch` clips as `row` is trained on; what is drawn is ready."""
    (_, plan), joints = row_of(row), joint_maps(NTU_25)
    clips = clips_like(batch, BODIES, joints, device)
    times, view = drawn(batch, BODIES, plan, joints, torch.Generator().manual_seed(0))
    times, view = times.to(device), view.to(device)
    wide = replace(clips, joints=clips.joints.double())
    expected, _ = reference_streams.resampled_streams(wide, times, joints, plan.streams, BODIES, 1, 1.0, view)
    x = Views(clips, times, view, joints, plan.streams, expected)

    def run() -> Tensor:
        return resampled_streams(clips, times, joints, x.streams, places=BODIES, view=view).channels

    # The rows that are looked at, the noise and the streams, each once.
    frames = (2 * plan.frames * torch.ones_like(clips.frames)).minimum(clips.frames)
    rows = int((frames * clips.bodies).sum())
    noise = 0 if view.noise is None else view.noise.numel()
    bytes_ = 4 * (rows * clips.joints[0].numel() + noise + expected.numel())
    ours = Contender(run, lambda: expect_close(run(), expected, TOLERANCE, "streams"))
    return Problem(x, ours, flops=0, bytes=bytes_, items=batch, unit="clips")


def eager(x: Views) -> Contender:
    """The same steps in plain torch, one after another over the whole batch."""
    return _plain(x, reference_streams.resampled_streams)


def compiled(x: Views) -> Contender:
    """Plain torch, compiled."""
    torch.compiler.reset()
    return _plain(x, torch.compile(reference_streams.resampled_streams))


def _plain(x: Views, steps: Callable[..., tuple[Tensor, Tensor]]) -> Contender:
    def run() -> Tensor:
        return steps(x.clips, x.times, x.joints, x.streams, BODIES, 1, 1.0, x.view)[0]

    return Contender(
        run, lambda: expect_close(run(), x.expected, TOLERANCE, "plain torch"), packages=("torch",)
    )


# ---- a training step ----


class Step(nn.Module):
    """A training step of a row on views of one person: draw, make the streams, forward, backward, AdamW."""

    def __init__(self, clips: RaggedClips, row: str, plain: bool) -> None:
        """A model, and the streams by the op or in plain torch."""
        super().__init__()
        variant, self.plan = row_of(row)
        self.clips, self.joints, self.plain = clips, joint_maps(NTU_25), plain
        channels = channel_count(self.plan.streams, len(self.joints.landmarks))
        shape = StreamShape(1, self.plan.frames, self.joints.joints, channels, CLASSES, NTU_25.edges)
        torch.manual_seed(0)
        self.encoder = resolve(variant.encoder or "")(shape)
        self.contrast = variant.make_loss(Settings(temperature=self.plan.temperature))
        width = self.encoder.width
        self.head = (
            nn.Linear(width, CLASSES)
            if self.contrast is None
            else ProjectionMLP(width, *self.plan.projection)
        )
        self.to(clips.joints.device)
        self.optimizer = torch.optim.AdamW(self.parameters(), 1e-4)
        self.generator = torch.Generator().manual_seed(0)

    def streams(self) -> Tensor:
        """The batch: views of every clip."""
        device = self.clips.joints.device
        times, view = drawn(len(self.clips), 1, self.plan, self.joints, self.generator)
        times, view = times.to(device), view.to(device)
        if self.plain:
            given = self.clips, times, self.joints, self.plan.streams, 1, 1, 1.0, view
            return reference_streams.resampled_streams(*given)[0]
        return resampled_streams(
            self.clips, times, self.joints, self.plan.streams, places=1, view=view
        ).channels

    def run(self) -> Tensor:
        """One step; returns the loss."""
        output, labels = self.head(self.encoder(self.streams())), self.clips.offsets
        contrast = self.contrast
        loss: Tensor = (
            F.cross_entropy(output, labels % CLASSES) if contrast is None else contrast(output, labels)
        )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def check(self) -> None:
        """The streams of a batch are those of float64, and the loss is a number."""
        self.generator.manual_seed(1)
        found = self.streams()
        self.generator.manual_seed(1)
        other = copy.copy(self)
        other.plain, other.clips = True, replace(self.clips, joints=self.clips.joints.double())
        expect_close(found, other.streams(), TOLERANCE, "streams")
        expect(bool(self.run().isfinite()), "the loss is not finite")


def make_step(device: str, batch: int, row: str) -> Problem:
    """A step on `batch` views; a contrastive row has `views` of each clip among them."""
    (variant, plan), joints = row_of(row), joint_maps(NTU_25)
    views = plan.views if variant.loss else 1
    clips = clips_like(batch // views, 1, joints, device)
    clips = clips.select(torch.arange(len(clips), device=device).repeat(views))
    ours = Step(clips, row, plain=False)
    with FlopCounterMode(display=False) as counted:
        ours.run()
    return Problem(
        (clips, row),
        Contender(ours.run, ours.check),
        flops=counted.get_total_flops(),
        # A weight and AdamW's two means of its gradient, read and written.
        bytes=6 * 4 * sum(weight.numel() for weight in ours.parameters()),
        items=batch,
        unit="views",
    )


def plain_step(x: tuple[RaggedClips, str]) -> Contender:
    """The step with its streams in plain torch."""
    step = Step(*x, plain=True)
    return Contender(step.run, step.check, packages=("torch",))


_BOTH = ("cpu", "cuda")
_PEERS = {"eager": eager, "torch.compile": compiled}
CASES = (
    Case(
        "streams", f"resample, level, transform and stack views as a row trains on; {BODIES} bodies, 25 joints", make,
        small=({"batch": 8, "row": "tcn-ntxent"},),
        default=({"batch": 512, "row": "tcn-ntxent"},),
        more=({"batch": 512, "row": "mlp-ntxent"}, {"batch": 32, "row": "tcn"}),
        peers=_PEERS, devices=_BOTH,
    ),
    Case(
        "streams_step", "training step of a row on resampled clips, draws included; 1 body, 25 joints", make_step,
        small=({"batch": 8, "row": "tcn"}, {"batch": 8, "row": "mlp-ntxent"}),
        more=tuple(
            {"batch": batch, "row": row}
            for batch, row in ((512, "tcn-ntxent"), (512, "mlp-ntxent"), (32, "tcn"), (32, "graph-tcn"))
        ),
        peers={"plain torch": plain_step}, devices=_BOTH,
    ),
)  # fmt: skip
