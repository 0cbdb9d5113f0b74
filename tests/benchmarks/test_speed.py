"""The benchmark cases under pytest-benchmark: `pytest --benchmark-only [-k NAME] [--bench-size small|default|full]`.

A group is a case at one size; in it stand ours and its peers. Their times are blocks one after the other, so on a busy
machine trust `python -m benchmarks.compare`, which times them in turn.
"""

from __future__ import annotations

from functools import lru_cache

import pytest

from benchmarks import bounds, cases
from benchmarks.cases import Instance, Problem, Unavailable

# Bounds the run: a contender is called for about this long, at least three times.
SECONDS, ROUNDS = 1.0, 3


@lru_cache(maxsize=1)
def problem_of(place: int, size: str) -> Problem:
    """The inputs of the instance at `place`, kept while its contenders are timed."""
    problem = cases.instances(size)[place].problem()
    problem.ours.check()
    return problem


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    found = cases.instances(metafunc.config.getoption("bench_size"))
    contenders = [(place, i, peer) for place, i in enumerate(found) for peer in ("ours", *i.case.peers)]
    ids = [f"{instance.id}-{peer}" for _, instance, peer in contenders]
    metafunc.parametrize(("place", "instance", "peer"), contenders, ids=ids)


@pytest.mark.benchmark(max_time=SECONDS, min_rounds=ROUNDS, disable_gc=True, warmup=False)
def test_speed(benchmark, pytestconfig, place: int, instance: Instance, peer: str) -> None:
    problem = problem_of(place, pytestconfig.getoption("bench_size"))
    try:
        contender = instance.contender(peer, problem)
    except Unavailable as reason:
        pytest.skip(str(reason))
    if peer != "ours":
        contender.check()
    contender.run()
    benchmark.group = instance.id
    benchmark.name = peer
    benchmark(contender.run)
    # Per the whole case: a slow peer does a share of it.
    seconds = benchmark.stats.stats.median / contender.share
    limit = bounds.bound_of(problem, instance.device)
    benchmark.extra_info.update(
        share=contender.share,
        gflops=problem.flops / seconds / 1e9,
        gbytes_per_s=problem.bytes / seconds / 1e9,
        bound=limit.rate.name if limit else None,
        time_over_bound=seconds / limit.seconds if limit else None,
    )
