"""Count instructions and compare with what is recorded: `python -m benchmarks.instructions [--record]`.

Builds benchmarks/instructions/driver.cpp with the release flags (csrc only, no torch) and runs each kernel once under
callgrind. benchmarks/instructions/counts.json holds the counts of this commit by this compiler: where one has grown by
more than TOLERANCE the command fails; `--record` writes the new counts, to be committed with the change that made them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CSRC = HERE.parents[1] / "csrc"
COUNTS = HERE / "counts.json"
KERNELS = (
    "contrastive_forward", "contrastive_backward", "contrastive_both", "ragged_project", "ragged_outer",
    "augment_views", "wl_subtrees",
)  # fmt: skip
TOLERANCE = 0.02
LEVEL = "avx2"
# As CMakeLists.txt compiles csrc/<op>/cpu.cpp. -g only names the function that is counted.
FLAGS = ["-std=c++20", "-O3", "-g", f"-DSKELBENCH_ISA={LEVEL}", "-I", str(CSRC)]


def compiler() -> str:
    """$CXX or g++. Raises FileNotFoundError with what is missing."""
    for tool in (found := os.environ.get("CXX", "g++"), "valgrind"):
        if shutil.which(tool) is None:
            raise FileNotFoundError(f"{tool} is not here: instructions are not counted")
    return found


def level_flags() -> list[str]:
    """Compiler flags of LEVEL: its own and those of the plainer levels."""
    flags = []
    for level in json.loads((CSRC / "isa" / "levels.json").read_text()):
        flags += level["flags"].split()
        if level["name"] == LEVEL:
            return flags
    raise ValueError(f"csrc/isa/levels.json has no level {LEVEL}")


def count(folder: Path) -> dict[str, int]:
    """Instructions of each kernel."""
    program = folder / "driver"
    sources = [HERE / "driver.cpp", CSRC / "isa" / "scratch.cpp", *sorted(CSRC.glob("*/cpu.cpp"))]
    command = [compiler(), *FLAGS, *level_flags(), *map(str, sources), "-o", str(program)]
    subprocess.run(command, check=True)
    counts = {}
    for kernel in KERNELS:
        out = folder / kernel
        command = [
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={out}",
            "--toggle-collect=*measured<*",
        ]
        done = subprocess.run([*command, str(program), kernel], capture_output=True, text=True)
        found = re.search(
            r"^(?:summary|totals): (\d+)", out.read_text() if out.exists() else "", re.MULTILINE
        )
        if done.returncode or not found or not int(found[1]):
            raise RuntimeError(f"callgrind counted nothing in {kernel}: {done.stderr.strip()[-500:]}")
        counts[kernel] = int(found[1])
    return counts


def main() -> int:
    """Exit status: 1 where a count has grown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="write the counts of this commit")
    record = parser.parse_args().record
    try:
        name = compiler()
    except FileNotFoundError as missing:
        print(missing)
        return 0
    built_by = subprocess.run(
        [name, "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]
    with tempfile.TemporaryDirectory() as folder:
        counts = count(Path(folder))
    if record:
        COUNTS.write_text(json.dumps({"compiler": built_by, "instructions": counts}, indent=1) + "\n")
    recorded: dict[str, Any] = {"compiler": "", "instructions": {}}
    if COUNTS.exists():
        recorded = json.loads(COUNTS.read_text())
    comparable = recorded["compiler"] == built_by
    grown = []
    for kernel, value in counts.items():
        before = recorded["instructions"].get(kernel)
        change = "" if before is None else f"  {value / before - 1:+.3%} of what is recorded"
        print(f"{kernel:22} {value:>14,} instructions{change}")
        if comparable and before is not None and value > before * (1 + TOLERANCE):
            grown.append(kernel)
    if not comparable:
        print(
            f"recorded with another compiler ({recorded['compiler'] or 'none'}; this is {built_by}): not judged"
        )
    if grown:
        print(
            f"more instructions than recorded: {', '.join(grown)}; if that is meant, run with --record and commit"
        )
    return int(bool(grown))


if __name__ == "__main__":
    sys.exit(main())
