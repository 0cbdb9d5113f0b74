"""The contrastive losses on each device: the modules, the deterministic form, TF32, and what torch does around them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from skelbench import losses, ops
from skelbench.ops import _library, reference
from tests.ops.places import DEVICES, needs_extension
from tests.ops.test_contrastive import (
    assert_as_good_as_eager,
    check_rectangular,
    check_square,
    on_cpu,
    sample,
    value_and_gradients,
)

pytestmark = needs_extension
on_devices = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes every op compute in plain torch from now on."""

    def switch() -> None:
        monkeypatch.setattr(_library, "built", False)
        monkeypatch.setattr(_library, "warn_fallback", lambda: None)

    return switch


@pytest.fixture
def deterministic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Without it, torch refuses products in this mode.
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def high_precision() -> Iterator[None]:
    """Float32 products may be rounded to TF32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision(before)


MODULES = [
    losses.SupConLoss(0.1),
    losses.NTXentLoss(0.2, reduction="sum"),
    losses.TCLLoss(),
    losses.TCLLoss(0.1, k1=0.0, k2=0.5, reduction="none"),
    losses.SupConLoss(torch.nn.Parameter(torch.tensor(0.1))),
    losses.TCLLoss(torch.nn.Parameter(torch.tensor(0.2))),
]


@on_devices
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("queue", [False, True])
@pytest.mark.parametrize("loss", MODULES, ids=repr)
def test_a_module_is_exact(
    device: str, dtype: torch.dtype, queue: bool, loss: torch.nn.Module, plain: Callable[[], None]
) -> None:
    x, labels = sample(150, 40, 9)
    x = (5 * x).to(dtype)
    far = sample(70, 40, 9, seed=1)[0].to(dtype)

    def there(device: str, dtype: torch.dtype) -> list[Tensor]:
        module = copy.deepcopy(loss).to(device).to(dtype if dtype == torch.float64 else None)
        rows, others = (y.to(device, dtype).requires_grad_() for y in (x, far))
        value = module(rows, labels.to(device), negatives=others if queue else None).sum()
        wanted = [rows, *([others] if queue else []), *module.parameters()]
        return on_cpu([value.detach(), *torch.autograd.grad(value, wanted)])

    ours = there(device, dtype)
    plain()
    eager, truth = there(device, dtype), there("cpu", torch.float64)
    if dtype == torch.float64:
        torch.testing.assert_close(ours, truth, rtol=1e-10, atol=1e-12)
        return
    rows = 2 + queue
    assert_as_good_as_eager(ours[:rows], [eager[:rows]], truth[:rows], 0.1)
    # The terms of the temperature's gradient are larger than those of the loss by 1/tau.
    assert_as_good_as_eager(ours[rows:], [eager[rows:]], truth[rows:], 0.01)


@on_devices
@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_the_deterministic_form_is_exact_and_repeats_its_bits(device: str, dtype: torch.dtype) -> None:
    z, labels = sample(300, 100, 20, dtype)
    c, c_labels = sample(450, 100, 20, dtype, seed=1)
    check_square(z, labels, (device, ""), temperature=0.1, k1=2.0)
    for offset in (None, 130):
        check_rectangular(z, labels, c, c_labels, (device, ""), temperature=0.02, k1=2.0, self_offset=offset)
    on_device = [x.to(device) for x in (z, labels)]
    first = value_and_gradients(ops.contrastive_loss, *on_device)
    for _ in range(3):
        again = value_and_gradients(ops.contrastive_loss, *on_device)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@on_devices
@pytest.mark.usefixtures("deterministic")
def test_gradcheck(device: str) -> None:
    z, labels = (x.to(device) for x in sample(9, 5, 3, torch.float64))
    c, c_labels = (x.to(device) for x in sample(12, 5, 3, torch.float64, seed=1))
    z.requires_grad_(), c.requires_grad_()
    options = {"contrast_labels": c_labels, "self_offset": None, "temperature": 0.5, "k1": 2.0}
    assert torch.autograd.gradcheck(
        lambda x, y: ops.contrastive_loss(x, labels, contrasts=y, **options, reduction="none"), (z, c)
    )


class _RoundedProduct(torch.autograd.Function):
    """A product of float32 matrices whose operands are rounded to TF32, as are those of its gradient."""

    @staticmethod
    def round(x: Tensor) -> Tensor:
        """To ten bits of mantissa, ties away from zero."""
        return ((x.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)

    @classmethod
    def product(cls, a: Tensor, b: Tensor) -> Tensor:
        return (cls.round(a).double() @ cls.round(b).double()).float()

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return _RoundedProduct.product(a, b)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        return _RoundedProduct.product(grad, b.t()), _RoundedProduct.product(a.t(), grad)


class _RoundedProducts(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.__matmul__, torch.Tensor.matmul, torch.matmul):
            return _RoundedProduct.apply(*args)
        return func(*args, **(kwargs or {}))


def rounded_loss(*arguments: Any, **options: Any) -> Tensor:
    with _RoundedProducts():
        return reference.contrastive_loss(*arguments, **options)


@on_devices
@pytest.mark.usefixtures("high_precision")
@pytest.mark.parametrize(("n", "d"), [(40, 16), (127, 100), (300, 130)])
@pytest.mark.parametrize("k1", [0.0, 2.0])
@pytest.mark.parametrize("rectangular", [False, True])
def test_tf32_is_as_good_as_products_of_rounded_rows(
    device: str, n: int, d: int, k1: float, rectangular: bool
) -> None:
    z, labels = sample(n, d, 9)
    c, c_labels = sample(n + 70, d, 9, seed=1)
    options = {"temperature": 0.1, "k1": k1, **({"self_offset": None} if rectangular else {})}

    def there(loss: Callable[..., Tensor], device: str, dtype: torch.dtype) -> list[Tensor]:
        rows, others = (x.to(device, dtype) for x in (z, c))
        far = {"contrasts": others, "contrast_labels": c_labels.to(device)} if rectangular else {}
        return on_cpu(value_and_gradients(loss, rows, labels.to(device), **far, **options))

    ours = there(ops.contrastive_loss, device, torch.float32)
    eager = there(rounded_loss, "cpu", torch.float32)
    truth = there(reference.contrastive_loss, "cpu", torch.float64)
    assert_as_good_as_eager(ours, [eager], truth, 0.1)
    if device in _library.devices:
        torch.set_float32_matmul_precision("highest")
        exact = there(ops.contrastive_loss, device, torch.float32)
        assert torch.equal(ours[1], exact[1]) == (device == "cpu")


@on_devices
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_opcheck_and_compile(device: str, dtype: torch.dtype) -> None:
    z, labels = (x.to(device) for x in sample(70, 6, 4, dtype))
    z.requires_grad_()
    for contrasts in ((None, None), (z.detach().clone().requires_grad_(), labels)):
        torch.library.opcheck(
            torch.ops.skelbench.contrastive, (z, labels, *contrasts, 0.1, 2.0, 1.0, 0, False, True)
        )
    compiled = torch.compile(ops.contrastive_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(
        value_and_gradients(compiled, z, labels), value_and_gradients(ops.contrastive_loss, z, labels)
    )


@on_devices
def test_autocast_does_not_change_the_loss(device: str) -> None:
    z, labels = (x.to(device) for x in sample(70, 6, 4))
    for loss in (losses.SupConLoss(), losses.TCLLoss(k1=2.0)):
        expected = value_and_gradients(loss, z, labels)
        with torch.autocast(device, torch.bfloat16):
            torch.testing.assert_close(value_and_gradients(loss, z, labels), expected)
