"""`make gpu-check` says at its start what the machine lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu_machine.py"


@pytest.mark.skipif(not SCRIPT.exists(), reason="the benchmarks are not here")
def test_a_pydantic_of_another_python_is_named_with_what_mends_it(tmp_path):
    """`make gpu-packages` for Python 3.12 leaves a core that no other Python loads."""
    (tmp_path / "pydantic.py").write_text("import pydantic_core._pydantic_core\n")
    (tmp_path / "pydantic_core").mkdir()
    (tmp_path / "pydantic_core" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "cpu"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    version = ".".join(map(str, sys.version_info[:2]))
    assert f"make gpu-packages GPU_PYTHON={version}" in done.stdout
