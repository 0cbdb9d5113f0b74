"""Kill `skelbench eval` at random moments, resume it each time, and compare the bits with a run that nothing stopped.

    python -m tests.eval.kill 15              # SIGKILL 15 times; a few minutes
    python -m tests.eval.kill 15 --seed 1     # at other moments

pytest does not collect it: tests/eval/test_resume.py kills at chosen moments, in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import skelbench.data
from skelbench.eval import Results
from tests.conftest import make_clips

ROOT = Path(__file__).resolve().parents[2]
VARIANTS = ("conmlp-recon", "conmlp-ce", "wl-bag-gru", "raw-linear", "majority")
OPTIONS = (
    "--epochs 60 --probe-epochs 10 --sequence-epochs 20 --windows 4 --batch-size 16 --threads 1 --device cpu"
)
# Longer than the whole run takes on a busy machine.
LIMIT = 1200


def start(data: Path, out: Path) -> subprocess.Popen[bytes]:
    """`skelbench eval` in a process of its own, what it prints added to a log beside the folder."""
    words = ["xview", "--data", str(data), "--variants", ",".join(VARIANTS), *OPTIONS.split()]
    with out.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "skelbench", "eval", *words, "--out", str(out), "--resume"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )


def await_work(process: subprocess.Popen[bytes], out: Path, printed: int) -> None:
    """Wait until a run that was started says more than the `printed` bytes of its log: Python and torch are loaded."""
    log = out.with_suffix(".log")
    deadline = time.monotonic() + LIMIT
    while process.poll() is None and log.stat().st_size <= printed:
        if time.monotonic() > deadline:
            process.kill()
            sys.exit(f"the run said nothing for {LIMIT} s")
        time.sleep(0.01)


def finish(data: Path, out: Path) -> float:
    """Let the run go on to its end; the seconds that it worked."""
    log = out.with_suffix(".log")
    printed = log.stat().st_size if log.exists() else 0
    process = start(data, out)
    await_work(process, out, printed)
    began = time.monotonic()
    code = process.wait(LIMIT)
    if code != 0:
        sys.exit(f"the run ended with {code}:\n{log.read_text(errors='replace')[-4000:]}")
    return time.monotonic() - began


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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kills", type=int, nargs="?", default=15, help="how often to kill (default 15)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = work / "tiny"
        skelbench.data.save(make_clips(clips=96), data)
        seconds = finish(data, work / "whole")
        print(f"a run that nothing stopped: {seconds:.1f} s")

        runs = [work / "killed0"]
        kills = 0
        while kills < options.kills:
            log = runs[-1].with_suffix(".log")
            printed = log.stat().st_size if log.exists() else 0
            process = start(data, runs[-1])
            # One in five at any moment of its start, where little is written; the others while it works.
            starting = moments.random() < 0.2
            moment = moments.uniform(0, 5 if starting else seconds)
            if not starting:
                await_work(process, runs[-1], printed)
            try:
                code = process.wait(moment)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
                since = "of its start" if starting else "of work"
                print(f"kill {kills} after {moment:.1f} s {since}; {state(runs[-1])}", flush=True)
                continue
            if code != 0:
                sys.exit(
                    f"a resumed run ended with {code}:\n" + runs[-1].with_suffix(".log").read_text()[-4000:]
                )
            runs.append(work / f"killed{len(runs)}")
            # The machine may have less to do than when the first run was timed.
            seconds *= 0.7

        wrong = []
        for out in runs:
            finish(data, out)
            wrong += [f"{out.name}: {what}" for what in differences(work / "whole", out)]
    print("\n".join(wrong) or f"the same bits after {kills} kills in {len(runs)} runs")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
