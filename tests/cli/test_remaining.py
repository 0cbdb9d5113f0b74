"""The estimate of the time left, against a clock that the tests set."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from skelbench.cli import terminal
from skelbench.cli.remaining import Remaining, in_words
from skelbench.training.log import EpochLog
from tests.conftest import command_line


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


def train(left, clock, row, stages, last=None):
    """Tell of a training by (stage, seconds before, epochs, seconds an epoch), up to epoch `last` of the last one."""
    left.begin(row)
    go_on(left, clock, stages, last)


def go_on(left, clock, stages, last=None):
    for place, (stage, before, epochs, seconds) in enumerate(stages):
        clock.time += before
        for epoch in range(1, (last if last and place == len(stages) - 1 else epochs) + 1):
            clock.time += seconds
            left.epoch(EpochLog(stage, epoch, epochs, 1.0, 0.1, 10.0))


def test_nothing_is_known_at_first():
    clock = Clock()
    left = Remaining(["a", "b"], clock)
    assert left.seconds() is None
    left.begin("a")
    assert left.seconds() is None
    left.epoch(EpochLog("train", 1, 50, 1.0, 0.1, 10.0))
    assert left.seconds() is None


def test_the_first_training_stands_for_those_to_come():
    clock = Clock()
    left = Remaining(["a", "a", "b"], clock)
    train(left, clock, "a", [("train", 7.0, 50, 2.0)], last=20)
    # 30 epochs, and two trainings of 107 s.
    assert left.seconds() == pytest.approx(60 + 2 * 107)
    clock.time += 1
    assert left.seconds() == pytest.approx(59 + 2 * 107)


def test_rows_are_told_apart_once_they_are_known():
    clock = Clock()
    left = Remaining(["a", "b", "a", "b"], clock)
    train(left, clock, "a", [("train", 0.0, 10, 1.0)])
    left.end()
    train(left, clock, "b", [("train", 0.0, 10, 50.0)], last=5)
    assert left.seconds() == pytest.approx(250 + 10 + 500)
    clock.time += 250
    left.end()
    assert left.seconds() == pytest.approx(10 + 500)
    left.begin("a")
    clock.time += 4
    assert left.seconds() == pytest.approx(6 + 500)
    left.end()
    left.begin("b")
    left.end()
    assert left.seconds() == 0


def test_what_followed_a_stage_before_is_counted():
    clock = Clock()
    left = Remaining(["a", "a"], clock)
    stages = [("embedding", 0.0, 10, 1.0), ("train", 30.0, 20, 2.0)]
    train(left, clock, "a", stages)
    clock.time += 5
    left.end()
    assert left.seconds() == pytest.approx(85)
    train(left, clock, "a", stages[:1], last=6)
    assert left.seconds() == pytest.approx(4 + 75)
    # A row that takes longer this time.
    go_on(left, clock, [("train", 0.0, 20, 4.0)], last=10)
    assert left.seconds() == pytest.approx(10 * 4 + 5)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (600, "10 min"),
        (3 * 3600 + 300, "3 h 5 min"),
        (2 * 86400 + 4 * 3600, "2 d 4 h"),
    ],
)
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


def test_the_line_a_minute_counts_all_trainings(monkeypatch, tmp_path):
    clock = Clock()
    monkeypatch.setattr(terminal.time, "monotonic", clock)
    monkeypatch.setattr(terminal, "Remaining", lambda rows: Remaining(rows, clock))
    shown = terminal.Terminal()
    shown.console = Console(file=io.StringIO(), width=200, highlight=False)
    shown.folder = Path(tmp_path)
    shown.plan(["a", "b", "b"])
    shown.remaining.begin("a")
    for epoch in (1, 2, 3, 4):
        clock.time += 70
        shown.epoch(EpochLog("train", epoch, 10, 0.5, 0.1, 10.0))
    # 6 epochs of 70 s, and two trainings of 700 s.
    assert "epoch 4 of 10, loss 0.500; about 30 min left in all" in shown.console.file.getvalue()


def test_only_the_trainings_of_a_shard_are_planned(capsys, tmp_path, monkeypatch):
    planned = []
    monkeypatch.setattr(terminal.Terminal, "plan", lambda self, rows: planned.append(list(rows)))
    for out, more in (
        (tmp_path / "a", ()),
        (tmp_path / "a", ("--seeds", "0,1,2", "--resume")),
        (tmp_path / "b", ("--seeds", "0,1", "--shard", "2/2")),
    ):
        code, _, error = command_line(capsys, "eval", "xview", "--variants", "majority", "--out", out, *more)
        assert code == 0, error
    assert planned == [["majority"], ["majority", "majority"], ["majority"]]
