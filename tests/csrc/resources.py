"""What the CUDA kernels take of a GPU, without one: `python -m tests.csrc.resources`, where nvcc and g++ are.

Registers, spills and shared memory are those that ptxas reports for compute capability 8.0 and 9.0, launches those that
the launchers make at the sizes below. For each kernel it prints how many of its thread blocks an SM holds, and how
often 132 SMs and one SM are filled. The exit status is 1 where a kernel spills or does not fit.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.csrc.conftest import CSRC, ORDERS, Host, Launch, every_launcher
from tests.csrc.test_contrastive_on_host import Problem, Subtrees
from tests.csrc.test_cuda_on_host import (
    PVDBOW,
    Bags,
    Batch,
    Clips,
    Resampled,
    Skeleton,
    Three,
    Two,
    Views,
    Weight,
)


class Limits(NamedTuple):
    """Of an SM and of a thread block (CUDA C++ Programming Guide, table "Technical Specifications")."""

    registers: int
    shared: int
    block_shared: int
    threads: int
    blocks: int


LIMITS = {
    80: Limits(65_536, 164 * 1024, 163 * 1024, 2048, 32),
    90: Limits(65_536, 228 * 1024, 227 * 1024, 2048, 32),
}
# What a block of the driver takes of an SM's shared memory besides its own.
RESERVED = 1024
SMS = (132, 1)


class Kernel(NamedTuple):
    """A kernel as ptxas compiled it: the name with its template arguments, and what a thread block of it takes."""

    name: str
    arch: int
    registers: int
    shared: int
    spilled: int

    @property
    def base(self) -> str:
        """The name alone."""
        return self.name.partition("<")[0]


def compiled(source: Path, folder: Path) -> Iterator[Kernel]:
    """The kernels of a CUDA source, for each architecture."""
    for arch in LIMITS:
        command = ["nvcc", "-std=c++17", "-O3", "-cubin", f"-arch=sm_{arch}", "-Xptxas", "-v", f"-I{CSRC}"]
        done = subprocess.run(
            [*command, str(source), "-o", str(folder / "kernels.cubin")],
            capture_output=True,
            text=True,
            check=True,
        )
        text = subprocess.run(
            ["c++filt"], input=done.stderr, capture_output=True, text=True, check=True
        ).stdout
        for entry in text.split("Compiling entry function '")[1:]:
            name = entry.partition("' for")[0].split("(anonymous namespace)::", 1)[1].partition("(")[0]
            spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", entry)
            registers = re.search(r"Used (\d+) registers", entry)
            shared = re.search(r"(\d+) bytes smem", entry)
            assert spills
            assert registers
            yield Kernel(
                name,
                arch,
                int(registers[1]),
                int(shared[1]) if shared else 0,
                int(spills[1]) + int(spills[2]),
            )


# The template argument of the contrastive kernels, by the number of its arithmetic.
ARITHMETICS = ("Matrix<__nv_bfloat16", "Matrix<float", "Plain<float>", "Plain<double>")
NTU = {"length": 300, "max_bodies": 2, "columns": 75}


def launches(run: Host) -> Iterator[tuple[str, Launch]]:
    """(template argument or "", launch) of each op at the sizes that it is made for."""
    for number, argument in enumerate(ARITHMETICS):
        for n in (1024, 65_536):
            problem = Problem(
                arithmetic=number, n=n, m=n, d=128, square=True, has_self=True, temperature=0.1, k2=1.0
            )
            for launcher, outputs in (("contrastive_forward", 3), ("contrastive_backward", 3)):
                given = [1 << 12] * (outputs + (launcher == "contrastive_backward"))
                pointers = [*given, None] if launcher == "contrastive_backward" else given
                for launch in run.launches(launcher, problem, 1 << 12, *pointers):
                    yield argument, launch
    trees = Subtrees(graphs=37_646, nodes=25, iterations=2)
    clips = Clips(count=1024, **NTU)
    weight = Weight(units=512, feature_stride=1, unit_stride=45_000)
    rows = 1024 * 130
    batch = Batch(count=512, columns=75)
    documents = PVDBOW(documents=37_646, vocabulary=100_000, dimensions=128, negative=5, block=16)
    people = Skeleton(joints=25)
    views = Resampled(count=512, sampled=32, places=2, channels=20, skeleton=people)
    bags = Bags(bags=1024, tokens=300, entries=100_000, dimensions=64, repeats=100)
    for call in (
        ("wl_subtrees", trees),
        ("project", clips, rows, None, weight, None, None, None),
        ("outer", clips, rows, None, None, weight),
        ("expand", clips, rows, None, weight, None, None),
        ("sum", clips, rows, None, None),
        ("place", clips, None, None),
        ("describe", batch, 37_646, rows, 300, 2, Views(), None, None),
        ("views", batch, rows),
        ("resampled_streams", views, None),
        ("thin", documents, Two(), None),
        ("train", documents, Two(), 1000, Three()),
        ("infer", documents, Two()),
        ("bag_sums", bags, None, None),
        ("bag_gradients", bags, None, None, Three(), None, None),
    ):
        for launch in run.launches(*call):
            yield "", launch


def launches_it(launch: Launch, argument: str, kernel: Kernel) -> bool:
    """Whether a launch, with the type that stands for its template argument, is one of this kernel."""
    name, _, written = launch.kernel.partition("<")
    if name != kernel.base or (written.startswith("Mma") and argument not in kernel.name):
        return False
    # After the type, true or false as the source has it.
    last = written.removesuffix(">").rpartition(", ")[2]
    return last not in ("true", "false") or kernel.name.endswith(f"{last}>")


def blocks_per_sm(kernel: Kernel, launch: Launch) -> int:
    """How many thread blocks of the launch an SM holds; 0 where not one fits."""
    limits = LIMITS[kernel.arch]
    shared = kernel.shared + launch.shared
    # Registers are given to warps, 256 at a time.
    warps = -(-launch.threads // 32)
    registers = -(-kernel.registers * 32 // 256) * 256 * warps
    if shared > limits.block_shared:
        return 0
    return min(
        limits.registers // registers, limits.shared // (shared + RESERVED), limits.threads // launch.threads,
        limits.blocks,
    )  # fmt: skip


def main() -> int:
    """Print the table; 1 where a kernel spills or does not fit."""
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = Host(every_launcher(folder), ORDERS["up"])
        made = dict.fromkeys(launches(run))
        kernels = [kernel for source in sorted(CSRC.glob("*/cuda.cu")) for kernel in compiled(source, folder)]
    columns = (
        "arch",
        "registers",
        "static",
        "dynamic",
        "threads",
        "per SM",
        "blocks",
        *(f"/ {n} SMs" for n in SMS),
    )
    rows = {f"{'kernel':<48}" + "".join(f"{column:>10}" for column in columns): None}
    for kernel in kernels:
        if kernel.spilled:
            wrong.append(f"{kernel.name} on sm_{kernel.arch} spills {kernel.spilled} bytes")
        for argument, launch in made:
            if not launches_it(launch, argument, kernel):
                continue
            fit = blocks_per_sm(kernel, launch)
            blocks = launch.blocks[0] * launch.blocks[1] * launch.blocks[2]
            if fit == 0:
                wrong.append(f"{kernel.name} does not fit an SM of sm_{kernel.arch}")
            each = (kernel.registers, kernel.shared, launch.shared, launch.threads, fit, blocks)
            numbers = "".join(f"{number:>10}" for number in (kernel.arch, *each))
            waves = "".join(f"{blocks / max(fit, 1) / sms:>10.1f}" for sms in SMS)
            rows[f"{re.sub(r'[a-z]+::', '', kernel.name)[:48]:<48}{numbers}{waves}"] = None
    print(*rows, sep="\n")
    unseen = sorted(
        {kernel.base for kernel in kernels} - {launch.kernel.partition("<")[0] for _, launch in made}
    )
    print(f"{len(kernels)} kernels, {len(wrong)} wrong; not launched here: {', '.join(unseen) or 'none'}")
    print(*wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
