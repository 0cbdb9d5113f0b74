"""Bounds on a case's time: the machine's fastest arithmetic, in registers, and its fastest copy.

A bound is itself a call, so that it is timed in turn with the case that it bounds, at the same number of threads. The
arithmetic is that of the ISA level in force (`csrc/peak`). No program is faster, so no case is above 100 %; `torch.mm`
is a peer like others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch

from benchmarks.cases.case import Problem
from benchmarks.measure import seconds_of
from skelbench import ops

# Rounds of the chains of multiply-adds in registers: for the choice of the fastest arithmetic, and the fewest and most
# of a bound. A bound takes about as long as its case at best, so that what else runs disturbs both alike.
ROUNDS, FEWEST_ROUNDS, MOST_ROUNDS = 300_000, 10_000, 10_000_000
# AMX multiplies a float32 as three bfloat16 numbers, by six of their products (`csrc/isa/amx.h`).
PRODUCTS_PER_FLOAT = 6
# Bytes read, and as many written: far more than the last cache holds.
COPY_BYTES = 1 << 28
SIDES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
REPEATS = 5
_USED: dict[str, float] = {}


@dataclass(frozen=True)
class Rate:
    """The best of some ways to use one resource: `amount` flops or bytes per call."""

    name: str
    run: Callable[..., Any]
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


def peak_rate(device: str, dtype: str, flops: float) -> Rate:
    """The fastest arithmetic on `dtype`; on CUDA, and without the extension, that of the fastest `torch.mm`.

    Args:
        device: "cpu" or "cuda".
        dtype: of the factors.
        flops: those of the case; a call does about as many where that is possible.
    """
    if device != "cpu" or not ops.built:
        return product_rate(device, dtype)
    rate = _register_rate(dtype, torch.ops.skelbench.isa_use(""), torch.get_num_threads())
    rounds = min(max(int(ROUNDS * flops / rate.amount), FEWEST_ROUNDS), MOST_ROUNDS)
    run = partial(rate.run, rounds)
    return Rate(rate.name, run, rate.amount * rounds / ROUNDS, rate.seconds * rounds / ROUNDS)


@cache
def _register_rate(dtype: str, level: str, threads: int) -> Rate:
    """Multiply-adds in registers, at a level and with as many threads as torch uses."""
    found = [_chains(f"{level} {dtype} FMA", dtype, 1)]
    if dtype == "float32" and level == "amx":
        found.append(_chains("amx float32 tiles", "bfloat16", PRODUCTS_PER_FLOAT))
    if dtype != "float32":
        # Where the level has no products of half precision, its kernels compute in float32.
        found.append(_chains(f"{level} float32 FMA", "float32", 1))
    return _best([rate for rate in found if rate.amount])


def _chains(name: str, dtype: str, products: int) -> Rate:
    """`products` products of `dtype` count as one."""

    def run(rounds: int = ROUNDS) -> float:
        return float(torch.ops.skelbench.peak(dtype, rounds)) / products

    return Rate(name, run, run(), seconds_of(run, "cpu", REPEATS))


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
        rate = peak_rate(device, problem.dtype, problem.flops)
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
