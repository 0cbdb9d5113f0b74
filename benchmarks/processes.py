"""What several processes cost, each a training step: bytes, time and processor time. `python -m benchmarks.processes`.

ConMLP with SupCon in batches of 512 of NTU's shape, by 1, 2 and 4 processes under torchrun, each pinned to one core
with one thread. Bytes are counted by the kernel, in a network of their own (`unshare`), beside those of the formula and
of `Ranks.sent`. The gain is what one process's step takes over that of the slowest of several, in the least of their
epochs: by seconds, which mean something on a quiet machine only, and by processor time, which does not see what else
the machine does, nor that they wait for one another.

    python -m benchmarks.processes --schemes

compares, in one process and without the exchanges, the work of one of W processes by two ways to train the first layer:
each its own frames of all clips (`skelbench.models.divided`), or all weights everywhere, updated from factors that
are exchanged.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch

from benchmarks.cases.clips import BODIES, JOINTS, LENGTH, ntu_like
from benchmarks.measure import paired_ratio, processor_clock
from skelbench.models.conmlp import HIDDEN, PROJECTION
from skelbench.models.divided import OwnFrames
from skelbench.ops import augment, draw, ragged_linear, ragged_linear_sgd_
from skelbench.parallel.ranks import Ranks

BATCH = 512
CLIPS = 4 * BATCH
EPOCHS = 8
FEATURES = LENGTH * BODIES * JOINTS * 3
# Numbers of ConMLP and its head but for the first layer's weight: what all processes have.
SHARED = HIDDEN + 2 * HIDDEN + HIDDEN * (HIDDEN + 1) + PROJECTION * (HIDDEN + 1)
_UP = 0x1


def bytes_sent(processes: int, batch: int = BATCH, shared: int = SHARED) -> float:
    """Bytes that a process sends in a step: the formula of docs/processes.md."""
    rows = 2 * batch
    numbers = 2 * rows * HIDDEN + 2 * rows * PROJECTION + 2 * rows + 2 * shared
    return 4 * numbers * (processes - 1) / processes


@dataclass
class Step:
    """One process's step."""

    ms: float
    processor_ms: float
    sent: float
    """By `Ranks.sent`."""
    counted: float | None
    """By the kernel, the mean of all processes; None where it does not count them apart."""


def kernel_bytes() -> int:
    """Bytes that went out through the loop of this process's network."""
    lines = Path("/proc/self/net/dev").read_text().splitlines()
    numbers = next(line.split(":")[1].split() for line in lines if line.strip().startswith("lo:"))
    return int(numbers[8])


def worker(out: Path) -> None:
    """One process: train, and write what a step took."""
    from benchmarks.epoch import random_clips
    from skelbench.eval.config import MachineOptions
    from skelbench.eval.machine import make_fabric
    from skelbench.training.dataset import PackedDataset
    from skelbench.training.encoder import train_encoder
    from skelbench.training.log import EpochLog
    from skelbench.training.settings import Settings
    from skelbench.training.task import Task
    from skelbench.variants import choose

    # Before gloo starts its threads, which keep to the core of the one that starts them.
    os.sched_setaffinity(0, {int(os.environ["RANK"]) % (os.cpu_count() or 1)})
    fabric = make_fabric(MachineOptions(device="cpu", threads=1))
    ranks = Ranks.of_torch()
    marks: list[tuple[float, float, int, int]] = []

    def on_epoch(log: EpochLog) -> None:
        marks.append((time.perf_counter(), time.process_time(), ranks.sent, kernel_bytes()))

    every = torch.arange(CLIPS)
    data = random_clips(CLIPS)
    settings = Settings(epochs=EPOCHS + 1, batch_size=BATCH)
    packed = PackedDataset(data, fabric.device)
    task = Task(data, packed, every, every[:1], settings, 0, fabric, on_epoch, ranks=ranks)
    (variant,) = choose(["conmlp-supcon"])
    train_encoder(task, variant)
    steps = CLIPS // BATCH
    seconds, processor = (min((b[place] - a[place]) / steps for a, b in pairwise(marks)) for place in (0, 1))
    sent, counted = ((marks[-1][place] - marks[0][place]) / steps / EPOCHS for place in (2, 3))
    step = Step(1e3 * seconds, 1e3 * processor, sent, counted / ranks.size)
    (out / f"{ranks.rank}.json").write_text(json.dumps(vars(step)))
    ranks.close()


