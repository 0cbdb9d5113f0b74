"""Kill `skelbench eval`, resume it each time, and compare the bits with a run that nothing stopped.

    python -m tests.eval.kill 30              # SIGKILL at 30 random moments
    python -m tests.eval.kill 30 --seed 1     # at other moments
    python -m tests.eval.kill --operations    # before and after each operation on files

pytest does not collect it: tests/test_killing.py kills at some operations, tests/eval/test_resume.py at chosen epochs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

import skelbench.data
from skelbench.eval import Results, measure
from tests.conftest import make_clips
from tests.killing import Case, Command, main

VARIANTS = ("conmlp-recon", "graph2vec-gru", "tcn-ntxent", "majority")
SMALL = ("conmlp-supcon",)
OPTIONS = (
    "--epochs 6 --probe-epochs 2 --sequence-epochs 4 --windows 4 --embedding op --batch-size 16 --stream-epochs 3 "
    "--evaluate knn --representations --threads 1 --device cpu --resume"
)


def quick() -> None:
    """Without what takes most of a small run's time and writes nothing: charts, and the repetitions of a timing."""
    Figure.savefig = lambda self, file, **_: file.write("<svg></svg>")
    Figure.draw_without_rendering = lambda self: None
    measure.LATENCY_RUNS = measure.THROUGHPUT_RUNS = 1


def case(work: Path, small: bool = False) -> Case:
    """A run of a row of each kind, on a few clips; a small one has one row, with all kinds of files."""
    data = work / "tiny"
    skelbench.data.save(make_clips(), data)

    def steps(out: Path) -> list[Command]:
        words = [
            "xview",
            "--data",
            str(data),
            "--variants",
            ",".join(SMALL if small else VARIANTS),
            *OPTIONS.split(),
        ]
        return [Command(["eval", *words, "--out", str(out)], out, quick if small else None)]

    return Case(steps, differences)


def differences(whole: Path, killed: Path) -> list[str]:
    """What differs between two finished runs, times and memory apart."""
    files = [
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        for out in (whole, killed)
    ]
    found = [
        f"{name} is {'missing' if name in files[0] else 'left behind'}" for name in files[0].keys() ^ files[1]
    ]
    bits = ("scores", "weights", "representations", "evaluations")
    found += [
        f"{name} differs"
        for name in files[0].keys() & files[1]
        if name.parts[0] in bits and files[0][name] != files[1][name]
    ]
    one, other = (Results.load(out / "results.json") for out in (whole, killed))
    if [score.variant for score in one.scores] != [score.variant for score in other.scores]:
        return [*found, "results.json: variants"]
    for before, now in zip(one.scores, other.scores, strict=True):
        for name in ("scores_sha256", "top1", "test_curve", "pretraining_curve", "coverage"):
            if getattr(before, name) != getattr(now, name):
                found.append(f"results.json: {name} of {before.variant}")
        if [curve.loss for curve in before.curves] != [curve.loss for curve in now.curves]:
            found.append(f"results.json: losses of {before.variant}")
    if [(item.variant, item.top1) for item in one.evaluations] != [
        (item.variant, item.top1) for item in other.evaluations
    ]:
        found.append("results.json: evaluations")
    return found


if __name__ == "__main__":
    sys.exit(main(__doc__, case))
