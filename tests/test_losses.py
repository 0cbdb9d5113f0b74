"""The losses against slow loops, closed forms and their papers' gradients, in both call styles."""

import concurrent.futures
import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
import torch.utils.checkpoint

from skelbench.losses import NTXentLoss, SupConLoss, TCLLoss
from skelbench.ops import contrastive_loss


def rows(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loop_loss(embeddings, labels, temperature, k1=0.0, k2=1.0):
    """The formula, pair by pair."""
    z = F.normalize(embeddings, dim=1)
    losses = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        positives = [j for j in others if labels[j] == labels[i]]
        if not positives:
            continue
        total = 0.0
        for j in others:
            s = float(z[i] @ z[j])
            if j in positives:
                total += math.exp(s / temperature) + k1 * math.exp(-s)
            else:
                total += k2 * math.exp(s / temperature)
        losses.append(
            math.log(total) - sum(float(z[i] @ z[j]) for j in positives) / len(positives) / temperature
        )
    return sum(losses) / len(losses)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_losses_equal_the_formula_pair_by_pair(dtype):
    x, labels = rows(24, 7), torch.arange(24) % 5
    labels[3] = 9  # an anchor without a positive
    tolerance = {"rtol": 1e-12 if dtype == torch.float64 else 2e-6, "atol": 0}
    for loss, settings in [
        (SupConLoss(0.2), (0.2,)),
        (TCLLoss(0.3, k1=40.0, k2=0.7), (0.3, 40.0, 0.7)),
        (NTXentLoss(0.5), (0.5,)),
    ]:
        expected = torch.tensor(loop_loss(x, labels, *settings), dtype=dtype)
        torch.testing.assert_close(loss(x.to(dtype), labels), expected, **tolerance)


def test_ntxent_is_simclr_cross_entropy():
    a, b = F.normalize(rows(10, 6), dim=1), F.normalize(rows(10, 6, seed=1), dim=1)
    z = torch.cat([a, b])
    logits = (z @ z.T / 0.4).fill_diagonal_(-torch.inf)
    expected = F.cross_entropy(logits, torch.arange(20).roll(10))
    torch.testing.assert_close(NTXentLoss(0.4)(torch.stack([a, b], 1)), expected)
    torch.testing.assert_close(NTXentLoss(0.4)(z, torch.arange(10).repeat(2)), expected)


def test_identical_rows_give_the_closed_form():
    """All similarities 1: every row sees N - 1 equal terms, so the loss is log(N - 1)."""
    x = torch.ones(9, 4)
    torch.testing.assert_close(SupConLoss()(x, torch.zeros(9, dtype=torch.int64)), torch.tensor(math.log(8)))


def test_views_are_rows_with_their_clip_label():
    x, labels = rows(15, 8).reshape(5, 3, 8), torch.tensor([0, 1, 0, 2, 1])
    flat = SupConLoss()(x.reshape(15, 8), labels.repeat_interleave(3))
    torch.testing.assert_close(SupConLoss()(x, labels), flat)
    torch.testing.assert_close(SupConLoss()(x, labels.int()), flat)


def test_anchors_without_positives_are_left_out():
    x = rows(6, 5)
    alone = SupConLoss()(x, torch.arange(6))
    assert alone.item() == 0
    x.requires_grad_()
    assert torch.autograd.grad(SupConLoss()(x, torch.arange(6)), x)[0].abs().max() == 0


def test_scale_of_rows_does_not_matter_and_zero_rows_stay_finite():
    x, labels = rows(12, 5), torch.arange(12) % 3
    torch.testing.assert_close(SupConLoss()(x * 1e-3, labels), SupConLoss()(x * 1e3, labels))
    x[4] = 0
    x.requires_grad_()
    value = SupConLoss()(x, labels)
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, x)[0]).all()


