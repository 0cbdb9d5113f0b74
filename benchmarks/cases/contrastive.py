"""The contrastive losses, forward and backward, at D = 128: SupCon and TCL on 60 classes, NT-Xent on pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.cases.case import Case, Contender, Problem, Unavailable, expect_close
from skelbench import ops
from skelbench.ops import reference

D, CLASSES = 128, 60
# Anchors of the float64 check that are computed at once.
CHUNK = 1024
# Largest N whose whole gradient is checked.
EXACT_ROWS = 16384
Loss = Callable[[Tensor, Tensor], Tensor]
SETTINGS: dict[str, dict[str, Any]] = {
    "supcon": {"temperature": 0.07},
    "tcl": {"temperature": 0.1, "k1": 5000.0},
    "ntxent": {"temperature": 0.07},
}
# Largest relative error of the gradient in the L2 norm, against float64.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}
# Largest N of peers with N x N matrices.
MOST_ROWS = {"eager": 16384, "compile": 8192, "metric-learning": 4096}
# Largest N whose float32 tiles the op keeps on the CPU (kMostKept in csrc/contrastive/kernels.h).
MOST_KEPT = 2816
# pytorch-metric-learning's NTXentLoss builds (positives x negatives) matrices: over 2.4 GB at 512.
MOST_ROWS_CUBIC = 512


@dataclass(frozen=True)
class Inputs:
    """A loss and the batch it is computed on."""

    loss: str
    z: Tensor
    """Unit rows (N, 128)."""
    labels: Tensor
    """int64 (N,), in no order; every label occurs at least twice."""

    @cached_property
    def exact_gradient(self) -> Tensor:
        """By skelbench.ops.reference in float64, a chunk of anchors at a time."""
        leaf = self.z.double().requires_grad_()
        for begin in range(0, len(leaf), CHUNK):
            part = slice(begin, min(begin + CHUNK, len(leaf)))
            losses, _ = reference.contrastive_rows(
                leaf[part], self.labels[part], leaf, self.labels, self_offset=begin, **SETTINGS[self.loss]
            )
            (losses.sum() / len(leaf)).backward()
        assert leaf.grad is not None
        return leaf.grad


def gradient(loss: Loss, x: Inputs) -> Callable[[], Tensor]:
    """Forward and backward as a training step runs them: the gradient of the embeddings."""
    leaf = x.z.clone().requires_grad_()

    def run() -> Tensor:
        leaf.grad = None
        loss(leaf, x.labels).backward()
        assert leaf.grad is not None
        return leaf.grad

    return run


def check(loss: Loss, x: Inputs) -> None:
    """Raise AssertionError where a loss is not that of the reference in float64.

    The whole gradient is checked up to EXACT_ROWS rows, the losses of some rows beyond.
    """
    if len(x.z) <= EXACT_ROWS:
        expect_close(gradient(loss, x)(), x.exact_gradient, TOLERANCE[x.z.dtype], f"{x.loss} gradient")
        return
    # All rows in float64 would take minutes.
    rows = 256
    expected, _ = reference.contrastive_rows(
        x.z[:rows].double(), x.labels[:rows], x.z.double(), x.labels, **SETTINGS[x.loss]
    )
    actual = ops.contrastive_loss(x.z, x.labels, reduction="none", **SETTINGS[x.loss])[:rows]
    expect_close(actual, expected, TOLERANCE[x.z.dtype], f"{x.loss} losses")


def contender(loss: Loss, x: Inputs, *packages: str) -> Contender:
    """A loss as a contender: its gradient is timed and checked."""
    return Contender(gradient(loss, x), partial(check, loss, x), packages=packages)


def make(device: str, loss: str, n: int, dtype: str = "float32") -> Problem:
    """SupCon, TCL or NT-Xent on `n` random unit rows."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) // 2 % (n // 2 if loss == "ntxent" else CLASSES)
    labels = labels[torch.randperm(n, generator=generator)].to(device)
    z = F.normalize(torch.randn(n, D, generator=generator), dim=1).to(device, getattr(torch, dtype))
    x = Inputs(loss, z, labels)
    ours = contender(lambda z, y: ops.contrastive_loss(z, y, **SETTINGS[loss]), x)
    # One N x N product forward, two for the gradient, each halved by symmetry. Beyond MOST_KEPT rows the product is
    # recomputed, because the memory is O(N D).
    products = 3.0 if n <= MOST_KEPT and device == "cpu" else 4.0
    return Problem(x, ours, flops=products * n * n * D, bytes=2.0 * n * D * z.element_size(), dtype=dtype)


