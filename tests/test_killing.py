"""A command that is killed at an operation on files goes on to the same result, and leaves nothing behind.

Some operations of small runs, spread over each; `python -m tests.eval.kill --operations` and its like try all of them.
"""

import pytest

from tests.eval import kill as evaluating
from tests.killing import Command, Stop
from tests.prepare import kill as preparing

try:
    from tests.tuning import kill as tuning
except ImportError:
    tuning = None

CASES = {"eval": evaluating, "prepare": preparing} | ({"tune": tuning} if tuning else {})
# By command: the step that is killed, and its operations. Of eval: while the checkpoint, the scores and results.json
# are written; of prepare: while two shares are read, merged, and the dataset is moved to its place; of tune: while
# Optuna holds its lock.
STOPS = {
    "eval": [(0, 4), (0, 14), (0, 40), (0, 70)],
    "prepare": [(0, 9), (1, 6), (3, 20), (3, 53)],
    "tune": [(0, 6), (0, 33), (0, 90)],
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CASES)
def test_goes_on_after_a_kill(name, tmp_path):
    case = CASES[name].case(tmp_path, True)
    whole, _ = case.whole(tmp_path)
    for number, (step, operation) in enumerate(STOPS[name]):
        assert case.killed_at(tmp_path, whole, step, Stop(operation, after=number % 2 == 1)) == []


def test_a_kill_is_before_or_after_its_operation(tmp_path):
    for name, made in (("before", False), ("after", True)):
        (folder := tmp_path / name).mkdir()
        # The first operation makes the folder of the run.
        command = Command(["eval", "--out", str(folder / "out")], folder / "out")
        assert command.killed_at(Stop(1, after=made))
        assert (folder / "out").exists() == made
