"""Builds and runs the torch-free C++ tests: `python tests/csrc/run.py` under AddressSanitizer and UBSan.

Every tests/csrc/<op>_test.cpp is linked with the op's kernels of all ISA levels. $CXX chooses the compiler.
`python tests/csrc/run.py aarch64` compiles for 64-bit ARM with Debian's cross compiler (g++-aarch64-linux-gnu) and runs
the tests under qemu-user (qemu-user-static), without the sanitizers.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
COMPILER = os.environ.get("CXX", "g++")
FLAGS = ["-std=c++20", "-g", "-Wall", "-Wextra", "-I", str(CSRC), "-I", str(CSRC.parent / "tests" / "csrc")]
SANITIZERS = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


class Target(NamedTuple):
    """A machine: its name in levels.json, the compiler for it, further flags, and what runs its programs here."""

    machine: str
    compiler: str
    flags: list[str]
    runner: list[str]


HERE = Target(
    platform.machine().replace("AMD64", "x86_64").replace("arm64", "aarch64"), COMPILER, SANITIZERS, []
)
ARM = Target("aarch64", "aarch64-linux-gnu-g++", ["-O2", "-static"], ["qemu-aarch64-static"])


def levels(machine: str = HERE.machine) -> dict[str, list[str]]:
    """The compiler flags of each ISA level, as in CMakeLists.txt: its own and those of the plainer levels."""
    flags: list[str] = []
    found = {}
    for level in json.loads((CSRC / "isa" / "levels.json").read_text()):
        if level.get("machine", machine) != machine:
            continue
        flags = [*flags, *level["flags"].split()]
        found[level["name"]] = [*flags, f"-DSKELBENCH_ISA={level['name']}"]
    return found


def compiled(folder: Path, op: str, extra: list[str], target: Target = HERE) -> dict[str, Path]:
    """csrc/<op>/cpu.cpp compiled for every level, in parallel: the object files. Raises RuntimeError if one fails."""
    objects = {level: folder / f"{op}-{level}.o" for level in levels(target.machine)}
    running = [
        subprocess.Popen(
            [target.compiler, *FLAGS, *extra, *flags, "-c", CSRC / op / "cpu.cpp", "-o", objects[level]]
        )
        for level, flags in levels(target.machine).items()
    ]
    if any([process.wait() for process in running]):
        raise RuntimeError(f"csrc/{op}/cpu.cpp does not compile")
    return objects


def main(target: Target) -> int:
    """Exit status of the first test that fails, else 0."""
    with tempfile.TemporaryDirectory() as name:
        for test in sorted(Path(__file__).parent.glob("*_test.cpp")):
            kernels = compiled(Path(name), test.stem.removesuffix("_test"), target.flags, target)
            program = Path(name, test.stem)
            sources = [test, CSRC / "isa" / "dispatch.cpp", CSRC / "isa" / "scratch.cpp", *kernels.values()]
            command = [target.compiler, *FLAGS, *target.flags, *sources, "-o", program, "-pthread"]
            subprocess.run(command, check=True)
            status = subprocess.run([*target.runner, program]).returncode
            print(f"{test.name} on {target.machine}: {'FAILED' if status else 'passed'}", flush=True)
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main(ARM if sys.argv[1:] == ["aarch64"] else HERE))
