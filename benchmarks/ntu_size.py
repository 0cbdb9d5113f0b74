"""Disk and memory at the size of NTU RGB+D: `python -m benchmarks.ntu_size [--clips N] [--epochs N]`. Linux only.

Writes a prepared dataset of 56,578 made-up clips with NTU's lengths, in the format of `skelbench.prepare`, from random
coordinates instead of text files. Then `skelbench eval` trains and probes conmlp-supcon on its xview split, in
batches of 512, in a process of its own. Prints the bytes on disk and that process's largest resident memory: its own
(anonymous) memory, and pages of files such as the memory-mapped joints, which the system reclaims when it needs them.
Removes everything again. Needs about 2 GB of disk.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases.clips import LENGTH, ntu_like
from skelbench.data import ntu, save
from skelbench.data.preprocess import moved
from skelbench.prepare.work import Part, Work

CLIPS = sum(ntu.OFFICIAL_COUNTS[ntu.NTU_60, "xview"])
PART = 1000
# Seconds between two readings of the memory.
SECONDS = 0.05


def names(clips: int) -> list[str]:
    """Names of NTU RGB+D, a third from the test camera, as in its xview split; every class and subject occurs."""
    grid = itertools.product(range(1, 18), range(1, 3), range(1, 41), range(1, 61))
    found = []
    for setup, replication, subject, action in grid:
        for camera in (1, 2, 3):
            found.append(f"S{setup:03d}C{camera:03d}P{subject:03d}R{replication:03d}A{action:03d}")
            if len(found) == clips:
                return sorted(found)
    raise SystemExit(f"--clips {clips}: at most {len(found)}")


def write(folder: Path, clips: int) -> None:
    """A prepared dataset of `clips` clips."""
    template = ntu_like(PART)
    frames, bodies = template.frames.numpy(), template.bodies.numpy()
    offsets, joints = template.offsets.numpy(), template.joints.numpy()

    def some(first: int, count: int) -> Iterator[NDArray[np.float32]]:
        for index in range(count):
            rows = joints[offsets[index] : offsets[index] + frames[index] * bodies[index]] + np.float32(first)
            yield moved(rows, rows[0, 1])

    with Work(folder, "benchmarks.ntu_size") as work:
        for first in range(0, clips, PART):
            count = min(PART, clips - first)
            part = Part(count, [], frames[:count].tolist(), bodies[:count].tolist())
            work.append(part, some(first, count))
        columns = [
            np.concatenate([getattr(part, key) for part in work.parts]) for key in ("frames", "bodies")
        ]
        packed = ntu.clips_by_name(
            names(clips),
            work.finish(),
            *columns,
            class_names=ntu.class_names(60),
            dataset="synthetic",
            synthetic=True,
            length=LENGTH,
            source="benchmarks.ntu_size",
        )
        save(packed, folder, joints_file=work.joints)


def peak_of(command: list[str]) -> tuple[dict[str, float], float]:
    """Megabytes of RssAnon and RssFile at their largest while the command ran, of both (VmHWM), and its seconds."""
    peaks = {"RssAnon": 0.0, "RssFile": 0.0, "VmHWM": 0.0}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            for key, kilobytes in re.findall(r"(\w+):\s+(\d+) kB", status.read_text()):
                if key in peaks:
                    peaks[key] = max(peaks[key], int(kilobytes) * 1024 / 1e6)
            time.sleep(SECONDS)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)}: failed:\n{said.read().decode()}")
    return peaks, time.perf_counter() - start


def main() -> None:
    """Run the command."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--clips", type=int, default=CLIPS)
    options.add_argument("--epochs", type=int, default=1, help="of the encoder, and of the probe")
    options.add_argument(
        "--folder", type=Path, help="where the data is written. Default: the system's temporary folder"
    )
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        data, epochs = Path(folder, "ntu"), str(chosen.epochs)
        start = time.perf_counter()
        write(data, chosen.clips)
        on_disk = sum(path.stat().st_size for path in data.iterdir()) / 1e9
        print(
            f"{chosen.clips:,} clips: {on_disk:.2f} GB on disk, written in {time.perf_counter() - start:.0f} s"
        )
        command = [
            sys.executable, "-m", "skelbench.eval", "xview", "--data", str(data), "--variants", "conmlp-supcon",
            "--batch-size", "512", "--epochs", epochs, "--probe-epochs", epochs, "--out", str(Path(folder, "run")),
        ]  # fmt: skip
        peaks, seconds = peak_of(command)
        print(
            f"conmlp-supcon, {epochs} epochs of batch 512, probe and test, {seconds:.0f} s: at most "
            f"{peaks['RssAnon']:.0f} MB of its own, {peaks['RssFile']:.0f} MB of files mapped, {peaks['VmHWM']:.0f} MB "
            "resident in all"
        )


if __name__ == "__main__":
    main()
