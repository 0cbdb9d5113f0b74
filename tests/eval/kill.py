"""Kill `skelbench eval` at random moments, resume it each time, and compare the bits with a run that nothing stopped.

    python -m tests.eval.kill 15              # SIGKILL 15 times; a few minutes
    python -m tests.eval.kill 15 --seed 1     # at other moments

pytest does not collect it: tests/eval/test_resume.py kills at chosen moments, in seconds.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import skelbench.data
from skelbench.eval import Results
from tests.conftest import make_clips
from tests.killing import Command, asked

VARIANTS = ("conmlp-recon", "conmlp-ce", "wl-bag-gru", "raw-linear", "majority")
OPTIONS = (
    "--epochs 60 --probe-epochs 10 --sequence-epochs 20 --windows 4 --batch-size 16 --threads 1 --device cpu"
)


def command(data: Path, out: Path) -> Command:
    """`skelbench eval`, its log beside the folder."""
    words = ["xview", "--data", str(data), "--variants", ",".join(VARIANTS), *OPTIONS.split()]
    return Command(
        ["-m", "skelbench", "eval", *words, "--out", str(out), "--resume"], out.with_suffix(".log")
    )


def state(out: Path) -> str:
    """What a run has stored so far."""
    stored = out / "results.json"
    done = [score["variant"] for score in json.loads(stored.read_text())["scores"]] if stored.exists() else []
    begun = sorted(path.stem for path in (out / "checkpoints").glob("*.safetensors"))
    return f"finished: {', '.join(done) or 'none'}; begun: {', '.join(begun) or 'none'}"


def differences(whole: Path, killed: Path) -> list[str]:
    """What differs between two finished runs, times and memory apart."""
    found = []
    for folder in ("scores", "weights"):
        files = [
            {path.name: path.read_bytes() for path in (out / folder).iterdir()} for out in (whole, killed)
        ]
        found += [
            f"{folder}/{name}" for name in files[0] | files[1] if files[0].get(name) != files[1].get(name)
        ]
    scores = [Results.load(out / "results.json").scores for out in (whole, killed)]
    if [score.variant for score in scores[0]] != [score.variant for score in scores[1]]:
        return [*found, "results.json: variants"]
    for one, other in zip(*scores, strict=True):
        for name in ("scores_sha256", "top1", "test_curve", "pretraining_curve", "coverage"):
            if getattr(one, name) != getattr(other, name):
                found.append(f"results.json: {name} of {one.variant}")
        if [curve.loss for curve in one.curves] != [curve.loss for curve in other.curves]:
            found.append(f"results.json: losses of {one.variant}")
    left = [path for path in killed.rglob("*") if path.name == "checkpoints" or path.suffix == ".partial"]
    return found + [f"left behind: {path.relative_to(killed)}" for path in left]


def main() -> int:
    """Run the command; 1 where bits differ."""
    wanted, moments = asked(__doc__, 15)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = work / "tiny"
        skelbench.data.save(make_clips(clips=96), data)
        seconds = command(data, work / "whole").finish()
        print(f"a run that nothing stopped: {seconds:.1f} s")
        wrong: list[str] = []
        kills = runs = 0
        while kills < wanted:
            out = work / f"killed{runs}"
            run = command(data, out)
            kills += run.kill(wanted - kills, moments, seconds, lambda out=out: state(out))
            run.finish()
            wrong += [f"{out.name}: {what}" for what in differences(work / "whole", out)]
            runs += 1
            # The machine may have less to do than when the first run was timed.
            seconds *= 0.7
    print("\n".join(wrong) or f"the same bits after {kills} kills in {runs} runs")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
