"""Positives by a mask or by several labels per row: against the formula pair by pair, and against one label per row."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from skelbench import losses, ops
from skelbench.ops import contrastive
from tests.ops.places import DEVICES
from tests.ops.test_contrastive import sample, value_and_gradients

# Up to three labels per row, none for row 5.
LABELS = torch.tensor([(i % 3, i % 4 + 3, 9 if i < 4 else -1) for i in range(12)])
LABELS[5] = -1


def shared(labels: Tensor, others: Tensor) -> Tensor:
    """Pair by pair: whether they have a label in common."""
    sets = [[{int(x) for x in row if x != -1} for row in each] for each in (labels, others)]
    return torch.tensor([[bool(a & b) for b in sets[1]] for a in sets[0]])


def by_pairs(z: Tensor, c: Tensor, positive: Tensor, temperature: float, k1: float, k2: float) -> list[float]:
    """The formula for each anchor of a rectangular batch, none of whose contrasts is an anchor."""
    found = []
    for i, row in enumerate(z):
        similarity = [float(row @ other) for other in c]
        exps = [math.exp(s / temperature) for s in similarity]
        mine = [j for j in range(len(c)) if positive[i, j]]
        total = sum(
            exps[j] + k1 * math.exp(-similarity[j]) if j in mine else k2 * exps[j] for j in range(len(c))
        )
        pull = sum(similarity[j] for j in mine) / max(len(mine), 1) / temperature
        found.append(math.log(total) - pull if mine else 0.0)
    return found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("several", [False, True])
def test_the_loss_is_that_of_the_formula(device: str, several: bool) -> None:
    z, c = sample(12, 6, 3, torch.float64)[0], sample(17, 6, 3, torch.float64, seed=1)[0]
    others = torch.arange(34).view(17, 2) % 5
    how = {"labels": LABELS, "contrast_labels": others} if several else {"positives": shared(LABELS, others)}
    call = {name: x.to(device) for name, x in how.items()}
    settings = {"temperature": 0.3, "k1": 2.0, "k2": 0.5}
    found = ops.contrastive_loss(
        z.to(device), contrasts=c.to(device), self_offset=None, reduction="none", **settings, **call
    )
    expected = torch.tensor(by_pairs(z, c, shared(LABELS, others), *settings.values()), dtype=torch.float64)
    torch.testing.assert_close(found.cpu(), expected)
    assert found[5] == 0


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("block", [7, 2**20])
@pytest.mark.parametrize("k1", [0.0, 2.0])
@pytest.mark.parametrize("form", ["square", "apart", "among"])
def test_one_label_per_row_is_a_case_of_both(
    device: str, block: int, k1: float, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contrastive, "_BLOCK", block * 30)
    c, c_labels = (x.to(device) for x in sample(30, 6, 4, torch.float64))
    z, labels = (c, c_labels) if form == "square" else (c[5:20].clone(), c_labels[5:20])
    rows = () if form == "square" else (c,)
    offset = {"square": {}, "apart": {"self_offset": None}, "among": {"self_offset": 5}}[form]
    options = {"temperature": 0.2, "k1": k1} | offset
    one = {} if form == "square" else {"contrast_labels": c_labels}
    expected = value_and_gradients(ops.contrastive_loss, z, labels, *rows, **options, **one)
    column = {name: x[:, None] for name, x in one.items()}
    several = value_and_gradients(ops.contrastive_loss, z, labels[:, None], *rows, **options, **column)
    torch.testing.assert_close(several, expected)
    mask = labels[:, None] == c_labels[None]

    def masked(z: Tensor, _: None, **options: Any) -> Tensor:
        return ops.contrastive_loss(z, positives=mask, **options)

    torch.testing.assert_close(value_and_gradients(masked, z, None, *rows, **options), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    z = sample(12, 6, 3, dtype)[0]
    found = ops.contrastive_loss(z, LABELS)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, ops.contrastive_loss(z.float(), LABELS))


def test_a_lone_pair_has_loss_0_and_the_temperature_a_gradient() -> None:
    z = sample(2, 6, 1, torch.float64)[0].requires_grad_()
    mask = torch.ones(2, 2, dtype=torch.bool)
    each = ops.contrastive_loss(z, positives=mask, reduction="none")
    assert (each == 0).all()
    assert (torch.autograd.grad(each.sum(), z)[0] == 0).all()
    rows, t = sample(12, 6, 3, torch.float64)[0], torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    for k1 in (0.0, 2.0):
        assert torch.autograd.gradcheck(
            lambda t, k=k1: ops.contrastive_loss(rows, LABELS, temperature=t, k1=k), t
        )


def test_memory_stays_linear() -> None:
    """N = 3,000 with two labels each: the formula keeps a dozen N x N float32 matrices of 36 MB."""
    from benchmarks.measure import peak_extra_bytes

    setup = (
        # Large blocks go back to the system, so that the allocator's own store is not counted.
        "import ctypes, torch\nfrom skelbench import ops\nctypes.CDLL(None).mallopt(-3, 1 << 16)\n"
        "z = torch.nn.functional.normalize(torch.randn(3000, 16), dim=1).requires_grad_()\n"
        "y = torch.arange(6000).view(3000, 2) // 4\nops.contrastive_loss(z[:99], y[:99]).backward()"
    )
    assert peak_extra_bytes(setup, "ops.contrastive_loss(z, y).backward()") < 100e6


@pytest.mark.parametrize("loss", [losses.SupConLoss(), losses.TCLLoss(k1=3.0)])
def test_modules_take_both(loss: torch.nn.Module) -> None:
    x, queue = sample(12, 6, 3)[0], sample(7, 6, 3, seed=1)[0]
    mask = shared(LABELS, LABELS)
    torch.testing.assert_close(loss(x, LABELS), loss(x, positives=mask))
    assert loss(x, LABELS) != loss(x, LABELS[:, :1])
    torch.testing.assert_close(loss(x, LABELS, negatives=queue), loss(x, positives=mask, negatives=queue))
    assert loss(x, LABELS, negatives=queue) > loss(x, LABELS)
    # Clips of two views: the rows of a clip share its labels.
    views, clips = x.view(6, 2, 6), LABELS[:6]
    flat = loss(x, clips.repeat_interleave(2, 0))
    torch.testing.assert_close(loss(views, clips), flat)
    torch.testing.assert_close(loss(views, positives=shared(clips, clips)), flat)
    with pytest.raises(ValueError, match="positives goes without labels"):
        loss(x, LABELS, positives=mask)
    with pytest.raises(ValueError, match=r"positives must be bool \(12, 12\)"):
        loss(x, positives=mask[:, :3])
    with pytest.raises(ValueError, match=r"labels must be int64"):
        loss(x, LABELS[:3])
