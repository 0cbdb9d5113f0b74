"""Benchmark cases: work that is checked, then timed at given sizes, with its peers and its bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

SIZES = ("small", "default", "full")


class Unavailable(Exception):
    """A peer cannot take part at this size or on this machine; the message says why."""


@dataclass(frozen=True)
class Contender:
    """One way to do a case's work, with inputs ready: the call that is timed, and its check."""

    run: Callable[[], Any]
    check: Callable[[], None]
    """Raises AssertionError unless the result is that of the case."""
    share: float = 1.0
    """Share of the case's work that one call of `run` does; slow peers do a part."""
    packages: tuple[str, ...] = ()
    """Distributions whose versions are printed."""


@dataclass(frozen=True)
class Problem:
    """A case at one size: its inputs, our contender, and the parts of its bound."""

    inputs: Any
    ours: Contender
    flops: float
    """Flops of the best algorithm we know; 0 where they are not the limit."""
    bytes: float
    """Bytes read and written once; 0 where they are not the limit."""
    dtype: str = "float32"
    """dtype of the matrix products that bound the case."""
    items: int = 0
    """How many of `unit` one call does, for the rate in the table."""
    unit: str = ""


@dataclass(frozen=True)
class Case:
    """A case: `make(device, **parameters)` prepares it, each peer makes a contender from its inputs.

    A peer that is not installed raises ImportError, one that cannot do the size raises `Unavailable`.
    """

    name: str
    what: str
    make: Callable[..., Problem]
    small: tuple[dict[str, Any], ...]
    """Sizes of the check in CI; about a second each."""
    default: tuple[dict[str, Any], ...] = ()
    """Sizes of the README's table."""
    more: tuple[dict[str, Any], ...] = ()
    """Further sizes of "full"."""
    peers: Mapping[str, Callable[[Any], Contender]] = field(default_factory=dict)
    devices: tuple[str, ...] = ("cpu",)

    def parameters(self, size: str) -> tuple[dict[str, Any], ...]:
        """The parameters of a size; "full" has those of "default" too."""
        if size not in SIZES:
            raise ValueError(f"size is '{size}': choose from {', '.join(SIZES)}")
        return {"small": self.small, "default": self.default, "full": self.default + self.more}[size]


@dataclass(frozen=True)
class Instance:
    """A case with parameters, on a device."""

    family: str
    case: Case
    parameters: dict[str, Any]
    device: str = "cpu"

    @property
    def id(self) -> str:
        """Name and parameters, as `-k` sees them: "supcon-n1024-float32"."""
        parts = [
            f"{key}{value}" if not isinstance(value, str) else value for key, value in self.parameters.items()
        ]
        return "-".join([self.case.name, *parts])

    def problem(self) -> Problem:
        """The inputs, made anew."""
        return self.case.make(self.device, **self.parameters)

    def contender(self, peer: str, problem: Problem) -> Contender:
        """Our contender or a peer's.

        Raises:
            Unavailable: the peer takes no part; the message is the reason.
        """
        if peer == "ours":
            return problem.ours
        try:
            return self.case.peers[peer](problem.inputs)
        except ImportError as error:
            raise Unavailable(f"{(error.name or str(error)).split('.')[0]} is not installed") from error


def expect_close(actual: Any, expected: Any, tolerance: float, what: str) -> None:
    """Raise AssertionError unless the relative error in the L2 norm is at most `tolerance`. Tensors."""
    actual, expected = actual.double(), expected.double()
    if actual.shape != expected.shape:
        raise AssertionError(f"{what}: shape {tuple(actual.shape)}, expected {tuple(expected.shape)}")
    error = float((actual - expected).norm() / expected.norm().clamp_min(1e-30))
    if not error <= tolerance:
        raise AssertionError(f"{what}: relative error {error:.2e}, expected at most {tolerance:.0e}")


def expect(condition: bool, what: str) -> None:
    """Raise AssertionError with `what` (asserts vanish under -O; the checks of a benchmark may not)."""
    if not condition:
        raise AssertionError(what)
