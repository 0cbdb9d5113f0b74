"""Timing on a CUDA device: events around a call, the L2 cache flushed before it, graph replay for short calls."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import torch

# Several times the largest L2 cache.
L2_BYTES = 1 << 28
# Calls before a capture, so that workspaces and caches exist.
WARM_UP = 3


def event_timer() -> Callable[[Callable[[], object]], float]:
    """A timer of one call: seconds between two events on the current stream, after the L2 cache was overwritten."""
    scratch = torch.empty(L2_BYTES, dtype=torch.int8, device="cuda")

    def timer(f: Callable[[], object]) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        scratch.zero_()
        begin.record()
        f()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1e3

    return timer


def replay(f: Callable[[], Any]) -> Callable[[], None] | None:
    """The call as a CUDA graph, without the host's share of the time; None where it cannot be captured."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            f()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    gc.collect()
    try:
        with torch.cuda.graph(graph):
            f()
    except RuntimeError:
        # The call waits for the device somewhere.
        torch.cuda.synchronize()
        return None
    return graph.replay
