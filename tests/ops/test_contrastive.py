"""The contrastive op against the float64 reference, its gradients, and its registration with torch."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from skelbench import ops
from skelbench.ops import reference
from skelbench.ops.contrastive import TEMPERATURES, WEIGHTS
from tests.ops.places import DEVICES, LEVELS, PLACES, needs_extension

pytestmark = needs_extension


def sample(n, d, classes, dtype=torch.float32, seed=0):
    """Unit rows around class centres, and their labels."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=g)
    centres = torch.randn(classes, d, generator=g, dtype=torch.float64)
    rows = centres[labels] + torch.randn(n, d, generator=g, dtype=torch.float64)
    return F.normalize(rows, dim=1).to(dtype), labels


def value_and_gradients(loss, embeddings, labels, contrasts=None, **options):
    z = embeddings.detach().clone().requires_grad_()
    if contrasts is None:
        value = loss(z, labels, **options)
        return value.detach(), *torch.autograd.grad(value, z)
    c = contrasts.detach().clone().requires_grad_()
    value = loss(z, labels, contrasts=c, **options)
    return value.detach(), *torch.autograd.grad(value, (z, c))


def assert_as_good_as_eager(ours, eagers, truth, temperature):
    """Error at most twice the eager reference's in the same dtype, plus two roundings of one term.

    `eagers`: the reference on the same rows in one or more orders; its error is the largest of them, because the
    largest error of a few sums in one order can be small by luck.

    (Of its exponential and of its weight; where terms cancel exactly, eager may have none at all.)
    The terms that cancel in the loss are of size 1/tau; in the gradient a pair has both anchors': 2/(tau N).
    """
    for x, *es, t in zip(ours, *eagers, truth, strict=True):
        term = max(t.abs().max(), (2 / max(len(ours[1]), 1) if x.dim() else 1) / temperature)
        rounding = 2 * torch.finfo(x.dtype).eps * term
        eager = max((e.double() - t).abs().max() for e in es)
        assert (x.double() - t).abs().max() <= 2 * eager + rounding


def on_cpu(tensors):
    return [x.cpu() for x in tensors]


def check_square(
    z, labels, place=("cpu", ""), *, loss=ops.contrastive_loss, eager=reference.contrastive_loss, **options
):
    """One case of the square form; `z` in the dtype under test. `place`: the device and the instruction set."""
    device, level = place
    n = len(z)
    with ops.use_isa(level):
        ours = value_and_gradients(loss, z.to(device), labels.to(device), **options)
    eagers = []
    for order in (torch.arange(n), torch.arange(n).flip(0), torch.arange(n).roll(n // 2)):
        there = z[order].to(device), labels[order].to(device)
        value, gradient = on_cpu(value_and_gradients(eager, *there, **options))
        eagers.append((value, gradient[order.argsort()]))
    truth = value_and_gradients(reference.contrastive_loss, z.double(), labels, **options)
    assert_as_good_as_eager(on_cpu(ours), eagers, truth, options["temperature"])


def check_rectangular(
    z, labels, c, c_labels, place=("cpu", ""), *, loss=ops.contrastive_loss, self_offset=None, **options
):
    """One case of the rectangular form; the rows in the dtype under test."""
    device, level = place

    def there(loss, last_first=False):
        tensors = [x.to(device) for x in (z, labels, c, c_labels)]
        offset = self_offset
        if last_first:
            tensors = [x.flip(0) for x in tensors]
            offset = None if offset is None else len(c) - len(z) - offset
        rows, row_labels, others, other_labels = tensors
        call = {"contrast_labels": other_labels, "self_offset": offset, **options}
        value, *gradients = on_cpu(value_and_gradients(loss, rows, row_labels, others, **call))
        return value, *(x.flip(0) if last_first else x for x in gradients)

    with ops.use_isa(level):
        ours = there(loss)
    eagers = [there(reference.contrastive_loss, last_first) for last_first in (False, True)]
    call = {"contrast_labels": c_labels, "self_offset": self_offset, **options}
    truth = value_and_gradients(reference.contrastive_loss, z.double(), labels, c.double(), **call)
    assert_as_good_as_eager(ours, eagers, truth, options["temperature"])


@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize(("k1", "k2"), [(0.0, 1.0), (5000.0, 1.0), (2.0, 0.5), (1.0, 0.0)])
@pytest.mark.parametrize(
    ("n", "d", "classes"), [(1, 3, 1), (2, 1, 1), (3, 16, 2), (127, 16, 9), (300, 100, 20), (257, 128, 400)]
)
def test_square_form_is_exact(device, level, k1, k2, n, d, classes):
    check_square(*sample(n, d, classes), (device, level), temperature=0.1, k1=k1, k2=k2)


# The op keeps the tiles of 2816 rows at most.
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("n", "d"), [(1000, 128), (1025, 256), (1025, 1), (2900, 16)])
def test_many_tiles_are_exact(device, n, d):
    check_square(*sample(n, d, 60), (device, ""), temperature=0.07)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 16), (3, 100), (300, 130)])
