"""Kill `skelbench tune`, start it again, and compare the study with one that nothing stopped.

    python -m tests.tuning.kill 30             # SIGKILL at 30 random moments
    python -m tests.tuning.kill 30 --seed 1    # at other moments
    python -m tests.tuning.kill --operations   # before and after each operation on files

A trial that was finished stays as it was, and the study ends with the same trials. pytest does not collect it:
tests/test_killing.py kills at some operations.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

import skelbench.data
from tests.conftest import make_clips
from tests.killing import Case, Command, main

TRIALS, FEW = 12, 3
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def trials(out: Path) -> list[tuple[object, object, object]]:
    """The finished trials of a study: what was tried, and what came of it."""
    if not (out / "study.log").exists():
        return []
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(out / "study.log")))
    if not storage.get_all_studies():
        return []
    study = optuna.load_study(study_name="skelbench", storage=storage)
    found = study.get_trials(deepcopy=False, states=_DONE)
    return [(trial.state.name, trial.params, trial.value) for trial in found]


def case(work: Path, small: bool = False) -> Case:
    """A study of a contrastive loss on a few clips."""
    data = work / "tiny"
    skelbench.data.save(make_clips(), data)
    seen: dict[Path, list[tuple[object, object, object]]] = {}

    def steps(out: Path) -> list[Command]:
        words = f"conmlp-supcon xview --data {data} --trials {FEW if small else TRIALS} "
        words += "--epochs 5 --batch-size 16 --probe-epochs 2"
        return [
            Command(["tune", *words.split(), "--threads", "1", "--device", "cpu", "--out", str(out)], out)
        ]

    def look(out: Path) -> list[str]:
        """The finished trials that are no more."""
        before, now = seen.get(out, []), trials(out)
        seen[out] = now
        return [f"trial {number} was lost" for number, trial in enumerate(before) if trial not in now]

    return Case(steps, differences, look)


def differences(whole: Path, out: Path) -> list[str]:
    """What differs between two studies, and what was left in the folder of the second."""
    found = [
        f"{name} is left behind"
        for name in {path.name for path in out.iterdir()} - {p.name for p in whole.iterdir()}
    ]
    for number, (one, other) in enumerate(zip(trials(whole), trials(out), strict=False)):
        if one != other:
            found.append(f"trial {number} is {other}, not {one}")
    if len(trials(whole)) != len(trials(out)):
        found.append(f"there are {len(trials(out))} finished trials, not {len(trials(whole))}")
    best = [json.loads((folder / "best.json").read_text()) for folder in (whole, out)]
    found += [
        f"best.json: {name} differs"
        for name in ("params", "validation_top1")
        if best[0][name] != best[1][name]
    ]
    return found


if __name__ == "__main__":
    sys.exit(main(__doc__, case))
