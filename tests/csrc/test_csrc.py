"""Runs the torch-free C++ tests with their sanitizers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler")
def test_kernels_pass_under_address_and_undefined_behaviour_sanitizers():
    script = Path(__file__).with_name("run.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
