"""Measuring: two functions timed in turn in one process, their ratio with an interval; peak memory of a call.

On a shared machine the same code varies twofold between minutes, but a ratio of neighbours in time does not. The two
functions run A B B A repeatedly, and each such group gives one ratio.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ratio:
    """How much longer B takes than A: the median over groups A B B A, with its 95 % bootstrap interval."""

    median: float
    low: float
    high: float
    seconds_a: float
    """Median of one call of A."""
    seconds_b: float
    """Median of one call of B."""
    groups: int

    def __str__(self) -> str:
        """Median and interval."""
        return f"{self.median:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def times(self, factor: float) -> Ratio:
        """The ratio times a constant, for a call of B that does more or less of the work than one of A."""
        return replace(self, median=self.median * factor, low=self.low * factor, high=self.high * factor)


Timer = Callable[[Callable[[], object]], float]


def clock(f: Callable[[], object]) -> float:
    """Seconds of one call by the wall clock."""
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def processor_clock(f: Callable[[], object]) -> float:
    """Seconds of processor time of one call, of all threads, without the time of other processes."""
    start = time.process_time()
    f()
    return time.process_time() - start


def timer_of(device: str) -> Timer:
    """The timer of one call on a device."""
    if device == "cpu":
        return clock
    from benchmarks.gpu import event_timer

    return event_timer()


def seconds_of(f: Callable[[], object], device: str = "cpu", repeats: int = 5) -> float:
    """Shortest of some calls, warmed up."""
    timer = timer_of(device)
    f()
    return min(timer(f) for _ in range(repeats))


def bootstrap_median(
    values: NDArray[np.float64], level: float = 0.95, draws: int = 2000
) -> tuple[float, float]:
    """Percentile bootstrap interval of the median of `values` (n,)."""
    picks = np.random.default_rng(0).integers(len(values), size=(draws, len(values)))
    tail = 50 * (1 - level)
    low, high = np.percentile(np.median(values[picks], axis=1), [tail, 100 - tail])
    return float(low), float(high)


def paired_ratio(
    a: Callable[[], object],
    b: Callable[[], object],
    *,
    seconds: float = 4.0,
    min_groups: int = 5,
    max_groups: int = 200,
    timer: Timer = clock,
) -> Ratio:
    """Time of B over time of A from interleaved groups A B B A, for `seconds`, at least `min_groups`."""
    # Warm caches and allocators.
    a(), b()
    collecting = gc.isenabled()
    gc.disable()
    groups: list[list[float]] = []
    try:
        end = time.perf_counter() + seconds
        while len(groups) < min_groups or (time.perf_counter() < end and len(groups) < max_groups):
            groups.append([timer(a), timer(b), timer(b), timer(a)])
    finally:
        if collecting:
            gc.enable()
    t = np.array(groups)
    ratios = (t[:, 1] + t[:, 2]) / (t[:, 0] + t[:, 3])
    low, high = bootstrap_median(ratios)
    return Ratio(
        float(np.median(ratios)),
        low,
        high,
        float(np.median(t[:, [0, 3]])),
        float(np.median(t[:, [1, 2]])),
        len(t),
    )


def peak_extra_bytes(setup: str, call: str) -> int:
    """Growth of a fresh process's resident memory at its peak during `call`, after `setup` (both Python source).

    Memory that `setup` freed is returned to the system first, and its peak is reset. Linux only.
    """
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(setup=setup, call=call)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(json.loads(done.stdout.splitlines()[-1])) * 1024


PEAK = """
import ctypes, gc
from pathlib import Path
def kib(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
{setup}
gc.collect()
ctypes.CDLL(None).malloc_trim(0)
Path("/proc/self/clear_refs").write_text("5")
before = kib("VmRSS")
{call}
print(kib("VmHWM") - before)
"""
