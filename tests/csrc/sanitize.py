"""Runs tests of the ops under AddressSanitizer and UBSan: `python -m tests.csrc.sanitize [TEST...]`.

By default those that call every public op with drawn and with wrong arguments and hold it against its reference. The
library is built into build/sanitized; the tests run in a pytest that loads it in the place of the package's own, with
the sanitizers' runtime loaded first. The first report ends the run with its stack.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "sanitized"
LIBRARY = BUILD / "lib" / "skelbench" / "libskelbench.so"
FLAGS = "-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
TESTS = [
    f"tests/ops/{name}"
    for name in (
        "test_arguments.py", "test_augment.py", "test_bag.py", "test_contrastive.py", "test_positives.py",
        "test_pv_dbow.py", "test_ragged.py", "test_wl.py",
    )
]  # fmt: skip


def build() -> None:
    """Build the library; raises CalledProcessError where that fails."""
    place = ["--build-temp", str(BUILD), "--build-lib", str(BUILD / "lib")]
    flags = {"CXXFLAGS": FLAGS, "CMAKE_BUILD_TYPE": "None", "SKELBENCH_CUDA": "OFF"}
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", *place],
        cwd=ROOT,
        env=os.environ | flags,
        check=True,
    )


def test(names: list[str]) -> int:
    """Exit status of pytest on these tests."""
    compiler = os.environ.get("CXX", "g++")
    # Python is not built with them: their runtime has to be there first, and the C++ library that it watches.
    runtime = [
        subprocess.check_output([compiler, f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    options = {
        "LD_PRELOAD": " ".join(runtime),
        # Python keeps memory to its end. A size that no allocation has is a test's.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_abort=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--capture=sys", "-p", "tests.csrc.sanitize"]
    # A report goes past Python, to the process's own output: it is not captured.
    # What torch compiles is not the library's, and memory is another with them.
    command += names or [*TESTS, "-k", "not compil and not opcheck and not memory"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | options).returncode


def pytest_configure() -> None:
    """As a plugin, before skelbench is imported: the sanitized library is loaded in the place of the package's."""
    import torch

    load = torch.ops.load_library
    torch.ops.load_library = lambda path: load(LIBRARY if Path(path).name == LIBRARY.name else path)
    from skelbench import ops

    assert ops.built


if __name__ == "__main__":
    build()
    sys.exit(test(sys.argv[1:]))
