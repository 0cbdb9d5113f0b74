"""Speed against peers and bounds: `skelbench bench [-k NAME] [--size small|default|full] [--memory]`.

The same as `python -m benchmarks.compare`. Each case is checked, then timed in turn with each of its peers (A B B A in
one process, garbage collection off). The result is the median of the ratios with a bootstrap interval. Prints the
README's table; writes JSON and a picture.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks import bounds, cases, report
from benchmarks.cases import Instance, Unavailable
from benchmarks.measure import Ratio, paired_ratio, peak_extra_bytes, seconds_of, timer_of
from benchmarks.record import Memory, PeerResult, Result, Run, save
from skelbench import ops

ROOT = Path(__file__).resolve().parents[1]
# Calls shorter than this many seconds on a GPU are replayed as graphs, without the host's share.
SHORT = 1e-3
MEMORY_SETUP = """
from benchmarks import cases
instance = cases.find({family!r}, {id!r}, {device!r})
run = instance.contender({peer!r}, instance.problem()).run
run()
del run
run = instance.contender({peer!r}, instance.problem()).run
"""


def pair(
    ours: Callable[[], Any], other: Callable[[], Any], instance: Instance, seconds: float
) -> tuple[Ratio, bool]:
    """The ratio of two calls, and whether both were timed as CUDA graphs."""
    replayed = False
    if instance.device == "cuda" and seconds_of(ours, "cuda", 3) < SHORT:
        from benchmarks.gpu import replay

        our_graph, other_graph = replay(ours), replay(other)
        if our_graph is not None and other_graph is not None:
            ours, other, replayed = our_graph, other_graph, True
    return paired_ratio(ours, other, seconds=seconds, timer=timer_of(instance.device)), replayed


def compare(instance: Instance, seconds: float) -> Result:
    """Check and time one case with all its peers; a peer that cannot take part is kept with the reason.

    Raises:
        AssertionError: a result is wrong. Nothing that does other work is timed.
    """
    problem = instance.problem()
    problem.ours.check()
    peers: list[PeerResult] = []
    times = []
    for name in instance.case.peers:
        try:
            peer = instance.contender(name, problem)
        except Unavailable as reason:
            peers.append(PeerResult(name, reason=str(reason)))
            continue
        peer.check()
        ratio, replayed = pair(problem.ours.run, peer.run, instance, seconds)
        versions = {package: version(package) for package in peer.packages}
        peers.append(PeerResult(name, ratio.times(1 / peer.share), "", versions, replayed))
        times.append(ratio.seconds_a)
        del peer
        gc.collect()
    limit = bounds.bound_of(problem, instance.device)
    fraction = None
    if limit is not None:
        ratio, _ = pair(problem.ours.run, limit.rate.run, instance, seconds / 2)
        fraction = ratio.times(limit.calls)
        times.append(ratio.seconds_a)
    if problem.flops:
        peers.append(product_peer(problem, instance, seconds / 2))
    return Result(
        instance.id, instance.case.what, instance.parameters, sorted(times)[len(times) // 2], problem.flops,
        problem.bytes, "" if limit is None else limit.rate.name, fraction, problem.items, problem.unit, peers,
    )  # fmt: skip


def product_peer(problem: cases.Problem, instance: Instance, seconds: float) -> PeerResult:
    """As many flops by `torch.mm`, of the size at which it is fastest."""
    rate = bounds.product_rate(instance.device, problem.dtype)
    ratio, replayed = pair(problem.ours.run, rate.run, instance, seconds)
    factor = problem.flops / rate.amount
    return PeerResult("torch.mm of the same flops", ratio.times(factor), "", {}, replayed)


def memory(instance: Instance) -> list[Memory]:
    """Peak extra memory of one call of each contender, each in a process of its own."""
    found = []
    problem = instance.problem()
    for peer in ("ours", *instance.case.peers):
        try:
            instance.contender(peer, problem)
        except Unavailable:
            continue
        named = {"family": instance.family, "id": instance.id, "device": instance.device, "peer": peer}
        found.append(Memory(instance.id, peer, peak_extra_bytes(MEMORY_SETUP.format(**named), "run()")))
    return found


def machine(device: str) -> dict[str, str]:
    """Device, threads and versions of the measurement."""
    if device == "cuda":
        name = torch.cuda.get_device_name()
    else:
        listed = Path("/proc/cpuinfo")
        lines = listed.read_text().splitlines() if listed.exists() else []
        named = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        name = named[0] if named else platform.processor() or platform.machine()
    return {
        "device": name,
        "threads": str(torch.get_num_threads()),
        "extension": " ".join(ops.isa_levels()) if ops.built else "not built",
        "level": str(torch.ops.skelbench.isa_use("")) if ops.built else "",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def revision() -> str:
    """The commit of the figures, "+" where files differ from it, "" outside a repository."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-k", default="", metavar="NAME[,NAME]", help="only cases whose name contains one of these"
    )
    parser.add_argument("--size", choices=cases.SIZES, default="default")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="for each ratio; at least 5 groups A B B A"
    )
    parser.add_argument("--memory", action="store_true", help="measure peak memory instead of time")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "results" / "speed", help="folder of JSON and picture"
    )
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run the command; returns 1 where no case was chosen or a result was wrong, else 0."""
    chosen = parse(arguments)
    wanted = cases.instances(chosen.size, chosen.device, chosen.k)
    if not wanted:
        print(
            f"no case contains '{chosen.k}' at size {chosen.size} on {chosen.device}; --list shows them",
            file=sys.stderr,
        )
        return 1
    if chosen.list:
        print("\n".join(f"{instance.id:42} {instance.case.what}" for instance in wanted))
        return 0
    now = datetime.now(UTC)
    kind = "memory" if chosen.memory else "speed"
    path = chosen.out / f"{now:%Y%m%d-%H%M%S}-{chosen.device}-{kind}.json"
    results: list[Result] = []
    used: list[Memory] = []
    wrong: list[str] = []
    run = Run(
        " ".join(["python -m benchmarks.compare", *arguments]), f"{now:%Y-%m-%dT%H:%M:%SZ}", revision(), chosen.device,
        machine(chosen.device), {}, results, used,
    )  # fmt: skip
    for number, instance in enumerate(wanted, 1):
        print(f"[{number}/{len(wanted)}] {instance.id}", end="", file=sys.stderr, flush=True)
        try:
            if chosen.memory:
                used += memory(instance)
                found = ", ".join(
                    f"{row.contender} {row.bytes / 1e6:.0f} MB" for row in used if row.id == instance.id
                )
            else:
                results.append(compare(instance, chosen.seconds))
                found = report.line(results[-1])
        except AssertionError as error:
            wrong.append(f"{instance.id}: {error}")
            found = f"WRONG: {error}"
        print(f": {found}", file=sys.stderr, flush=True)
        run.rates.update(bounds.measured())
        # After every case, so that a run cut short keeps its results.
        save(run, path)
    print(report.markdown(run))
    written = [path]
    if results:
        written.append(report.draw(run, path.with_suffix(".png")))
    print("\nwritten: " + ", ".join(map(os.path.relpath, written)), file=sys.stderr)
    for line in wrong:
        print(f"WRONG, not timed: {line}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
