"""Kill `skelbench prepare` at random moments, start it again, and compare the dataset with one that nothing stopped.

    python -m tests.prepare.kill 30            # SIGKILL 30 times; some minutes
    python -m tests.prepare.kill 30 --seed 1   # at other moments

Each dataset is killed a few times and then finished; half of them are made in shares, whose merge is killed, too.
pytest does not collect it: tests/prepare/test_prepare.py and test_shards.py stop at chosen moments.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from skelbench.data.synthetic.raw import write_raw_folder
from tests.killing import Command, asked

# Parts of 20 files, so that something is kept of a small folder.
_COMMAND = (
    "from skelbench.prepare import pipeline, shards; pipeline.PART = 20; print('begun', flush=True); "
    "from skelbench.cli.main import main; import sys; sys.exit(main())"
)
FILES = 400


def prepare(raw: Path, out: Path, *more: str) -> Command:
    """`skelbench prepare`, in small parts."""
    words = ["-c", _COMMAND, "prepare", str(raw), str(out), "--threads", "1", *more]
    return Command(words, out.parent.with_suffix(".log"))


def state(out: Path) -> str:
    """What lies beside the dataset."""
    lines = [len(path.read_bytes().splitlines()) - 1 for path in out.parent.glob(".*.work/parts.jsonl")]
    return f"whole parts: {', '.join(map(str, lines)) or 'none'}; dataset: {'yes' if out.exists() else 'no'}"


def differences(whole: Path, out: Path) -> list[str]:
    """What differs between two datasets, and what was left beside one."""
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (whole, out)]
    found = [name for name in files[0] | files[1] if files[0].get(name) != files[1].get(name)]
    return found + [f"left behind: {path.name}" for path in out.parent.iterdir() if path != out]


def main() -> int:
    """Run the command; 1 where something differs."""
    wanted, moments = asked(__doc__, 30)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        raw, whole = work / "raw", work / "whole" / "out"
        write_raw_folder(raw, clips=FILES, seed=0, mean_frames=60)
        whole.parent.mkdir()
        seconds = prepare(raw, whole).finish()
        print(f"a run that nothing stopped: {seconds:.1f} s")
        kills = sets = 0
        while kills < wanted:
            out = work / f"set{sets}" / "out"
            out.parent.mkdir()
            steps = [()] if sets % 2 == 0 else [("--shard", "1/2"), ("--shard", "2/2"), ("--merge",)]
            for step in steps:
                command = prepare(raw, out, *step)
                some = min(moments.randint(1, 3), wanted - kills)
                kills += command.kill(some, moments, seconds, lambda out=out: state(out))
                command.finish()
            wrong += [f"set {sets}: {what}" for what in differences(whole, out)]
            sets += 1
    print("\n".join(wrong) or f"the same bytes after {kills} kills in {sets} datasets")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
