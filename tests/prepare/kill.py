"""Kill `skelbench prepare`, start it again, and compare the dataset with one that nothing stopped.

    python -m tests.prepare.kill 30            # SIGKILL at 30 random moments
    python -m tests.prepare.kill 30 --seed 1   # at other moments
    python -m tests.prepare.kill --operations  # before and after each operation on files

One job makes a dataset, two shares and their merge make another. pytest does not collect it: tests/test_killing.py
kills at some operations, tests/prepare/test_prepare.py and test_shards.py stop at chosen moments.
"""

from __future__ import annotations

import sys
from pathlib import Path

from skelbench.data.synthetic.raw import write_raw_folder
from skelbench.prepare import pipeline
from tests.killing import Case, Command, main

FILES, FEW = 400, 60


def small_parts() -> None:
    """So that something is kept of a small folder."""
    pipeline.PART = 10


def case(work: Path, small: bool = False) -> Case:
    """One dataset by one job, and the same one in two shares."""
    raw = work / "raw"
    write_raw_folder(raw, clips=FEW if small else FILES, seed=0, mean_frames=20 if small else 60)

    def steps(out: Path) -> list[Command]:
        shared = out.with_name("shared")
        words = [
            (out, ()),
            *((shared, words) for words in (("--shard", "1/2"), ("--shard", "2/2"), ("--merge",))),
        ]
        return [
            Command(["prepare", str(raw), str(to), "--threads", "1", *more], out, small_parts)
            for to, more in words
        ]

    return Case(steps, differences)


def differences(whole: Path, out: Path) -> list[str]:
    """What differs between the two datasets and the one that nothing stopped, and what was left beside them."""
    made = [out, out.with_name("shared")]
    wanted = {path.name: path.read_bytes() for path in whole.iterdir()}
    found = []
    for folder in made:
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        found += [
            f"{folder.name}/{name} differs" for name in wanted | files if wanted.get(name) != files.get(name)
        ]
    return found + [f"{path.name} is left behind" for path in out.parent.iterdir() if path not in made]


if __name__ == "__main__":
    sys.exit(main(__doc__, case))
