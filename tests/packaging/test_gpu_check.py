"""`make gpu-check` from its first line to its last, where a script plays Python, the CUDA device and the sanitizer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS = {
    "machine": "benchmarks/gpu_machine.py cuda",
    "build": "setup.py egg_info build_ext --inplace",
    "kernels": "-m pytest -q -p no:cacheprovider -m cuda tests/ops",
    "tests": "-m pytest -q -p no:cacheprovider",
    "speed": "-m benchmarks.compare --device cuda --size default",
    "sanitizer": "-m pytest -q -x -p no:cacheprovider -m cuda tests/ops",
}
"""The steps, and how the arguments of Python begin in each."""
PYTHON = """#!/usr/bin/env bash
[ "$1" = -c ] && exit 1  # no xdist
echo "SKELBENCH_CUDA=${SKELBENCH_CUDA-} $*" >>"$CALLS"
case "$*" in
  "$FAILS"*) exit 3 ;;
  "$HANGS"*) exec sleep 60 ;;
esac
"""
# compute-sanitizer OPTIONS... python ARGUMENTS...
SANITIZER = """#!/usr/bin/env bash
while [ "$1" != "$PYTHON" ]; do shift; done
exec "$@"
"""
# timeout --kill-after=10 SECONDS COMMAND...: writes the limit down and keeps a shorter one.
TIMEOUT = """#!/usr/bin/env bash
echo "$2" >>"$LIMITS"
exec {timeout} 1 "${{@:3}}"
"""

pytestmark = pytest.mark.skipif(
    not ((ROOT / "Makefile").exists() and all(map(shutil.which, ("make", "bash", "timeout")))),
    reason="needs the Makefile, make, bash and coreutils",
)


class Check:
    """A run of `make gpu-check`."""

    def __init__(self, folder: Path, fails: str = "nothing", hangs: str = "nothing") -> None:
        tools = {
            "python": PYTHON,
            "compute-sanitizer": SANITIZER,
            "timeout": TIMEOUT.format(timeout=shutil.which("timeout")),
        }
        for name, text in tools.items():
            tool = folder / name
            tool.write_text(text)
            tool.chmod(0o755)
        calls, limits = folder / "calls", folder / "limits"
        environment = os.environ | {
            "PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls), "LIMITS": str(limits),
            "FAILS": STEPS.get(fails, fails), "HANGS": STEPS.get(hangs, hangs),
        }  # fmt: skip
        self.out = folder / "out"
        command = ["make", "gpu-check", f"PYTHON={folder / 'python'}", f"OUT={self.out}"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        self.status, self.output = done.returncode, done.stdout
        self.calls = calls.read_text().splitlines()
        self.limits = [int(limit) for limit in limits.read_text().split()]


def test_every_step_runs_once_and_in_order(tmp_path: Path) -> None:
    check = Check(tmp_path)
    assert check.status == 0, check.output
    assert len(check.calls) == len(STEPS)
    for call, arguments in zip(check.calls, STEPS.values(), strict=True):
        assert call.split(" ", 1)[1].startswith(arguments)
    assert check.calls[1].startswith("SKELBENCH_CUDA=ON ")
    assert (check.out / "summary.txt").read_text().endswith("all steps passed\n")
    assert {path.stem for path in check.out.glob("*.log")} == set(STEPS)


def test_limits_of_the_steps_fit_ten_minutes(tmp_path: Path) -> None:
    limits = Check(tmp_path).limits
    assert len(limits) == len(STEPS)
    assert sum(limits) < 10 * 60


@pytest.mark.parametrize("step", ["build", "kernels", "speed", "sanitizer"])
def test_a_step_that_fails_is_named_and_stops_no_other(tmp_path: Path, step: str) -> None:
    check = Check(tmp_path, fails=step)
    assert check.status != 0
    assert len(check.calls) == len(STEPS)
    assert f"FAILED: {step} (exit 3)" in (check.out / "summary.txt").read_text()


def test_a_step_that_hangs_is_ended_at_its_limit(tmp_path: Path) -> None:
    check = Check(tmp_path, hangs="speed")
    assert check.status != 0
    assert len(check.calls) == len(STEPS)
    assert f"FAILED: speed (over its {check.limits[4]} s)" in (check.out / "summary.txt").read_text()


def test_without_the_device_nothing_else_is_tried(tmp_path: Path) -> None:
    check = Check(tmp_path, fails="machine")
    assert check.status != 0
    assert len(check.calls) == 1
    assert "FAILED: machine (exit 3)" in check.output
