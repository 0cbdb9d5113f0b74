"""What CUDA tensors add to the tests of each op: streams, graphs, memory, and what is refused.

Bodies that a CPU can run too are run there as well.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._C import _dispatch_has_kernel_for_dispatch_key as has_kernel

from skelbench import losses, ops
from skelbench.models.conmlp import ConMLP, InputShape
from skelbench.models.ragged_input import FactoredSGD
from skelbench.ops import RaggedClips, _library, reference
from tests.ops.places import DEVICES, needs_extension
from tests.ops.test_arguments import CALLS, name_of
from tests.ops.test_contrastive import (
    sample,
    value_and_gradients,
)
from tests.ops.test_ragged import make_clips

pytestmark = needs_extension
on_devices = pytest.mark.parametrize("device", DEVICES)
only_cuda = pytest.mark.parametrize("device", DEVICES[1:])


def moved(value: Any, device: str) -> Any:
    """A value of a call on a device."""
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value).to(device)
    return value.to(device) if isinstance(value, (Tensor, RaggedClips)) else value


# ---- every public op ----


@only_cuda
def test_an_extension_built_with_cuda_has_every_kernel(device: str) -> None:
    if device not in _library.devices:
        pytest.skip("the extension is built without CUDA")
    for name in (
        "augment",
        "ragged_linear",
        "ragged_linear_backward",
        "ragged_decode",
        "ragged_decode_backward",
        "contrastive",
        "contrastive_backward",
        "wl_subtrees",
        "pv_dbow_train_",
        "pv_dbow_infer_",
        "bag_sums",
        "bag_sums_backward",
        "resampled_streams",
    ):
        assert has_kernel(f"skelbench::{name}", "CUDA"), name


@on_devices
@pytest.mark.parametrize("op", CALLS, ids=name_of)
def test_a_public_op_gives_what_it_gives_on_the_cpu_or_refuses_by_name(
    device: str, op: Callable[..., Any]
) -> None:
    there = {name: moved(value, device) for name, value in CALLS[op].items()}
    if op is ops.draw:
        there["generator"] = torch.Generator(device)
    refusal = ""
    try:
        found = moved(op, device)(**there)
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert device != "cpu"
        assert device in refusal
        assert any(name in refusal for name in there)
        return
    expected = op(**CALLS[op])
    if isinstance(expected, RaggedClips):
        found, expected = found.tensors, expected.tensors
    if op is ops.draw:
        assert [x.device.type for x in found] == [device, device]
    elif isinstance(expected, (Tensor, tuple)):
        if isinstance(found, Tensor):
            assert found.device.type == device
        torch.testing.assert_close(found, expected, check_device=False)
    else:
        # A module, or whether a batch has a step of its own.
        assert type(found) is type(expected)


@on_devices
def test_tensors_on_two_devices_are_named(device: str) -> None:
    elsewhere = "meta" if device == "cpu" else "cpu"
    z, labels = (x.to(device) for x in sample(6, 4, 2))
    with pytest.raises(ValueError, match=f"labels is on {elsewhere}, but the other tensors are on {device}"):
        ops.contrastive_loss(z, labels.to(elsewhere))
    lists = ops.neighbour_lists(torch.tensor([(0, 1), (1, 2)]), 3)
    with pytest.raises(ValueError, match=f"indptr is on {elsewhere}"):
        ops.wl_subtrees_csr(
            torch.ones(3, dtype=torch.int64, device=device), *(x.to(elsewhere) for x in lists)
        )


@on_devices
def test_an_extension_without_kernels_for_a_device_leaves_it_to_plain_torch(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_library, "devices", ())
    refuse: Any = pytest.fail
    monkeypatch.setattr("skelbench.ops._contrastive.op", refuse)
    monkeypatch.setattr("skelbench.ops._contrastive.reduced", refuse)
    z, labels = sample(20, 6, 3)
    for reduction in ("mean", "none"):
        found = ops.contrastive_loss(z.to(device), labels.to(device), reduction=reduction)
        expected = reference.contrastive_loss(z, labels, reduction=reduction)
        torch.testing.assert_close(found.cpu(), expected)
    edges, nodes = torch.tensor([(0, 1), (1, 2)]), torch.arange(6, device=device).view(2, 3)
    found = ops.wl_subtrees(nodes, edges, 2)
    assert torch.equal(found.cpu(), reference.wl_subtrees(nodes.cpu(), *ops.neighbour_lists(edges, 3), 2))


@on_devices
def test_the_factored_optimizer_takes_the_steps_of_torchs(device: str) -> None:
    """On CUDA, which has no fused step, the first layer's gradient is formed as usual."""
    torch.manual_seed(0)
    ours = ConMLP(InputShape(9, 2, 5, 3)).eval().to(device)
    theirs = copy.deepcopy(ours)
    constants = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}
    pairs = (
        (ours, FactoredSGD(ours, **constants)),
        (theirs, torch.optim.SGD(theirs.parameters(), **constants)),
    )
    for seed in range(3):
        clips = make_clips(20, seed=seed, dtype=torch.float32).to(device)
        for model, optimizer in pairs:
            optimizer.zero_grad()
            model(clips).square().mean().backward()
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert (ours.first.weight.grad is None) == (device == "cpu")


