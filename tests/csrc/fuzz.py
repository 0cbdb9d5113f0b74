"""Fuzzes the .skeleton parser under AddressSanitizer and UBSan for a while: `python tests/csrc/fuzz.py [SECONDS]`.

With libFuzzer where a clang has it ($CLANG, else clang++), otherwise with the mutations of csrc/skeleton_file/fuzz.cpp,
the same in every run, through $CXX. The seeds are skeleton_corpus/; what a run finds is not added to it. An input that
fails is kept in build/, where it is named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEEDS = Path(__file__).with_name("skeleton_corpus")
FAILED = ROOT / "build" / "fuzz-failed-"
FLAGS = ["-std=c++20", "-O1", "-g", "-fno-sanitize-recover=all", "-I", str(ROOT / "csrc")]
SOURCE = str(ROOT / "csrc" / "skeleton_file" / "fuzz.cpp")


def build(program: str) -> bool:
    """Builds the driver; whether it is libFuzzer's. Raises CalledProcessError where neither compiler can."""
    clang = shutil.which(os.environ.get("CLANG", "clang++"))
    if clang is not None:
        flags = [*FLAGS, "-DSKELBENCH_LIBFUZZER", "-fsanitize=fuzzer,address,undefined"]
        if subprocess.run([clang, *flags, SOURCE, "-o", program], stderr=subprocess.DEVNULL).returncode == 0:
            return True
    compiler = os.environ.get("CXX", "g++")
    subprocess.run([compiler, *FLAGS, "-fsanitize=address,undefined", SOURCE, "-o", program], check=True)
    return False


def main(seconds: int) -> int:
    """Exit status of the driver: 0 where every input was read or refused."""
    FAILED.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/fuzz"
        if build(program):
            corpus = shutil.copytree(SEEDS, Path(folder, "corpus"))
            limits = [f"-max_total_time={seconds}", "-max_len=16384", "-seed=1", "-print_final_stats=1"]
            command = [program, *limits, f"-artifact_prefix={FAILED}", str(corpus)]
        else:
            command = [program, str(seconds), f"{FAILED}input", *map(str, sorted(SEEDS.iterdir()))]
        print(f"fuzzing the .skeleton parser for {seconds} s", flush=True)
        status = subprocess.run(command, env=os.environ | {"ASAN_OPTIONS": "handle_abort=1"}).returncode
    if status:
        print(f"FAILED: the input lies in {FAILED}*", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
