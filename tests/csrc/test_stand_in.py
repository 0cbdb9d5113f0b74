"""The stand-in for the CUDA runtime finds the faults that it is there for, and runs the same kernels without them."""

from __future__ import annotations

import ctypes

import pytest
import torch

from tests.csrc.conftest import COMPILER, HERE, ORDERS, Host, built

FAULTS = {
    "beyond_global": (700, "a write outside"),
    "before_global": (700, "a read outside"),
    "beyond_dynamic": (700, "a write outside"),
    "beyond_static": (700, "a write outside"),
    "barrier": (719, "a barrier that others never reach"),
    "half_a_warp": (719, "a lane that has left"),
    "left_lane": (719, "a lane that has left"),
    "askew": (716, "no multiple of 32 bytes"),
    "race": (0, "the order of the threads"),
    "first_block": (0, "the order of the blocks"),
    "no_blocks": (9, "no block"),
    "unasked_shared": (9, "more shared memory than cudaFuncSetAttribute allowed"),
    "many_threads": (9, "more than there can be"),
    "askew_vector": (716, "not aligned as its type"),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if COMPILER is None:
        pytest.skip("needs g++")
    folder = tmp_path_factory.mktemp("faults")
    sources = {"faults_cuda.cpp": (HERE / "faults.cu").read_text()}
    return built(folder, sources, folder / "faults_cuda.cpp")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(faulty: ctypes.CDLL, name: str) -> None:
    status, message = FAULTS[name]
    for wrong in (0, 1):
        found = []
        for order in ORDERS.values():
            run = Host(faulty, order)
            x, y = torch.arange(63.0, 126.0), torch.full((64,), -1.0)
            if name == "beyond_global":
                y = y[: 64 - wrong]
            result = run("faulty", list(FAULTS).index(name), x, y, len(y), wrong)
            found.append(y)
            assert result == status * wrong, run.fault()
            if result:
                assert message in run.fault()
        if wrong == 0:
            ends = {"beyond_global": [1.0, 1.0], "before_global": [63.0, -1.0]}.get(name, [63.0, 0.0])
            assert all(y[[0, -1]].tolist() == ends for y in found)
        elif status == 0:
            assert len({tuple(y.tolist()) for y in found}) > 1