def _eager(x: Inputs) -> Loss:
    loss = reference.tcl_eager if x.loss == "tcl" else reference.supcon_eager
    # Plain torch needs float32 for the exponentials; half-precision embeddings are widened, as autocast does.
    return lambda z, y: loss(z.float(), y, **SETTINGS[x.loss])


def _fits(x: Inputs, peer: str) -> None:
    if len(x.z) > MOST_ROWS[peer]:
        raise Unavailable(f"capped at N = {MOST_ROWS[peer]}: N x N matrices")


def eager(x: Inputs) -> Contender:
    """The loss in plain torch."""
    _fits(x, "eager")
    return contender(_eager(x), x, "torch")


def compiled(x: Inputs) -> Contender:
    """The loss in plain torch, compiled by Inductor."""
    _fits(x, "compile")
    # Another size is compiled as if it were the first.
    torch.compiler.reset()
    return contender(torch.compile(_eager(x)), x, "torch")


def in_float32(x: Inputs) -> Contender:
    """Our op on half-precision rows that were widened first."""
    return contender(lambda z, y: ops.contrastive_loss(z.float(), y, **SETTINGS[x.loss]), x)


def metric_learning(x: Inputs) -> Contender:
    """The loss of pytorch-metric-learning."""
    from benchmarks.peers.metric_learning import loss_of

    _fits(x, "metric-learning")
    if x.loss == "ntxent" and len(x.z) > MOST_ROWS_CUBIC:
        raise Unavailable(f"capped at N = {MOST_ROWS_CUBIC}: its memory is cubic in N")
    return contender(loss_of(x.loss, **SETTINGS[x.loss]), x, "pytorch-metric-learning")


def _at(loss: str, *sizes: int, dtype: str = "float32") -> tuple[dict[str, object], ...]:
    return tuple({"loss": loss, "n": n, "dtype": dtype} for n in sizes)


_WHAT = "forward + backward, 128 columns"
_BOTH = ("cpu", "cuda")
CASES = (
    Case(
        "contrastive", f"SupCon, {_WHAT}", make,
        small=_at("supcon", 256), default=_at("supcon", 1024), more=_at("supcon", 64, 512, 2048),
        peers={"eager": eager, "metric-learning": metric_learning}, devices=_BOTH,
    ),
    Case(
        "contrastive", f"SupCon, {_WHAT}", make,
        small=_at("supcon", 192), default=_at("supcon", 4096), more=_at("supcon", 8192),
        peers={"eager": eager, "torch.compile": compiled}, devices=_BOTH,
    ),
    Case(
        "contrastive", f"SupCon, {_WHAT}", make,
        small=_at("supcon", 128), more=_at("supcon", 16384, 65536), peers={"eager": eager}, devices=_BOTH,
    ),
    Case(
        "contrastive", f"SupCon, {_WHAT}", make,
        small=_at("supcon", 256, dtype="bfloat16"), default=_at("supcon", 4096, dtype="bfloat16"),
        more=_at("supcon", 1024, 16384, dtype="bfloat16"),
        peers={"eager": eager, "ours in float32": in_float32}, devices=_BOTH,
    ),
    Case(
        "contrastive", f"TCL, {_WHAT}", make,
        small=_at("tcl", 256), default=_at("tcl", 4096), more=_at("tcl", 512, 1024, 2048, 16384),
        peers={"eager": eager}, devices=_BOTH,
    ),
    Case(
        "contrastive", f"NT-Xent, {_WHAT}", make,
        small=_at("ntxent", 64), default=_at("ntxent", 256), more=_at("ntxent", 64, 512, 1024, 2048, 4096, 16384),
        peers={"eager": eager, "metric-learning": metric_learning}, devices=_BOTH,
    ),
)  # fmt: skip
