"""Kill `skelbench tune` at random moments, start it again, and look whether the study lost anything.

    python -m tests.tuning.kill 15             # SIGKILL 15 times; some minutes
    python -m tests.tuning.kill 15 --seed 1    # at other moments

A trial that was finished stays as it was; the study ends with as many as were wanted, its best among them, and nothing
else in its folder. pytest does not collect it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

import skelbench.data
from tests.conftest import make_clips
from tests.killing import Command, asked

TRIALS = 12
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def trials(out: Path) -> dict[int, tuple[object, object]]:
    """The finished trials of a study: what was tried, and what came of it."""
    if not (out / "study.log").exists():
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(out / "study.log")))
    if not storage.get_all_studies():
        return {}
    study = optuna.load_study(study_name="skelbench", storage=storage)
    found = study.get_trials(deepcopy=False, states=_DONE)
    return {trial.number: (trial.params, trial.value) for trial in found}


class Seen:
    """The finished trials of a study, looked at from time to time."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.trials: dict[int, tuple[object, object]] = {}
        self.lost: list[str] = []

    def look(self) -> str:
        """Look what there is now; in words."""
        now = trials(self.out)
        gone = [number for number in self.trials if now.get(number) != self.trials[number]]
        self.lost += [f"{self.out.name}: trial {number} was lost" for number in gone]
        self.trials |= now
        return f"finished trials: {len(now)}"


def main() -> int:
    """Run the command; 1 where something was lost."""
    wanted, moments = asked(__doc__, 15)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = work / "tiny"
        skelbench.data.save(make_clips(), data)

        def tune(out: Path) -> Command:
            words = (
                f"conmlp-supcon xview --data {data} --trials {TRIALS} --epochs 10 --batch-size 8 --out {out}"
            )
            words += " --threads 1 --device cpu"
            return Command(["-m", "skelbench", "tune", *words.split()], out.with_suffix(".log"))

        seconds = tune(work / "whole").finish()
        print(f"a study that nothing stopped: {seconds:.1f} s")
        kills = studies = 0
        while kills < wanted:
            out = work / f"study{studies}"
            seen = Seen(out)
            some = min(moments.randint(2, 6), wanted - kills)
            kills += tune(out).kill(some, moments, seconds, seen.look)
            tune(out).finish()
            seen.look()
            wrong += seen.lost
            best = json.loads((out / "best.json").read_text())
            values = [value for _, value in seen.trials.values() if value is not None]
            if len(seen.trials) != TRIALS:
                wrong.append(f"{out.name}: {len(seen.trials)} finished trials, not {TRIALS}")
            if best["validation_top1"] != max(values):
                wrong.append(f"{out.name}: its best is {best['validation_top1']}, not {max(values)}")
            files = {path.name for path in out.iterdir()}
            wrong += [
                f"{out.name}: left behind: {name}" for name in files - {"study.log", "best.json", "tune.html"}
            ]
            studies += 1
    print("\n".join(wrong) or f"nothing lost after {kills} kills in {studies} studies")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