def test_double_precision_is_exact(device, n, d):
    check_square(*sample(n, d, 9, torch.float64), (device, ""), temperature=0.1, k1=2.0)


@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize("temperature", [0.01, 0.029, 0.031, 0.5, 10.0])
@pytest.mark.parametrize("k1", [0.0, 1e6])
def test_every_temperature_is_exact(device, level, temperature, k1):
    """Below 0.03 every row has its own shift; a shared one would underflow."""
    check_square(*sample(150, 32, 10), (device, level), temperature=temperature, k1=k1)


@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize(
    "case", ["one class", "all distinct", "duplicates", "saturated", "long rows", "negative labels"]
)
def test_special_batches_are_exact(device, level, case):
    z, labels = sample(140, 24, 5)
    if case == "one class":
        labels = torch.zeros_like(labels)
    elif case == "all distinct":
        labels = torch.randperm(140)
    elif case == "duplicates":
        z, labels = z[:20].repeat(7, 1), labels[:20].repeat(7)
    elif case == "saturated":
        z = F.normalize(torch.eye(24)[labels] + 0.01 * z, dim=1)
    elif case == "long rows":
        z = z * torch.linspace(0, 30, 140)[:, None]
    else:
        labels = (labels - 3) * 10**15
    check_square(z, labels, (device, level), temperature=0.05 if case == "saturated" else 0.2, k1=2.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("spread", [1.0, 0.05])
@pytest.mark.parametrize(("device", "level"), PLACES)
def test_half_precision_is_exact(dtype, spread, device, level):
    z, labels = sample(200, 64, 8, torch.float64)
    centres = F.normalize(torch.eye(64, dtype=torch.float64)[labels], dim=1)
    check_square(
        F.normalize(centres + spread * z, dim=1).to(dtype), labels, (device, level), temperature=0.1, k1=10.0
    )


@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 16), (3, 100), (127, 256), (1000, 1), (1025, 128)])
def test_half_precision_of_any_size_is_exact(device, level, n, d):
    z, labels = sample(n, d, 9, torch.float64)
    check_square(z.to(torch.bfloat16), labels, (device, level), temperature=0.1)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_batch_is_exact(data):
    # D = 1 has two distinct rows at most: equal rounding errors add up instead of averaging out.
    n, d = data.draw(st.integers(1, 140)), data.draw(st.integers(2, 40))
    classes = data.draw(st.sampled_from([1, 2, max(n // 3, 1), 2 * n]))
    z, labels = sample(n, d, classes, seed=data.draw(st.integers(0, 99)))
    check_square(
        z,
        labels,
        ("cpu", data.draw(st.sampled_from(LEVELS))),
        temperature=data.draw(st.floats(0.02, 5.0)),
        k1=data.draw(st.sampled_from([0.0, 1.0, 1e4])),
        k2=data.draw(st.just(0.0) | st.floats(1e-30, 3.0)),
    )


def test_layout_and_wanted_gradients_do_not_matter():
    z, labels = sample(90, 12, 4)
    strided = z.T.contiguous().T
    expected = value_and_gradients(ops.contrastive_loss, z, labels)
    torch.testing.assert_close(
        value_and_gradients(ops.contrastive_loss, strided, labels), expected, rtol=0, atol=0
    )
    both = value_and_gradients(ops.contrastive_loss, z, labels, z, contrast_labels=labels)
    for wanted in (0, 1):
        sides = [z.clone(), z.clone()]
        sides[wanted].requires_grad_()
        loss = ops.contrastive_loss(sides[0], labels, contrasts=sides[1], contrast_labels=labels)
        torch.testing.assert_close(
            torch.autograd.grad(loss, sides[wanted])[0], both[1 + wanted], rtol=0, atol=0
        )


def test_reductions_and_empty_batches():
    z, labels = sample(30, 8, 3)
    labels[0] = 99
    rows = ops.contrastive_loss(z, labels, reduction="none")
    assert rows.shape == (30,)
    assert rows[0] == 0
    torch.testing.assert_close(ops.contrastive_loss(z, labels), rows.sum() / 29)
    torch.testing.assert_close(ops.contrastive_loss(z, labels, reduction="sum"), rows.sum())
    empty = torch.zeros(0, 8, requires_grad=True)
    value = ops.contrastive_loss(empty, labels[:0])
    assert value == 0
    assert torch.autograd.grad(value, empty)[0].shape == (0, 8)


def test_result_is_the_same_bits_for_any_number_of_threads():
    z, labels = sample(700, 64, 30)
    before = torch.get_num_threads()
    results = []
    try:
        # Up to four threads pack the rows each for itself.
        for threads in (1, 2, 2, 3, 5):
            torch.set_num_threads(threads)
            results.append(value_and_gradients(ops.contrastive_loss, z, labels, reduction="mean"))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rectangular", [False, True])
def test_kept_tiles_and_threads_do_not_change_the_bits(dtype, rectangular):
    """The gradient of a sum keeps the tiles, that of single losses computes them again."""
    z, labels = sample(400, 40, 30, dtype)
    options = (
        {"contrasts": z[:300], "contrast_labels": labels[:300], "self_offset": None} if rectangular else {}
    )
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3, 5):
            torch.set_num_threads(count)
            for loss in (
                lambda z, y, **o: ops.contrastive_loss(z, y, reduction="sum", **o),
                lambda z, y, **o: ops.contrastive_loss(z, y, reduction="none", **o).sum(),
            ):
                _, *gradients = value_and_gradients(loss, z, labels, **options)
                found.append(gradients)
    finally:
        torch.set_num_threads(threads)
    for gradients in found[1:]:
        torch.testing.assert_close(gradients, found[0], rtol=0, atol=0)


def test_a_gradient_can_be_asked_for_twice_and_scaled():
    z, labels = sample(30, 8, 3)
    z.requires_grad_()
    loss = ops.contrastive_loss(z, labels)
    once = torch.autograd.grad(loss, z, retain_graph=True)[0].mul_(3)
    torch.testing.assert_close(torch.autograd.grad(3 * loss, z)[0], once)
    with torch.no_grad():
        assert not ops.contrastive_loss(z, labels).requires_grad


def test_memory_stays_linear():
    """N = 16,384: an N x N float32 matrix would be 1,074 MB."""
    from benchmarks.measure import peak_extra_bytes

    setup = (
        "import torch\nfrom skelbench import ops\n"
        "z = torch.nn.functional.normalize(torch.randn(16384, 16), dim=1).requires_grad_()\n"
        "y = torch.arange(16384) // 2\nops.contrastive_loss(z[:99], y[:99]).backward()"
    )
    assert peak_extra_bytes(setup, "ops.contrastive_loss(z, y).backward()") < 60e6


@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("self_offset", [None, 0, 70])
def test_rectangular_form_is_exact(device, level, dtype, self_offset):
    c, c_labels = sample(200, 48, 7, dtype)
    start = self_offset or 0
    z, labels = c[start : start + 130].clone(), c_labels[start : start + 130]
    check_rectangular(
        z, labels, c, c_labels, (device, level), temperature=0.1, k1=3.0, self_offset=self_offset
    )


def test_gradcheck():
    z, labels = sample(9, 5, 3, torch.float64)
    c, c_labels = sample(12, 5, 3, torch.float64, seed=1)
    z.requires_grad_()
    c.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ops.contrastive_loss(x, labels, temperature=0.5, k1=2.0), (z,))
    rectangular = {"contrast_labels": c_labels, "self_offset": None, "temperature": 0.5, "k1": 2.0}
    assert torch.autograd.gradcheck(
        lambda x, y: ops.contrastive_loss(x, labels, contrasts=y, **rectangular, reduction="none"), (z, c)
    )


@pytest.mark.parametrize("rectangular", [False, True])
def test_opcheck(rectangular):
    z, labels = sample(20, 6, 4)
    z.requires_grad_()
    c = (z.detach().clone().requires_grad_(), labels) if rectangular else (None, None)
    torch.library.opcheck(torch.ops.skelbench.contrastive, (z, labels, *c, 0.1, 2.0, 1.0, 0, False, False))
    needed = True, rectangular
    torch.library.opcheck(
        torch.ops.skelbench.contrastive_reduced, (z, labels, *c, 0.1, 2.0, 1.0, 0, True, *needed)
    )


def test_compiles_without_graph_breaks():
    z, labels = sample(50, 8, 4)
    compiled = torch.compile(ops.contrastive_loss, fullgraph=True, backend="aot_eager")
    ours = value_and_gradients(compiled, z, labels)
    torch.testing.assert_close(ours, value_and_gradients(ops.contrastive_loss, z, labels))


def test_bad_input_is_named():
    z, labels = sample(6, 4, 2)
    for wrong, message in [
        ({"labels": labels[:5]}, r"labels must be int64 \(6,\)"),
        ({"labels": labels.int()}, "torch.int32"),
        ({"embeddings": z[:, :0]}, r"D > 0, not \(6, 0\)"),
        ({"temperature": 0.0}, "temperature"),
        ({"k1": -1.0}, "k1"),
        ({"k2": float("nan")}, "k2"),
        ({"reduction": "max"}, "reduction"),
        ({"contrasts": z}, "contrast_labels"),
        ({"contrasts": z, "contrast_labels": labels, "self_offset": 1}, "self_offset"),
        ({"contrasts": z.double(), "contrast_labels": labels}, "contrasts must be float32"),
    ]:
        with pytest.raises(ValueError, match=message):
            ops.contrastive_loss(**{"embeddings": z, "labels": labels, **wrong})
    z[3, 1] = torch.nan
    with pytest.raises(RuntimeError, match="embeddings: row 3 of 6"):
        ops.contrastive_loss(z, labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_single_positive_that_is_the_only_term_has_loss_and_gradient_0(dtype):
    z, labels = sample(9, 24, 3, dtype)
    for rows, row_labels, options in [
        (z[:2], torch.tensor([4, 4]), {}),
        (z, torch.tensor([0, 0, 1, 1, 2, 3, 4, 4, 5]), {"k2": 0.0}),
        (z[:1], labels[:1], {"contrasts": z[1:2], "contrast_labels": labels[:1], "self_offset": None}),
    ]:
        leaf = rows.clone().requires_grad_()
        each = ops.contrastive_loss(leaf, row_labels, reduction="none", **options)
        assert (each == 0).all()
        assert (torch.autograd.grad(each.sum(), leaf)[0] == 0).all()
    assert (ops.contrastive_loss(z[:2], torch.tensor([4, 4]), k1=2.0, reduction="none") > 0).all()


@pytest.mark.parametrize("n", [3, 9])
def test_without_negatives_equal_rows_have_loss_log_n_minus_1(n):
    z = F.normalize(torch.ones(n, 4), dim=1)
    loss = ops.contrastive_loss(z, torch.zeros(n, dtype=torch.int64))
    torch.testing.assert_close(loss, torch.tensor(n - 1.0).log())


@pytest.mark.parametrize("name", ["temperature", "k1", "k2"])
def test_the_ends_of_a_range_are_exact_and_what_lies_beyond_is_an_error(name):
    z, labels = sample(20, 6, 4)
    low, high = TEMPERATURES if name == "temperature" else WEIGHTS
    for value in (low, high):
        options = {"temperature": 0.1, name: value}
        for found, truth in zip(
            value_and_gradients(ops.contrastive_loss, z, labels, **options),
            value_and_gradients(reference.contrastive_loss, z.double(), labels, **options),
            strict=True,
        ):
            assert (found - truth).norm() <= 1e-5 * truth.norm() + 1e-12
    for value in (low / 1.001, high * 1.001, 1e-40 if name == "temperature" else 1e300):
        with pytest.raises(ValueError, match=f"{name} must be"):
            ops.contrastive_loss(z, labels, **{name: value})


def test_positives_are_counted():
    labels, others = torch.tensor([3, 1, 3, 7, 3]), torch.tensor([1, 3, 1, 3, 7, 3, 3])
    z, c = sample(5, 4, 2)[0], sample(7, 4, 2)[0]
    assert ops.count_positives(labels).tolist() == [2, 0, 2, 0, 2]
    for offset in (None, 0, 1, 2):
        count = ops.count_positives(labels, others, offset)
        each = ops.contrastive_loss(
            z, labels, contrasts=c, contrast_labels=others, self_offset=offset, reduction="none"
        )
        slow = [
            sum(int(a == b) for j, b in enumerate(others) if offset is None or j != i + offset)
            for i, a in enumerate(labels)
        ]
        assert count.tolist() == slow
        assert ((count > 0) == (each != 0)).all()
