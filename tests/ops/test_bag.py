"""Sums of embeddings: those of plain torch, their gradients, dropout by hash, the bits of one thread."""

import pytest
import torch

from skelbench import ops
from skelbench.ops import reference, use_isa
from tests.ops.places import DEVICES, PLACES, needs_cuda, needs_extension


def problem(bags=150, groups=3, repeats=5, entries=40, dimensions=64, seed=0):
    """Random arguments; a fifth of the table's rows is not known."""
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randint(entries, (bags, groups * repeats), dtype=torch.int32, generator=draw)
    table = torch.randn(entries, dimensions, generator=draw)
    weight = torch.rand(groups, generator=draw) + 0.5
    return rows, table, weight, torch.rand(entries, generator=draw) > 0.2


def with_gradients(function, rows, table, weight, known, **options):
    table, weight = table.clone().requires_grad_(), weight.clone().requires_grad_()
    out = function(rows, table, weight, known, **options)
    out.backward(torch.linspace(-1, 1, out.numel()).view_as(out).to(out.device))
    return out.detach(), table.grad, weight.grad


def on(device, tensors):
    return [tensor.to(device) for tensor in tensors]


@needs_extension
@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize("dimensions", [1, 19, 64, 150])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_sums_and_gradients_are_those_of_plain_torch(device, level, dimensions, dropout):
    arguments = problem(dimensions=dimensions)
    options = dict(dropout=dropout, seed=2**40 + 7)
    with use_isa(level):
        ours = with_gradients(ops.bag_sums, *on(device, arguments), **options)
    expected = with_gradients(reference.bag_sums, *arguments, **options)
    torch.testing.assert_close(tuple(on("cpu", ours)), expected, rtol=1e-4, atol=1e-4)


@needs_extension
@pytest.mark.parametrize("mark", [pytest.param("cuda", marks=needs_cuda)])
def test_cuda_sums_like_the_cpu_and_repeats_its_gradients(mark):
    arguments = problem(bags=900, entries=50)
    first, again = (with_gradients(ops.bag_sums, *on(mark, arguments), dropout=0.3, seed=1) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    expected = with_gradients(ops.bag_sums, *arguments, dropout=0.3, seed=1)
    assert torch.equal(first[0].cpu(), expected[0])


@needs_extension
@pytest.mark.parametrize("device", DEVICES)
def test_a_gradient_that_is_not_finite_is_not_lost(device):
    rows, table, weight, known = on(device, problem(bags=30))
    table.requires_grad_()
    grad = torch.ones(30, table.shape[1], device=device)
    grad[3, 5] = torch.nan
    ops.bag_sums(rows, table, weight, known).backward(grad)
    touched = rows[3][known[rows[3].long()]].long()
    assert table.grad[touched, 5].isnan().all()


@needs_extension
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sums", [ops.bag_sums, reference.bag_sums])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_row_that_no_token_uses_may_hold_anything(device, sums, bad):
    rows, table, weight, known = on(device, problem(bags=30))
    known[7] = False
    spoilt = table.clone()
    spoilt[7] = bad
    clean, found = (with_gradients(sums, rows, entries, weight, known) for entries in (table, spoilt))
    assert all(torch.equal(a, b) for a, b in zip(clean, found, strict=True))


@needs_extension
def test_the_bits_do_not_depend_on_the_threads():
    arguments, before = problem(bags=500), torch.get_num_threads()
    try:
        results = []
        for number in (1, 2, 5):
            torch.set_num_threads(number)
            results.append(with_gradients(ops.bag_sums, *arguments, dropout=0.3, seed=1))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_dropout_leaves_its_share_out_and_follows_the_seed():
    rows = torch.zeros(300, 100, dtype=torch.int32)
    table, weight, known = torch.ones(1, 1), torch.ones(1), torch.tensor([True])
    sums = [ops.bag_sums(rows, table, weight, known, dropout=0.3, seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(sums[0], sums[1])
    assert not torch.equal(sums[0], sums[2])
    # 100 tokens of variance p / (1 - p) a bag; the mean of 300 bags has a deviation of 0.38.
    assert float(sums[0].mean()) == pytest.approx(100, abs=2)
    assert float(sums[0].std()) == pytest.approx((100 * 0.3 / 0.7) ** 0.5, rel=0.2)


@pytest.mark.parametrize("device", DEVICES)
def test_no_bags_and_no_tokens(device):
    table, weight, known = on(device, (torch.ones(2, 3), torch.ones(2), torch.ones(2, dtype=torch.bool)))
    for shape in ((0, 4), (5, 0)):
        rows = torch.zeros(shape, dtype=torch.int32, device=device)
        out = with_gradients(ops.bag_sums, rows, table, weight, known)
        assert out[0].shape == (shape[0], 3)
        assert all((part == 0).all() for part in out)


@needs_extension
@pytest.mark.parametrize("device", DEVICES)
def test_the_op_passes_torchs_own_checks(device):
    arguments = on(device, problem(bags=6, dimensions=4))
    table, weight = arguments[1].requires_grad_(), arguments[2].requires_grad_()
    torch.library.opcheck(
        torch.ops.skelbench.bag_sums, (arguments[0], table, weight, arguments[3], 0.2, 5),
        test_utils=("test_schema", "test_faketensor", "test_autograd_registration"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": torch.full((2, 15), 40, dtype=torch.int32)}, "rows: .*the table"),
        ({"rows": torch.full((2, 15), -1, dtype=torch.int32)}, "rows: .*the table"),
        ({"weight": torch.ones(4)}, "weight has 4 numbers, which do not divide the 15"),
        ({"known": torch.ones(3, dtype=torch.bool)}, r"known must be bool \(40,\)"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
@pytest.mark.parametrize("device", DEVICES)
def test_what_cannot_be_is_named(change, message, device):
    arguments = dict(zip(("rows", "table", "weight", "known"), problem(), strict=True)) | change
    placed = {name: x.to(device) if isinstance(x, torch.Tensor) else x for name, x in arguments.items()}
    with pytest.raises((ValueError, RuntimeError), match=message):
        ops.bag_sums(**placed)


@pytest.mark.parametrize("sums", [ops.bag_sums, reference.bag_sums])
def test_bags_know_their_number_among_all(sums):
    rows, table, weight, known = problem(bags=90)
    whole = sums(rows, table, weight, known, dropout=0.3, seed=5)
    parts = [
        sums(rows[at : at + 40], table, weight, known, dropout=0.3, seed=5, first=at) for at in (0, 40, 80)
    ]
    torch.testing.assert_close(torch.cat(parts), whole)