def tcl_published_gradient(z, labels, temperature, k1, k2):
    """dL/dz of the mean TCL loss at unit rows, from the paper's weights: row part and column part.

    With D_i the denominator, X_ip = e^{s/tau}/D_i for positives less 1/|P|, the k1 part k1 e^{-s}/D_i
    without 1/tau, and Y_in = k2 e^{s/tau}/D_i: anchor i gets sum_j w_ij z_j (row part), and every z_j gets
    w_ij z_i (column part).
    """
    n = len(z)
    s = z @ z.T
    same = (labels[:, None] == labels[None, :]) & ~torch.eye(n, dtype=torch.bool)
    other = labels[:, None] != labels[None, :]
    e, u = torch.exp(s / temperature), k1 * torch.exp(-s)
    denominator = ((e + u) * same + k2 * e * other).sum(1, keepdim=True)
    w = same * ((e / temperature - u) / denominator - 1 / (temperature * same.double().sum(1, keepdim=True)))
    w = (w + other * k2 * e / (temperature * denominator)) / n
    return w @ z, w.T @ z


@pytest.mark.parametrize("spread", [1.0, 0.02])
def test_tcl_has_its_published_gradient_also_when_saturated(spread):
    """Row and column part; with spread 0.02 every positive has cosine near 1, the gradient almost 0."""
    labels = torch.arange(40) % 4
    z = F.normalize(rows(4, 16)[labels] + spread * rows(40, 16, seed=2), dim=1)
    row, column = tcl_published_gradient(z, labels, 0.1, 5000.0, 1.0)
    leaf = z.clone().requires_grad_()
    loss = contrastive_loss(leaf, labels, temperature=0.1, k1=5000.0)
    torch.testing.assert_close(torch.autograd.grad(loss, leaf)[0], row + column, rtol=1e-9, atol=1e-13)

    anchors, contrasts = z.clone().requires_grad_(), z.clone().requires_grad_()
    loss = contrastive_loss(
        anchors, labels, contrasts=contrasts, contrast_labels=labels, temperature=0.1, k1=5000.0
    )
    parts = torch.autograd.grad(loss, (anchors, contrasts))
    torch.testing.assert_close(parts, (row, column), rtol=1e-9, atol=1e-13)


def test_sharded_losses_add_up_to_the_whole_batch():
    """Two ranks, each with its anchors against the gathered batch: their gradients sum to the batch's."""
    labels = torch.arange(30) % 4
    z = F.normalize(rows(30, 8), dim=1).requires_grad_()
    whole = torch.autograd.grad(contrastive_loss(z, labels, reduction="sum"), z)[0]
    parts = [
        contrastive_loss(
            z[i : i + 15],
            labels[i : i + 15],
            contrasts=z,
            contrast_labels=labels,
            self_offset=i,
            reduction="sum",
        )
        for i in (0, 15)
    ]
    torch.testing.assert_close(torch.autograd.grad(parts[0] + parts[1], z)[0], whole)


@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        (torch.ones(4, 3), None, "labels must be given"),
        (torch.ones(4, 3), torch.zeros(3, dtype=torch.int64), r"labels must be int64 .*\(4,\), not"),
        (torch.ones(4, 3), torch.zeros(4), "labels must be int64 .* not torch.float32"),
        (torch.ones(4), torch.zeros(4, dtype=torch.int64), r"embeddings must be .* \(4,\)"),
        (torch.ones(4, 3).to(torch.int8), torch.zeros(4, dtype=torch.int64), "embeddings must be float32"),
        (torch.ones(4, 3), torch.zeros(4, dtype=torch.bool), "not torch.bool"),
        (torch.ones(4, 0), torch.zeros(4, dtype=torch.int64), "D > 0"),
    ],
)
def test_bad_input_is_named(embeddings, labels, message):
    with pytest.raises(ValueError, match=message):
        SupConLoss()(embeddings, labels)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="temperature"):
        NTXentLoss(0)
    with pytest.raises(ValueError, match="k1"):
        TCLLoss(k1=-1)
    assert repr(TCLLoss()) == "TCLLoss(temperature=0.1, k1=5000.0, k2=1.0)"


def test_what_is_no_tensor_is_a_type_error():
    for embeddings, labels, name in [
        (torch.ones(2, 3), [0, 1], "labels must be a tensor, not list"),
        ([[1.0, 2.0]], torch.zeros(1), "embeddings must be a tensor, not list"),
    ]:
        with pytest.raises(TypeError, match=name):
            SupConLoss()(embeddings, labels)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32])
def test_every_integer_dtype_is_a_label(dtype):
    x, labels = rows(12, 5), torch.arange(12) % 3
    assert SupConLoss()(x, labels.to(dtype)) == SupConLoss()(x, labels)


