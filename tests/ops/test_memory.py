"""Every op, called 10,000 times with its gradient, keeps the memory it had after its first calls."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from skelbench import ops
from tests.conftest import one_thread
from tests.memory import needs_statm, resident
from tests.ops.test_arguments import CALLS, name_of

pytestmark = needs_statm

CALLED = 10_000
# What is allocated once, buffers of threads and the allocator's own store, is there after these.
FIRST = 2_000
# The modules of skelbench.losses and RaggedClips call these, or no op at all.
OPS = [
    op
    for op in CALLS
    if getattr(op, "__module__", "").startswith(("skelbench.ops.", "tests.")) and op is not ops.RaggedClips
]
# 64 bytes a call, less than any tensor takes.
ALLOWED = 64 * (CALLED - FIRST)


def once(op: Callable[..., Any], call: dict[str, Any]) -> Callable[[], object]:
    """A function that calls `op` on `call`, and its gradient in every float tensor where it has one."""
    call = {
        name: value.detach().clone().requires_grad_()
        if isinstance(value, Tensor) and value.is_floating_point()
        else value
        for name, value in call.items()
    }
    inputs = [value for value in call.values() if isinstance(value, Tensor) and value.requires_grad]
    try:
        result = op(**call)
    except (RuntimeError, ValueError) as error:
        assert "grad" in str(error)  # noqa: PT017 -- an op in place, or one without a derivative
        result = None
    if not (isinstance(result, Tensor) and result.requires_grad):
        call = {name: value.detach() if isinstance(value, Tensor) else value for name, value in call.items()}
        return lambda: op(**call)
    return lambda: torch.autograd.grad(op(**call).sum(), inputs, allow_unused=True)


def growth(work: Callable[[], object]) -> int:
    """Bytes of resident memory that the calls of `work` after the first ones add."""
    for _ in range(FIRST):
        work()
    before = used()
    for _ in range(CALLED - FIRST):
        work()
    return used() - before


def used() -> int:
    """Bytes of resident memory, without what earlier tests freed: a leak would grow into that unseen."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    return resident()


_one_thread = pytest.fixture(one_thread, autouse=True, scope="module")


@pytest.mark.parametrize("op", OPS, ids=name_of)
def test_memory_is_flat(op):
    grown = growth(once(op, CALLS[op]))
    assert grown <= ALLOWED, f"{grown:,} bytes more after {CALLED:,} calls"


def test_a_leak_of_one_small_tensor_a_call_is_seen():
    kept = []
    assert growth(lambda: kept.append(torch.zeros(1))) > ALLOWED
