"""The contrastive op against the float64 reference, its gradients, and its registration with torch."""

import pytest
import torch
import torch.nn.functional as F

from skelbench import ops, reference

pytestmark = pytest.mark.skipif(not ops.built, reason="the extension is not built")
LEVELS = ops.isa_levels() if ops.built else []


def sample(n, d, classes, dtype=torch.float32, seed=0):
    """Unit rows around class centres, and their labels."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=g)
    centres = torch.randn(classes, d, generator=g, dtype=torch.float64)
    rows = centres[labels] + torch.randn(n, d, generator=g, dtype=torch.float64)
    return F.normalize(rows, dim=1).to(dtype), labels


def value_and_gradients(loss, embeddings, labels, contrasts=None, **settings):
    z = embeddings.detach().clone().requires_grad_()
    if contrasts is None:
        value = loss(z, labels, **settings)
        return value.detach(), *torch.autograd.grad(value, z)
    c = contrasts.detach().clone().requires_grad_()
    value = loss(z, labels, contrasts=c, **settings)
    return value.detach(), *torch.autograd.grad(value, (z, c))


def assert_as_good_as_eager(ours, eager, truth, temperature):
    """Error at most twice the eager reference's in the same dtype, plus the rounding of one term.

    The terms that cancel in the loss are of size 1/tau, those in the gradient of a row 1/(tau N).
    """
    for x, e, t in zip(ours, eager, truth, strict=True):
        term = max(t.abs().max(), 1 / (temperature * max(len(ours[1]) if x.dim() else 1, 1)))
        rounding = torch.finfo(x.dtype).eps * term
        assert (x.double() - t).abs().max() <= 2 * (e.double() - t).abs().max() + rounding


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("k1", "k2"), [(0.0, 1.0), (5000.0, 1.0), (2.0, 0.5)])
@pytest.mark.parametrize(
    ("n", "d", "classes"), [(1, 3, 1), (2, 1, 1), (127, 16, 9), (300, 100, 20), (257, 128, 400)]
)
def test_square_form_is_exact(level, k1, k2, n, d, classes):
    z, labels = sample(n, d, classes)
    settings = {"temperature": 0.1, "k1": k1, "k2": k2}
    with ops.use_isa(level):
        ours = value_and_gradients(ops.contrastive_loss, z, labels, **settings)
    eager = value_and_gradients(reference.contrastive_loss, z, labels, **settings)
    truth = value_and_gradients(reference.contrastive_loss, z.double(), labels, **settings)
    assert_as_good_as_eager(ours, eager, truth, 0.1)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("self_offset", [None, 0, 70])
def test_rectangular_form_is_exact(level, self_offset):
    c, c_labels = sample(200, 48, 7)
    start = self_offset or 0
    z, labels = c[start : start + 130].clone(), c_labels[start : start + 130]
    settings = {"temperature": 0.1, "k1": 3.0, "contrast_labels": c_labels, "self_offset": self_offset}
    with ops.use_isa(level):
        ours = value_and_gradients(ops.contrastive_loss, z, labels, c, **settings)
    eager = value_and_gradients(reference.contrastive_loss, z, labels, c, **settings)
    truth = value_and_gradients(reference.contrastive_loss, z.double(), labels, c.double(), **settings)
    assert_as_good_as_eager(ours, eager, truth, 0.1)


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
        ({"contrasts": z.double(), "contrast_labels": labels}, "dtype"),
    ]:
        with pytest.raises(ValueError, match=message):
            ops.contrastive_loss(**{"embeddings": z, "labels": labels, **wrong})
    z[3, 1] = torch.nan
    with pytest.raises(RuntimeError, match="embeddings: row 3 of 6"):
        ops.contrastive_loss(z, labels)
