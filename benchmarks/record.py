"""Results of `benchmarks.compare`, as kept in JSON: these dataclasses are the schema."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Ratio

SCHEMA = 1


@dataclass(frozen=True)
class PeerResult:
    """A peer: its time over ours for the same work, or why it took no part."""

    name: str
    ratio: Ratio | None = None  #: `seconds_b` is one call of the peer, which may do a share of the work
    reason: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    replayed: bool = False  #: both were captured as CUDA graphs, and the graphs timed


@dataclass(frozen=True)
class Result:
    """A case at one size."""

    id: str
    what: str
    parameters: dict[str, Any]
    seconds: float  #: of our one call, median
    flops: float
    bytes: float
    bound: str  #: the resource that limits the case; "" where it has none
    fraction: Ratio | None  #: of the bound that we reach: the bound's time over ours
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

    command: str
    date: str  #: UTC
    revision: str  #: of the repository, "+" where there were changes; "" outside of one
    device: str  #: "cpu" or "cuda"
    machine: dict[str, str]
    rates: dict[str, float]  #: measured flops per second and bytes per second
    results: list[Result]
    memory: list[Memory] = field(default_factory=list)
    schema: int = SCHEMA


def save(run: Run, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(run), indent=1) + "\n")


def load(path: Path) -> Run:
    """Raises ValueError for a file of another schema."""
    raw = json.loads(path.read_text())
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise ValueError(f"{path}: not a result of benchmarks.compare (schema {SCHEMA})")

    def ratio(value: dict[str, Any] | None) -> Ratio | None:
        return None if value is None else Ratio(**value)

    results = [
        Result(
            **row
            | {
                "fraction": ratio(row["fraction"]),
                "peers": [PeerResult(**peer | {"ratio": ratio(peer["ratio"])}) for peer in row["peers"]],
            }
        )
        for row in raw["results"]
    ]
    return Run(**raw | {"results": results, "memory": [Memory(**row) for row in raw["memory"]]})
