"""Builds and runs the torch-free C++ tests under AddressSanitizer and UBSan: `python tests/csrc/run.py`.

Every tests/csrc/<op>_test.cpp is linked with the kernels of all ISA levels. $CXX chooses the compiler.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AVX2 = ["-mavx2", "-mfma", "-mbmi2"]
LEVELS = {"scalar": []}
if platform.machine() in ("x86_64", "AMD64"):
    LEVELS["avx2"] = AVX2
    LEVELS["avx512"] = [
        *AVX2,
        "-mavx512f",
        "-mavx512bw",
        "-mavx512dq",
        "-mavx512vl",
        "-Wno-uninitialized",
        "-Wno-maybe-uninitialized",
    ]
    LEVELS["bf16"] = [*LEVELS["avx512"], "-mavx512bf16", "-mamx-tile", "-mamx-bf16"]
FLAGS = ["-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-I", str(ROOT / "csrc")]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


def main() -> int:
    """Exit status of the first test that fails, else 0."""
    compiler = os.environ.get("CXX", "g++")
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        running = []
        for level, flags in LEVELS.items():
            objects.append(f"{folder}/{level}.o")
            source = ROOT / "csrc" / "isa" / f"{level}.cpp"
            command = [compiler, *FLAGS, *SANITIZERS, *flags, "-c", str(source), "-o", objects[-1]]
            running.append(subprocess.Popen(command))
        if any([process.wait() for process in running]):
            return 1
        for test in sorted((ROOT / "tests" / "csrc").glob("*_test.cpp")):
            program = f"{folder}/{test.stem}"
            command = [compiler, *FLAGS, *SANITIZERS, str(test), *objects, "-o", program, "-pthread"]
            status = subprocess.run(command).returncode or subprocess.run([program]).returncode
            print(f"{test.name}: {'FAILED' if status else 'passed'}", flush=True)
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
