"""Results of `benchmarks.compare`, as kept in JSON: these dataclasses are the schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from benchmarks.measure import Ratio

SCHEMA: Literal[1] = 1


@dataclass(frozen=True)
class PeerResult:
    """A peer: its time over ours for the same work, or why it took no part."""

    name: str
    ratio: Ratio | None = None
    """`seconds_b` is one call of the peer, which may do a share of the work."""
    reason: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    replayed: bool = False
    """Whether both were captured as CUDA graphs, and the graphs timed."""


@dataclass(frozen=True)
class Result:
    """A case at one size."""

    id: str
    what: str
    parameters: dict[str, Any]
    seconds: float
    """Median of one call of ours."""
    flops: float
    bytes: float
    bound: str
    """The resource that limits the case; "" where none does."""
    fraction: Ratio | None
    """Share of the bound that we reach: the bound's time over ours."""
    items: int
    unit: str
    peers: list[PeerResult]


@dataclass(frozen=True)
class Memory:
    """Growth of a fresh process's peak memory during one call."""

    id: str
    contender: str
    bytes: int


@dataclass(frozen=True)
class Run:
    """All that one command measured."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    command: str
    date: str
    """UTC."""
    revision: str
    """Commit of the repository, "+" where files differ from it; "" outside a repository."""
    device: str
    """The kind of device: "cpu" or "cuda"."""
    machine: dict[str, str]
    rates: dict[str, float]
    """Measured flops per second and bytes per second."""
    results: list[Result]
    memory: list[Memory] = field(default_factory=list)
    schema: Literal[1] = SCHEMA


_RUN = TypeAdapter(Run)


def save(run: Run, path: Path) -> None:
    """Write a run as JSON; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_RUN.dump_json(run, indent=1) + b"\n")


def load(path: Path) -> Run:
    """Read a run.

    Raises:
        ValueError: the file (named) is not JSON, or not of this schema.
    """
    try:
        return _RUN.validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path}: not a result of benchmarks.compare (schema {SCHEMA}): {error}") from error
