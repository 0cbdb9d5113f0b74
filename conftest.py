"""Which tests a run of pytest collects: `pytest --benchmark-only` the benchmarks, plain `pytest` everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

# tests/benchmarks/test_speed.py, the benchmark cases under pytest-benchmark.
SPEED = "test_speed.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the sizes of the benchmark cases."""
    parser.addoption(
        "--bench-size",
        choices=("small", "default", "full"),
        default="default",
        help="sizes of the benchmark cases",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --benchmark-only, every test but the benchmarks; else the benchmarks."""
    if collection_path.suffix != ".py":
        return None
    only = bool(config.getoption("benchmark_only", default=False))
    return True if (collection_path.name == SPEED) != only else None