def launch(processes: int, out: Path) -> None:
    """Within a network of its own: switch its loop on, and become torchrun."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, 0x8914, struct.pack("16sh", b"lo", _UP))  # SIOCSIFFLAGS
    words = ["--nproc-per-node", str(processes), "-m", "benchmarks.processes", "--worker", str(out)]
    os.environ |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    os.execv(sys.executable, [sys.executable, "-m", "torch.distributed.run", *words])


def run(processes: int, out: Path) -> list[Step]:
    """The steps of so many processes."""
    out.mkdir(parents=True)
    words = [sys.executable, "-m", "benchmarks.processes", "--launch", str(processes), str(out)]
    subprocess.run(["unshare", "-rn", *words], check=True, capture_output=True)
    return [Step(**json.loads((out / f"{rank}.json").read_text())) for rank in range(processes)]


def schemes(processes: int, groups: int) -> str:
    """The processor time of one process's work by exchanged factors over that by its own frames."""
    torch.set_num_threads(1)
    clips = ntu_like(BATCH)
    shear, reverse = draw(BATCH, torch.Generator().manual_seed(0))
    every = torch.arange(BATCH)
    own = every[: BATCH // processes]
    frames = OwnFrames(LENGTH, Ranks(), torch.device("cpu"))
    place = torch.arange(LENGTH)
    frames.own = place[torch.minimum(place, LENGTH - 1 - place) % processes == 0]
    frames._count = torch.searchsorted(frames.own, torch.arange(LENGTH + 1))
    weight = torch.randn(HIDDEN, FEATURES) * 0.01
    part = frames.part(weight, 1)
    momenta = torch.zeros_like(weight), torch.zeros_like(part)
    grad, bias = torch.randn(2 * BATCH, HIDDEN) * 1e-3, torch.zeros(HIDDEN)

    def by_frames() -> None:
        mine, _ = frames.clips(clips)
        views = augment(mine, every, shear, reverse)
        ragged_linear(views, part, bias)
        ragged_linear_sgd_(views, grad, part, momenta[1], 1e-3, 0.9, 5e-4)

    def by_factors() -> None:
        views = augment(clips, own, shear[: len(own)], reverse[: len(own)])
        ragged_linear(views, weight, bias)
        # The others' clips are needed for the update alone.
        everyones = augment(clips, every, shear, reverse)
        ragged_linear_sgd_(everyones, grad, weight, momenta[0], 1e-3, 0.9, 5e-4)

    ratio = paired_ratio(by_frames, by_factors, seconds=0, min_groups=groups, timer=processor_clock)
    return (
        f"{processes} processes: own frames {1e3 * ratio.seconds_a:.1f} ms, factors {1e3 * ratio.seconds_b:.1f} ms, "
        f"ratio {ratio}"
    )


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schemes", action="store_true", help="compare two ways to train the first layer")
    parser.add_argument("--groups", type=int, default=5, help="groups A B B A of --schemes (default 5)")
    parser.add_argument("--runs", type=int, default=2, help="runs of each number of processes (default 2)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1, 2, 4], help="numbers of processes (default 1 2 4)"
    )
    parser.add_argument("--launch", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker)
    elif options.launch:
        launch(int(options.launch[0]), Path(options.launch[1]))
    elif options.schemes:
        for processes in (2, 4):
            print(schemes(processes, options.groups), flush=True)
    else:
        table(options.runs, options.sizes)


def table(runs: int, sizes: Sequence[int]) -> None:
    """Print what each number of processes takes."""
    import tempfile

    alone = Step(0.0, 0.0, 0.0, None)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs):
            for processes in sizes:
                steps = run(processes, Path(folder) / f"{number}-{processes}")
                ms, busy = max(step.ms for step in steps), max(step.processor_ms for step in steps)
                if processes == 1:
                    alone = steps[0]
                counted = [step.counted for step in steps if step.counted is not None]
                print(
                    f"{processes} processes: {ms:.1f} ms a step, gain {alone.ms / ms:.2f}; {busy:.1f} ms of processor "
                    f"time in the busiest, gain {alone.processor_ms / busy:.2f}; sent by each "
                    f"{median(counted) / 1e6:.3f} MB counted by the kernel, {steps[0].sent / 1e6:.3f} MB of tensors, "
                    f"{bytes_sent(processes) / 1e6:.3f} MB by the formula",
                    flush=True,
                )


if __name__ == "__main__":
    main()
