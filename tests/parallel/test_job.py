"""torchrun and the command line: one report for all processes, the clips of each batch divided, errors that end all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import skelbench.data
from skelbench.eval import Results
from tests.conftest import command_line, make_clips

ROOT = Path(__file__).parents[2]
ROWS = """
import torch.distributed as dist
from skelbench.training.controls import majority
from skelbench.training.log import TrainingError
from skelbench.variants import Variant

def fails_everywhere(task, variant):
    raise TrainingError("not for these clips")

def fails_on_one(task, variant):
    if task.ranks.rank == 1:
        raise TrainingError("the disk of rank 1 is gone")
    task.ranks.summed(task.train)
    raise AssertionError("another process went on without rank 1")

EVERYWHERE = Variant("everywhere", "fails everywhere", "control", fails_everywhere)
ONE = Variant("one", "fails on one", "control", fails_on_one)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny"
    skelbench.data.save(make_clips(), path)
    return path


def torchrun(words, folder):
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            "2",
            "-m",
            "skelbench.eval",
            *words,
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_two_processes_leave_the_run_of_one(data, tmp_path, capsys):
    words = f"xview --data {data} --variants conmlp-ce,majority --epochs 3 --probe-epochs 2 --batch-size 16 --lr 0.05"
    words = [*words.split(), "--threads", "1", "--device", "cpu"]
    done = torchrun([*words, "--out", "several"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Everything else: several") == 1
    assert command_line(capsys, "eval", *words, "--out", tmp_path / "one")[0] == 0
    several, one = (Results.load(tmp_path / name / "results.json") for name in ("several", "one"))
    assert (several.info.processes, one.info.processes) == (2, 1)
    assert "1 thread in each of 2 processes" in (tmp_path / "several" / "report.md").read_text()
    assert any("batch normalisation" in caveat for caveat in several.info.caveats)
    assert [score.top1 for score in several.scores] == [score.top1 for score in one.scores]
    assert [score.knn1 for score in several.scores] == [score.knn1 for score in one.scores]
    files = [
        sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
        for folder in (tmp_path / "several", tmp_path / "one")
    ]
    assert files[0] == files[1]
    # The run of two goes on as one; a finished variant is kept.
    code, _, said = command_line(
        capsys, "eval", *words, "--out", tmp_path / "several", "--resume", "--seeds", "0,1"
    )
    assert code == 0, said
    assert len(Results.load(tmp_path / "several" / "results.json").scores) == 4


def test_an_error_of_one_process_ends_all_with_its_message(data, tmp_path):
    (tmp_path / "rows.py").write_text(ROWS)
    words = f"xview --data {data} --variants rows:EVERYWHERE,majority,rows:ONE --out run --device cpu"
    done = torchrun(words.split(), tmp_path)
    assert done.returncode != 0
    assert "error (rank 1): rank 1 of 2: the disk of rank 1 is gone" in done.stderr
    assert "went on without rank 1" not in done.stderr
    # What failed everywhere is a failure of its row; the row after it was scored.
    stored = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [failure["reason"] for failure in stored["failures"]] == ["not for these clips"]
    assert [score["variant"] for score in stored["scores"]] == ["majority"]


def test_other_commands_and_single_devices_are_refused_under_torchrun(data, capsys, monkeypatch):
    for name, value in (
        ("TORCHELASTIC_RUN_ID", "none"),
        ("RANK", "1"),
        ("WORLD_SIZE", "2"),
        ("LOCAL_WORLD_SIZE", "2"),
    ):
        monkeypatch.setenv(name, value)
    code, _, said = command_line(capsys, "compare", "a", "b")
    assert (code, said) == (
        2,
        "error (rank 1): skelbench compare is not divided among processes: start it without torchrun\n",
    )
    code, _, said = command_line(capsys, "eval", "--data", data, "--device", "cuda:1")
    assert code == 2
    assert "under torchrun each process takes a device of its own; name cuda" in said
