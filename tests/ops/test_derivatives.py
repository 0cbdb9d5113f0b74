"""Every derivative that an op gives is right, and one that it does not have is an error."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.autograd import forward_ad

from skelbench import ops
from skelbench.ops import reference
from tests.ops.places import needs_extension
from tests.ops.test_ragged import make_clips

pytestmark = needs_extension
LABELS = torch.arange(12) % 4
CLIPS = make_clips(4, dtype=torch.float32)


def unit_rows(n: int = 12, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, 5, generator=g, dtype=torch.float64), dim=1).to(dtype)


def contrastive(z: Tensor) -> Tensor:
    return ops.contrastive_loss(z, LABELS, temperature=0.5, k1=2.0)


def contrastive_reference(z: Tensor) -> Tensor:
    return reference.contrastive_loss(z, LABELS, temperature=0.5, k1=2.0)


def linear(weight: Tensor) -> Tensor:
    return ops.ragged_linear(CLIPS, weight, torch.zeros(3)).square().sum()


def linear_reference(weight: Tensor) -> Tensor:
    return reference.ragged_linear(CLIPS, weight, torch.zeros(3)).square().sum()


def decode(weight: Tensor) -> Tensor:
    return ops.ragged_decode(torch.ones(4, 3), weight, torch.zeros(270), CLIPS).square().sum()


def decode_reference(weight: Tensor) -> Tensor:
    return reference.ragged_decode(torch.ones(4, 3), weight, torch.zeros(270), CLIPS).square().sum()


CASES = [
    pytest.param(contrastive, contrastive_reference, unit_rows(), id="contrastive"),
    pytest.param(linear, linear_reference, torch.linspace(-1, 1, 810).view(3, 270), id="ragged_linear"),
    pytest.param(decode, decode_reference, torch.linspace(-1, 1, 810).view(270, 3), id="ragged_decode"),
]
Function = Callable[[Tensor], Tensor]


@pytest.mark.parametrize(("op", "plain", "x"), CASES)
def test_functional_gradient(op: Function, plain: Function, x: Tensor) -> None:
    torch.testing.assert_close(torch.func.grad(op)(x), torch.func.grad(plain)(x))


@pytest.mark.parametrize(("op", "plain", "x"), CASES)
def test_forward_mode(op: Function, plain: Function, x: Tensor) -> None:
    tangent = torch.cos(x)
    expected = torch.func.jvp(plain, (x,), (tangent,))
    torch.testing.assert_close(torch.func.jvp(op, (x,), (tangent,)), expected)
    with forward_ad.dual_level():
        primal, found = forward_ad.unpack_dual(op(forward_ad.make_dual(x, tangent)))
    torch.testing.assert_close((primal, found), expected)


@pytest.mark.parametrize(("op", "plain", "x"), CASES)
def test_second_derivative_is_an_error(op: Function, plain: Function, x: Tensor) -> None:
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(op(leaf), leaf, create_graph=True)
    with pytest.raises(
        NotImplementedError, match=r"has a first derivative .* only; skelbench\.ops\.reference"
    ):
        torch.autograd.grad(gradient.square().sum(), leaf)
    for twice in (torch.func.hessian(op), torch.func.grad(lambda x: torch.func.grad(op)(x).square().sum())):
        with pytest.raises(NotImplementedError, match="has a first derivative"):
            twice(x)
    (gradient,) = torch.autograd.grad(plain(leaf), leaf, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), leaf)[0].abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradient_of_a_graph_that_is_kept(dtype: torch.dtype) -> None:
    z = unit_rows(dtype=dtype).requires_grad_()
    loss = contrastive(z)
    # The last pass scales the kept gradient in its own memory; the passes before it must not.
    first, second, last = (
        torch.autograd.grad(3 * loss, z, retain_graph=retain)[0] for retain in (True, True, False)
    )
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    torch.testing.assert_close(last, first, rtol=0, atol=0)


def test_jacobian() -> None:
    def each(loss: Callable[..., Tensor]) -> Function:
        return lambda z: loss(z, LABELS, temperature=0.5, reduction="none")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that vmap calls the op once for each row
        found = torch.func.jacrev(each(ops.contrastive_loss))(unit_rows())
    torch.testing.assert_close(found, torch.func.jacrev(each(reference.contrastive_loss))(unit_rows()))


@pytest.mark.parametrize("rectangular", [False, True])
@pytest.mark.parametrize("k1", [0.0, 3.0, 1e5])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_temperature_has_a_gradient(rectangular: bool, k1: float, reduction: str) -> None:
    z, c = unit_rows(), unit_rows(20, seed=1)
    t = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    settings = {"temperature": t, "k1": k1, "k2": 0.7, "reduction": reduction}

    def options(c: Tensor) -> dict[str, object]:
        others = {"contrasts": c, "contrast_labels": torch.arange(20) % 4, "self_offset": None}
        return settings | others if rectangular else settings

    def gradients(loss: Callable[..., Tensor], z: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        z = z.clone().requires_grad_()
        value = loss(z, LABELS, **options(c))
        return torch.autograd.grad((value * torch.linspace(1, 2, value.numel()).view_as(value)).sum(), (t, z))

    expected = gradients(reference.contrastive_loss, z, c)
    torch.testing.assert_close(gradients(ops.contrastive_loss, z, c), expected)
    for dtype in (torch.float32, torch.bfloat16):
        narrow = z.to(dtype), c.to(dtype)
        found = gradients(ops.contrastive_loss, *narrow)[0]
        truth = gradients(reference.contrastive_loss, *(x.double() for x in narrow))[0]
        torch.testing.assert_close(found, truth, rtol=1e-5, atol=1e-5)

    def loss(t: Tensor) -> Tensor:
        return ops.contrastive_loss(z, LABELS, **options(c) | {"temperature": t})

    assert torch.autograd.gradcheck(loss, t)
    if reduction == "mean":
        point = t.detach()
        torch.testing.assert_close(torch.func.grad(loss)(point), torch.autograd.grad(loss(t), t)[0])
        (gradient,) = torch.autograd.grad(loss(t), t, create_graph=True)
        with pytest.raises(NotImplementedError, match="has a first derivative"):
            torch.autograd.grad(gradient, t)
        for twice in (torch.func.hessian(loss), torch.func.grad(torch.func.grad(loss))):
            with pytest.raises(NotImplementedError, match="has a first derivative"):
                twice(point)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_temperature_as_a_tensor_is_the_number(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    z = unit_rows(dtype=dtype)
    for k1 in (0.0, 3.0):
        found = ops.contrastive_loss(z, LABELS, temperature=torch.full(shape, 0.25), k1=k1)
        torch.testing.assert_close(found, ops.contrastive_loss(z.float(), LABELS, temperature=0.25, k1=k1))


@pytest.mark.parametrize("which", ["joints", "shear"])
def test_augment_is_differentiable(which: str) -> None:
    shear, reverse = ops.draw(2, torch.Generator().manual_seed(0))

    def views(x: Tensor) -> Tensor:
        clips = replace(CLIPS, joints=x if which == "joints" else CLIPS.joints.to(x.dtype))
        drawn = shear if which == "joints" else x
        return ops.augment(clips, torch.tensor([2, 0]), drawn, reverse).joints.square().sum()

    x = CLIPS.joints if which == "joints" else shear.clone()
    wide, narrow = x.double().requires_grad_(), x.clone().requires_grad_()
    assert torch.autograd.gradcheck(views, wide)
    exact = torch.autograd.grad(views(wide), wide)[0]
    torch.testing.assert_close(torch.autograd.grad(views(narrow), narrow)[0], exact.float())


@pytest.mark.parametrize("dynamic", [None, True])
def test_compiled_with_changing_temperature_and_size(dynamic: bool | None) -> None:
    torch.compiler.reset()
    backend = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(ops.contrastive_loss, fullgraph=True, backend=backend, dynamic=dynamic)
    batches = [
        (unit_rows(n), torch.arange(n) % 4, t) for n, t in [(12, 0.5), (12, 0.4), (16, 0.3), (20, 0.2)]
    ]
    for z, labels, temperature in batches:
        found = compiled(z, labels, temperature=temperature)
        torch.testing.assert_close(found, ops.contrastive_loss(z, labels, temperature=temperature))
    compiled_before = backend.frame_count
    for z, labels, temperature in batches:
        t = torch.tensor(temperature, requires_grad=True)
        expected = torch.autograd.grad(ops.contrastive_loss(z, labels, temperature=t), t)
        torch.testing.assert_close(torch.autograd.grad(compiled(z, labels, temperature=t), t), expected)
    # Once for a size, and once for any size.
    assert backend.frame_count <= compiled_before + 2


def test_exported() -> None:
    class Loss(torch.nn.Module):
        def forward(self, z: Tensor, labels: Tensor) -> Tensor:
            return ops.contrastive_loss(z, labels, temperature=0.5)

    z, labels = unit_rows(), torch.arange(12) % 4
    program = torch.export.export(Loss(), (z, labels))
    torch.testing.assert_close(program.module()(z, labels), Loss()(z, labels))