@pytest.mark.parametrize("loss", [SupConLoss, NTXentLoss, TCLLoss])
def test_reduction(loss):
    x, labels = rows(12, 5), torch.arange(12) % 3
    labels[0] = 9
    each = loss(reduction="none")(x, labels)
    assert each.shape == (12,)
    assert each[0] == 0
    torch.testing.assert_close(loss(reduction="sum")(x, labels), each.sum())
    torch.testing.assert_close(loss()(x, labels), each.sum() / 11)
    assert "reduction='sum'" in repr(loss(reduction="sum"))
    with pytest.raises(ValueError, match="reduction"):
        loss(reduction="max")


@pytest.mark.parametrize("loss", [SupConLoss(), TCLLoss(k1=3.0)])
def test_a_queue_of_negatives_is_nobodys_positive(loss):
    """The same as a batch to which rows with labels of their own were added, whose own losses are 0."""
    x, queue, labels = rows(12, 5), rows(7, 5, seed=1), torch.arange(12) % 3
    alone = torch.cat([labels, torch.arange(100, 107)])
    torch.testing.assert_close(loss(x, labels, negatives=queue), loss(torch.cat([x, queue]), alone))
    assert loss(x[:0], labels[:0], negatives=queue) == 0
    for wrong in (queue.float(), queue[:, :3], queue[0]):
        with pytest.raises(ValueError, match="negatives must be"):
            loss(x, labels, negatives=wrong)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_normalised_in_float32(dtype):
    """Zero rows, rows longer than 65,504 and tight clusters keep the gradient that float64 gives these rows."""
    labels = torch.arange(64) % 4
    tight = 20 * rows(4, 16)[labels] + 0.2 * rows(64, 16, seed=2)
    long = (rows(64, 16) * 2e4).clamp(-6e4, 6e4)
    zero = rows(64, 16)
    zero[5] = 0
    for x in (tight, long, zero):
        half = x.to(dtype).requires_grad_()
        wide = half.detach().double().requires_grad_()
        ours, truth = SupConLoss()(half, labels), SupConLoss()(wide, labels)
        torch.testing.assert_close(ours.double(), truth, rtol=1e-5, atol=1e-6)
        # Scaled, so that float16 can hold a gradient as small as one over the length of a row.
        scale = 1024 * float(x.norm(dim=1).mean())
        found = torch.autograd.grad(ours * scale, half)[0].double()
        expected = torch.autograd.grad(truth * scale, wide)[0]
        keep = torch.arange(64) != 5 if x is zero else slice(None)
        error = (found - expected)[keep].norm() / expected[keep].norm()
        assert error < 3 * torch.finfo(dtype).eps


def test_a_length_that_overflows_is_an_error_and_not_a_row_of_zeros():
    x, labels = rows(8, 4).float(), torch.arange(8) % 2
    x[3] = 1e30
    with pytest.raises(RuntimeError, match="row 3 of 8 is not finite"):
        SupConLoss()(x, labels)


def test_a_temperature_that_is_learned():
    x, labels = rows(20, 6), torch.arange(20) % 4
    loss = SupConLoss(torch.nn.Parameter(torch.tensor(0.2, dtype=torch.float64)))
    assert [name for name, _ in loss.named_parameters()] == ["temperature"]
    assert torch.autograd.gradcheck(
        lambda t: SupConLoss(t)(x, labels), loss.temperature.detach().clone().requires_grad_()
    )
    torch.testing.assert_close(loss(x, labels), SupConLoss(0.2)(x, labels))
    assert repr(loss) == "SupConLoss(temperature=tensor)"


def test_inside_other_peoples_loops():
    """Autocast, checkpointing, pickling and copies give the same loss and gradient."""
    x, labels = rows(20, 6).float().requires_grad_(), torch.arange(20) % 4
    loss = TCLLoss(0.2, k1=3.0)
    expected = torch.autograd.grad(loss(x, labels), x)[0]
    for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(torch.autograd.grad(again(x, labels), x)[0], expected)
    kept = torch.utils.checkpoint.checkpoint(loss, x, labels, use_reentrant=False)
    assert torch.equal(torch.autograd.grad(kept, x)[0], expected)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = loss(x, labels)
    assert torch.equal(torch.autograd.grad(narrow, x)[0], expected)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        values = list(pool.map(lambda _: loss(x.detach(), labels).item(), range(16)))
    assert max(values) - min(values) < 1e-6
