"""Builds and runs the torch-free C++ tests under AddressSanitizer and UBSan: `python tests/csrc/run.py`.

Every tests/csrc/<op>_test.cpp is linked with the op's kernels of all ISA levels. $CXX chooses the compiler.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
COMPILER = os.environ.get("CXX", "g++")
FLAGS = ["-std=c++20", "-g", "-Wall", "-Wextra", "-I", str(CSRC)]
SANITIZERS = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


def levels() -> dict[str, list[str]]:
    """The compiler flags of each ISA level, as in CMakeLists.txt: its own and those of the plainer levels."""
    flags: list[str] = []
    found = {}
    for level in json.loads((CSRC / "isa" / "levels.json").read_text()):
        flags = [*flags, *level["flags"].split()]
        found[level["name"]] = [*flags, f"-DSKELBENCH_ISA={level['name']}"]
        if platform.machine() not in ("x86_64", "AMD64"):
            break
    return found


def compiled(folder: Path, op: str, extra: list[str]) -> dict[str, Path]:
    """csrc/<op>/cpu.cpp compiled for every level, in parallel: the object files. Raises RuntimeError if one fails."""
    objects = {level: folder / f"{op}-{level}.o" for level in levels()}
    running = [
        subprocess.Popen(
            [COMPILER, *FLAGS, *extra, *flags, "-c", CSRC / op / "cpu.cpp", "-o", objects[level]]
        )
        for level, flags in levels().items()
    ]
    if any([process.wait() for process in running]):
        raise RuntimeError(f"csrc/{op}/cpu.cpp does not compile")
    return objects


def main() -> int:
    """Exit status of the first test that fails, else 0."""
    with tempfile.TemporaryDirectory() as name:
        for test in sorted(Path(__file__).parent.glob("*_test.cpp")):
            kernels = compiled(Path(name), test.stem.removesuffix("_test"), SANITIZERS)
            program = Path(name, test.stem)
            sources = [test, CSRC / "isa" / "dispatch.cpp", *kernels.values()]
            subprocess.run([COMPILER, *FLAGS, *SANITIZERS, *sources, "-o", program, "-pthread"], check=True)
            status = subprocess.run([program]).returncode
            print(f"{test.name}: {'FAILED' if status else 'passed'}", flush=True)
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
