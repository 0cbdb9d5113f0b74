"""Tables and pictures of results: `python -m benchmarks.report [--device cpu|cuda] [FILE...]` prints the tables.

Without files: the newest result of each machine in benchmarks/results/.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Ratio
from benchmarks.record import PeerResult, Result, Run, load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEPT = Path(__file__).resolve().parent / "results"


def duration(seconds: float) -> str:
    """Three digits with a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def interval(ratio: Ratio) -> str:
    """Median and interval, with fewer digits for larger ratios."""
    digits = 2 if ratio.median < 10 else 1 if ratio.median < 100 else 0
    return f"{ratio.median:.{digits}f} [{ratio.low:.{digits}f}, {ratio.high:.{digits}f}]"


def _peer(peer: PeerResult) -> str:
    if peer.ratio is None:
        return f"{peer.name}: {peer.reason}"
    return f"{peer.name} {interval(peer.ratio)}"


def line(row: Result) -> str:
    """What one case gave, in short: time, share of the bound, peers."""
    bound = [f"{row.fraction.median:.0%} of {row.bound}"] if row.fraction else []
    return ", ".join([duration(row.seconds), *bound, *map(_peer, row.peers)])


def _rate(result: Result) -> str:
    if result.items:
        return f"{result.items / result.seconds:.3g} {result.unit}/s"
    if result.bound == "copy":
        return f"{result.bytes / result.seconds / 1e9:.3g} GB/s"
    return f"{result.flops / result.seconds / 1e9:.3g} GFLOP/s"


def markdown(run: Run) -> str:
    """The table of a run with its command, machine and date."""
    machine = f"{run.machine['device']}, {run.machine['threads']} threads, torch {run.machine['torch']}"
    rates = ", ".join(
        f"{name} {rate / 1e9:.3g} {'GB/s' if name == 'copy' else 'GFLOP/s'}"
        for name, rate in run.rates.items()
    )
    lines = [f"`{run.command}`, {run.date[:10]}, revision {run.revision or 'unknown'}: {machine}."]
    if run.results:
        versions = {
            k: v
            for row in run.results
            for peer in row.peers
            for k, v in peer.versions.items()
            if k != "torch"
        }
        lines.append(
            "Peers: " + ", ".join(f"{k} {v}" for k, v in sorted(versions.items())) + f". Bounds: {rates}."
        )
        lines += [
            "",
            "| case | ours | rate | of the bound | peer's time / ours [95 %] |",
            "| --- | --- | --- | --- | --- |",
        ]
    for row in run.results:
        bound = f"{row.fraction.median:.0%} of {row.bound}" if row.fraction else "-"
        peers = "; ".join(map(_peer, row.peers)) or "-"
        lines.append(f"| {row.id} | {duration(row.seconds)} | {_rate(row)} | {bound} | {peers} |")
    if run.memory:
        lines += ["", "| case | contender | peak extra memory, MB |", "| --- | --- | --- |"]
        lines += [f"| {row.id} | {row.contender} | {row.bytes / 1e6:.0f} |" for row in run.memory]
    return "\n".join(lines)


def draw(run: Run, path: Path) -> Path:
    """Speed-up over each peer by N, and each case's time against its bound; returns the file written."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    height = max(4.5, 0.3 * len(run.results) + 1.5)
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, height), layout="constrained")
    by_n = [row for row in run.results if "n" in row.parameters]
    if by_n:
        _speed_up_by_n(left, by_n)
    else:
        _speed_up(left, run.results)
    _against_bound(right, [row for row in run.results if row.fraction])
    figure.suptitle(
        f"{run.machine['device']}, {run.machine['threads']} threads, {run.date[:10]}", fontsize=10
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path


def _speed_up_by_n(axes: Axes, rows: list[Result]) -> None:
    lines: dict[str, list[tuple[int, Ratio]]] = {}
    for row in rows:
        kind = "-".join(str(value) for key, value in row.parameters.items() if key != "n")
        for peer in row.peers:
            if peer.ratio:
                lines.setdefault(f"{kind}: {peer.name}", []).append((row.parameters["n"], peer.ratio))
    for name, points in lines.items():
        points.sort(key=lambda point: point[0])
        n, ratios = [p[0] for p in points], [p[1] for p in points]
        low, high = [r.median - r.low for r in ratios], [r.high - r.median for r in ratios]
        axes.errorbar(n, [r.median for r in ratios], yerr=[low, high], marker="o", capsize=3, label=name)
    axes.set(
        xscale="log", yscale="log", xlabel="N (rows)", ylabel="peer's time / ours", title="Speed-up by N"
    )
    ticks = sorted({row.parameters["n"] for row in rows})
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.minorticks_off()
    _plain_ticks(axes, "y", [r for points in lines.values() for _, r in points])
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)


def _speed_up(axes: Axes, rows: list[Result]) -> None:
    bars = [(f"{row.id}: {peer.name}", peer.ratio) for row in rows for peer in row.peers if peer.ratio]
    axes.barh([name for name, _ in bars], [ratio.median for _, ratio in bars])
    axes.set(xscale="log", xlabel="peer's time / ours", title="Speed-up")
    axes.tick_params(axis="y", labelsize=7)
    axes.invert_yaxis()


def _against_bound(axes: Axes, rows: list[Result]) -> None:
    times = [1 / row.fraction.median for row in rows if row.fraction]
    axes.barh([row.id for row in rows], times, color="tab:gray")
    for place, (row, value) in enumerate(zip(rows, times, strict=True)):
        axes.text(value, place, f" {value:.1f} x {row.bound}", va="center", fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel="our time / bound", title="Time against the bound (1 = the bound)")
    axes.set_xlim(min([1, *times]) * 0.8, max([2, *times]) * 12)
    axes.tick_params(axis="y", labelsize=8)
    axes.invert_yaxis()


def _plain_ticks(axes: Axes, which: str, ratios: list[Ratio]) -> None:
    """1, 2, 5, 10, ... instead of powers of ten."""
    high = max((ratio.high for ratio in ratios), default=1)
    low = min((ratio.low for ratio in ratios), default=1)
    ticks = [m * 10.0**e for e in range(-2, 6) for m in (1, 2, 5) if low * 0.5 <= m * 10.0**e <= high * 2]
    (axes.set_yticks if which == "y" else axes.set_xticks)(ticks, [f"{tick:g}" for tick in ticks])


def kept(device: str) -> list[Run]:
    """The newest result of each machine in benchmarks/results/."""
    newest: dict[str, Run] = {}
    for path in sorted(KEPT.glob(f"*-{device}-speed.json")):
        run = load(path)
        newest[run.machine["device"]] = run
    return list(newest.values())


def main() -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("files", nargs="*", type=Path)
    chosen = parser.parse_args()
    runs = [load(path) for path in chosen.files] or kept(chosen.device)
    if not runs:
        print(f"No results on {chosen.device} are kept in benchmarks/results/ yet.")
    for run in runs:
        print(markdown(run) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
