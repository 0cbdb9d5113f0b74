"""Bounds on a case's time: this machine's best measured rates of matrix products and of copies.

A bound is itself a call, so that it is timed in turn with the case that it bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from benchmarks.cases.case import Problem
from benchmarks.measure import seconds_of

# Bytes read, and as many written: far more than the last cache holds.
COPY_BYTES = 1 << 28
SIDES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
REPEATS = 5
_USED: dict[str, float] = {}


@dataclass(frozen=True)
class Rate:
    """The best of some ways to use one resource: `amount` flops or bytes per call."""

    name: str
    run: Callable[[], Any]
    amount: float
    seconds: float

    @property
    def per_second(self) -> float:
        """Flops or bytes per second."""
        return self.amount / self.seconds


@dataclass(frozen=True)
class Bound:
    """The shortest time a problem could take: `calls` times the time of `rate.run`."""

    rate: Rate
    calls: float

    @property
    def seconds(self) -> float:
        """The bound itself, in seconds."""
        return self.calls * self.rate.seconds


def _best(candidates: list[Rate]) -> Rate:
    return max(candidates, key=lambda rate: rate.per_second)


@cache
def product_rate(device: str, dtype: str) -> Rate:
    """torch.mm at the side that is fastest, 2 side^3 flops a call."""
    rates = []
    for side in SIDES[device]:
        x = torch.randn(side, side, device=device).to(getattr(torch, dtype))
        run = lambda x=x: torch.mm(x, x)  # noqa: E731
        rates.append(Rate(f"{dtype} product", run, 2.0 * side**3, seconds_of(run, device, REPEATS)))
    return _best(rates)


@cache
def copy_rate(device: str) -> Rate:
    """A copy between two large arrays; its amount counts the bytes read and the bytes written."""
    source = torch.ones(COPY_BYTES // 4, device=device)
    target = torch.empty_like(source).copy_(source)
    run = lambda: target.copy_(source)  # noqa: E731
    return Rate("copy", run, 2.0 * COPY_BYTES, seconds_of(run, device, REPEATS))


def bound_of(problem: Problem, device: str) -> Bound | None:
    """The resource that limits the problem more, or None where the problem names neither flops nor bytes."""
    bounds = []
    if problem.flops:
        rate = product_rate(device, problem.dtype)
        bounds.append(Bound(rate, problem.flops / rate.amount))
    if problem.bytes:
        rate = copy_rate(device)
        bounds.append(Bound(rate, problem.bytes / rate.amount))
    for bound in bounds:
        _USED[bound.rate.name] = bound.rate.per_second
    return max(bounds, key=lambda bound: bound.seconds, default=None)


def measured() -> dict[str, float]:
    """The rates that bounds used in this process, flops or bytes per second by name."""
    return dict(_USED)
