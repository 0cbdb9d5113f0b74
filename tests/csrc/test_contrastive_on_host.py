"""The CUDA kernels of the contrastive op and of the subtrees, run on the CPU, in the place of the compiled ops.

So the tests of the ops, their error rule and the whole Python side judge the kernels too.
"""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
import torch
from torch import Tensor

from skelbench import ops
from skelbench.ops import _contrastive, reference
from tests.csrc.conftest import ORDERS, Host, Pointer, names, structure
from tests.csrc.conftest import Integer as Number
from tests.ops.places import needs_extension
from tests.ops.test_contrastive import check_rectangular, check_square, sample, value_and_gradients
from tests.ops.test_contrastive_devices import rounded_loss

pytestmark = needs_extension

Problem = structure(
    ("arithmetic", ctypes.c_int),
    ("deterministic", ctypes.c_bool),
    *names("anchors contrasts labels contrast_labels", Pointer),
    *names("n m d", Number),
    *names("square has_self", ctypes.c_bool),
    ("self_offset", Number),
    *names("temperature k1 k2", ctypes.c_double),
)
Subtrees = structure(
    *names("labels indptr indices", Pointer),
    *names("graphs nodes iterations", Number),
    ("mask", ctypes.c_uint64),
    ("tokens", Pointer),
)