# ---- CUDA alone ----


@only_cuda
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_row_that_is_not_finite_makes_the_loss_nan(device: str, value: float) -> None:
    z, labels = (x.to(device) for x in sample(130, 6, 4))
    z[90, 2] = value
    assert ops.contrastive_loss(z, labels).isnan()
    assert losses.SupConLoss()(z, labels).isnan()


@only_cuda
def test_nothing_waits_for_the_device(device: str) -> None:
    z, labels = (x.to(device) for x in sample(130, 40, 9))
    queue = sample(70, 40, 9, seed=1)[0].to(device)
    loss = losses.TCLLoss(0.02)
    value_and_gradients(loss, z, labels)
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        value_and_gradients(loss, z, labels, negatives=queue)
        value_and_gradients(
            ops.contrastive_loss, z, labels, queue, contrast_labels=labels[:70], self_offset=None
        )
        ops.count_positives(labels)
    finally:
        torch.cuda.set_sync_debug_mode(before)


@only_cuda
def test_the_stream_of_the_caller_is_used(device: str) -> None:
    """The inputs are written late on that stream: a kernel on another one would read what was there before."""
    z, labels = (x.to(device) for x in sample(200, 40, 9))
    nodes = torch.arange(3000, device=device).view(1, -1)
    lists = [x.to(device) for x in ops.neighbour_lists(torch.tensor([(i, i + 1) for i in range(2999)]), 3000)]
    expected = value_and_gradients(ops.contrastive_loss, z, labels)
    tokens = ops.wl_subtrees_csr(nodes, *lists, 2)
    late, late_nodes = torch.zeros_like(z), torch.zeros_like(nodes)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        late.copy_(z)
        late_nodes.copy_(nodes)
        late_tokens = torch.ops.skelbench.wl_subtrees(late_nodes, *lists, 2, 64)
        found = value_and_gradients(ops.contrastive_loss, late, labels)
    torch.cuda.synchronize()
    torch.testing.assert_close(found, expected)
    assert torch.equal(late_tokens, tokens)


@only_cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "loss", [losses.SupConLoss(), losses.TCLLoss(0.02), ops.contrastive_loss], ids=name_of
)
def test_loss_and_gradient_are_captured_in_a_graph(
    device: str, dtype: torch.dtype, loss: Callable[..., Tensor]
) -> None:
    batches = [[x.to(device) for x in sample(130, 40, 9, dtype, seed=seed)] for seed in range(3)]
    rows, labels = (x.clone() for x in batches[0])
    rows.requires_grad_()

    def step() -> tuple[Tensor, Tensor]:
        value = loss(rows, labels)
        return value.detach(), torch.autograd.grad(value, rows)[0]

    # As torch asks: a few calls on a stream apart before the capture.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    for z, y in batches:
        with torch.no_grad():
            rows.copy_(z), labels.copy_(y)
        graph.replay()
        found = [x.clone() for x in captured]
        torch.testing.assert_close(found, list(step()))


@only_cuda
def test_memory_stays_linear(device: str) -> None:
    """N = 32,768: an N x N float32 matrix would be 4,295 MB."""
    z = torch.nn.functional.normalize(torch.randn(32_768, 64, device=device), dim=1).requires_grad_()
    labels = torch.arange(32_768, device=device) // 2
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    torch.autograd.grad(ops.contrastive_loss(z, labels), z)
    assert torch.cuda.max_memory_allocated() - before < 60e6


@only_cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_many_thread_blocks_agree_with_one_row_of_them(device: str, dtype: torch.dtype) -> None:
    """A square batch of 8,200 rows against the same rows as anchors of a rectangular one, part by part."""
    z, labels = (x.to(device) for x in sample(8200, 72, 300, dtype))
    whole = value_and_gradients(ops.contrastive_loss, z, labels, reduction="sum")
    total = torch.zeros_like(whole[0], dtype=torch.float64)
    gradient = torch.zeros_like(z, dtype=torch.float64)
    for first in range(0, 8200, 1640):
        part = slice(first, first + 1640)
        value, own, others = value_and_gradients(
            ops.contrastive_loss, z[part], labels[part], z, contrast_labels=labels, self_offset=first,
            reduction="sum",
        )  # fmt: skip
        total += value
        gradient += others
        gradient[part] += own
    torch.testing.assert_close(total, whole[0].double(), rtol=1e-5, atol=0)
    close = 1e-4 if dtype == torch.float32 else 1e-10 if dtype == torch.float64 else 3e-2
    assert (gradient - whole[1]).norm() <= close * gradient.norm()