class HostOp:
    """`skelbench::contrastive` by the launchers, called as op_cuda.cpp calls them."""

    def __init__(self, run: Host) -> None:
        self.run = run
        self.deterministic = False
        methods = {
            "forward": staticmethod(self.forward),
            "setup_context": staticmethod(_contrastive._setup_context),
            "backward": staticmethod(_contrastive._backward),
        }
        self.function: Any = type("Function", (torch.autograd.Function,), methods)

    def __call__(self, *arguments: Any) -> Any:
        return self.function.apply(*arguments)

    def problem(
        self,
        z: Tensor,
        labels: Tensor,
        c: Tensor | None,
        c_labels: Tensor | None,
        temperature: float,
        k1: float,
        k2: float,
        self_offset: int | None,
        tf32: bool,
        _deterministic: bool,
    ) -> tuple[ctypes.Structure, Tensor, torch.dtype]:
        """The problem, its scratch memory, and the dtype of sums."""
        self.run.lent.clear()
        z, others = (
            None if x is None else (x.float() if x.dtype == torch.float16 else x).contiguous() for x in (z, c)
        )
        arithmetic = 0 if z.dtype == torch.bfloat16 else 3 if z.dtype == torch.float64 else 1 if tf32 else 2
        square = others is None
        others, other_labels = (z, labels) if square else (others, c_labels.contiguous())
        where = [self.run.at(x) for x in (z, others, labels.contiguous(), other_labels)]
        problem = Problem(
            arithmetic, self.deterministic, *where, len(z), len(others), z.shape[1], square,
            square or self_offset is not None, 0 if square else self_offset or 0, temperature, k1, k2,
        )  # fmt: skip
        scratch = torch.full((self.run("contrastive_scratch", problem),), 255, dtype=torch.uint8)
        return problem, scratch, torch.float64 if z.dtype == torch.float64 else torch.float32

    def forward(self, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        problem, scratch, sums = self.problem(*arguments)
        loss = torch.full((problem.n,), torch.nan, dtype=sums)
        lse = torch.full((problem.n,), torch.nan, dtype=torch.float64)
        positives = torch.full((problem.n,), -1)
        status = self.run("contrastive_forward", problem, scratch, loss, lse, positives)
        assert status == 0, self.run.fault()
        return loss, lse, positives

    def gradient(self, grad: Tensor, lse: Tensor, positives: Tensor, z: Tensor, *rest: Any) -> Any:
        *settings, need_z, need_c = rest
        problem, scratch, sums = self.problem(z, *settings)
        grad_z, grad_c = (
            torch.full((rows if needed else 0, problem.d), torch.nan, dtype=sums)
            for rows, needed in ((problem.n, need_z), (problem.m, need_c))
        )
        wanted = [x if needed else None for x, needed in ((grad_z, need_z), (grad_c, need_c))]
        kept = [x.contiguous() for x in (grad.to(sums), lse, positives)]
        status = self.run("contrastive_backward", problem, scratch, *kept, *wanted)
        assert status == 0, self.run.fault()
        return grad_z.to(z.dtype), grad_c.to(z.dtype)

    def loss(self, z: Tensor, labels: Tensor, *, reduction: str = "mean", **options: Any) -> Tensor:
        """`ops.contrastive_loss` by this op, reduced as where no op reduces."""
        others = {name: options[name] for name in ("contrast_labels", "self_offset") if name in options}
        positives = ops.count_positives(labels, **others)
        losses = ops.contrastive_loss(z, labels, reduction="none", **options)
        return reference.reduce(losses, positives > 0, reduction)


@pytest.fixture
def host(kernels: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> HostOp:
    op = HostOp(Host(kernels, ORDERS["stirred"]))
    monkeypatch.setattr(_contrastive, "op", op)
    return op


DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d", "classes"), [(1, 3, 1), (2, 1, 1), (65, 16, 9), (130, 70, 20)])
def test_square_form(
    host: HostOp, dtype: torch.dtype, n: int, d: int, classes: int, deterministic: bool
) -> None:
    host.deterministic = deterministic
    z, labels = sample(n, d, classes, dtype)
    for weights in ({"k1": 0.0}, {"k1": 2.0, "k2": 0.5}):
        check_square(z, labels, loss=host.loss, temperature=0.1, **weights)


@pytest.mark.parametrize("temperature", [0.01, 0.031, 10.0])
@pytest.mark.parametrize("k1", [0.0, 1e6])
def test_every_temperature(host: HostOp, temperature: float, k1: float) -> None:
    check_square(*sample(70, 32, 10), loss=host.loss, temperature=temperature, k1=k1)
    check_square(*sample(70, 32, 10), loss=host.loss, temperature=temperature, k2=0.0)


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("self_offset", [None, 0, 60])
def test_rectangular_form(
    host: HostOp, dtype: torch.dtype, self_offset: int | None, deterministic: bool
) -> None:
    host.deterministic = deterministic
    c, c_labels = sample(150, 40, 7, dtype)
    start = self_offset or 0
    z, labels = c[start : start + 70].clone(), c_labels[start : start + 70]
    options = {"temperature": 0.1, "k1": 3.0, "self_offset": self_offset}
    check_rectangular(z, labels, c, c_labels, loss=host.loss, **options)


@pytest.mark.parametrize("k1", [0.0, 2.0])
def test_tf32(host: HostOp, k1: float) -> None:
    z, labels = sample(130, 70, 9)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        check_square(z, labels, loss=host.loss, eager=rounded_loss, temperature=0.1, k1=k1)
        rounded = value_and_gradients(host.loss, z, labels)
    finally:
        torch.set_float32_matmul_precision(before)
    assert not torch.equal(rounded[1], value_and_gradients(host.loss, z, labels)[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_deterministic_form_repeats_its_bits_in_any_order(host: HostOp, dtype: torch.dtype) -> None:
    host.deterministic = True
    z, labels = sample(150, 40, 7, dtype)
    found = []
    for order in ORDERS.values():
        host.run.library.host_order(order)
        square = value_and_gradients(host.loss, z, labels)
        c = {"contrasts": z, "contrast_labels": labels, "self_offset": 60}
        found.append((*square, *value_and_gradients(host.loss, z[60:140], labels[60:140], **c)))
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_wanted_gradients_alone_are_written(host: HostOp) -> None:
    z, labels = sample(70, 12, 4)
    both = value_and_gradients(host.loss, z, labels, z, contrast_labels=labels)
    for host.deterministic in (False, True):
        for wanted in (0, 1):
            sides = [z.clone(), z.clone()]
            sides[wanted].requires_grad_()
            loss = host.loss(sides[0], labels, contrasts=sides[1], contrast_labels=labels)
            torch.testing.assert_close(torch.autograd.grad(loss, sides[wanted])[0], both[1 + wanted])


@pytest.mark.parametrize(("n", "m"), [(0, 5), (5, 0), (0, 0)])
def test_without_a_pair_the_gradients_are_zeros(host: HostOp, n: int, m: int) -> None:
    z, labels = sample(n, 4, 2)
    c, c_labels = sample(m, 4, 2)
    for host.deterministic in (False, True):
        found = value_and_gradients(
            host.loss, z, labels, c, contrast_labels=c_labels, self_offset=None, reduction="sum"
        )
        assert [x.shape for x in found] == [(), (n, 4), (m, 4)]
        assert all((x == 0).all() for x in found)


@pytest.mark.parametrize("square", [False, True])
def test_more_pairs_than_a_launch_has_blocks_do_not_fit(host: HostOp, square: bool) -> None:
    """At the limit the launch is one that CUDA takes, beyond it the op refuses."""
    most = 64 * (2**16 - 1) if square else 64 * 46_340
    for rows, fits in ((most, True), (most + 2 * 64, False), (8_000_000, False)):
        problem = Problem(
            arithmetic=2, n=rows, m=rows, d=16, square=square, has_self=square, temperature=0.1, k2=1.0
        )
        assert host.run("contrastive_fits", problem) % 256 == fits
        if fits:
            launches = host.run.launches("contrastive_forward", problem, *[1 << 12] * 4)
            assert max(launch.blocks[0] for launch in launches) > 2**31 - 2**18


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_row_that_is_not_finite_reaches_every_loss(host: HostOp, value: float) -> None:
    """Even where its products with all others are -inf and it is nobody's positive."""
    z, labels = sample(70, 6, 4)
    z = z.abs()
    z[66] = value
    labels[66] = 9
    for contrasts in ({}, {"contrasts": z, "contrast_labels": labels, "self_offset": None}):
        assert ops.contrastive_loss(z, labels, reduction="none", **contrasts)[:66].isnan().all()


@pytest.mark.parametrize("bits", [64, 33])
@pytest.mark.parametrize("graphs", [0, 1, 9, 40])
@pytest.mark.parametrize("iterations", [0, 3])
def test_subtrees(run: Host, bits: int, graphs: int, iterations: int) -> None:
    labels = torch.randint(-(2**63), 2**63 - 1, (graphs, 25))
    lists = ops.neighbour_lists(torch.tensor([(child, (child - 1) // 2) for child in range(1, 25)]), 25)
    tokens = torch.full((graphs, iterations + 1, 25), -1)
    problem = Subtrees(
        *(run.at(x) for x in (labels, *lists)), graphs, 25, iterations, 2**bits - 1, run.at(tokens)
    )
    assert run("wl_subtrees", problem) == 0, run.fault()
    assert torch.equal(tokens, reference.wl_subtrees(labels, *lists, iterations, bits))
