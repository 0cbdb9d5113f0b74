"""Disk and memory at the size of NTU RGB+D: `python -m benchmarks.ntu_size [--variants graph] ...`. Linux only.

Writes a prepared dataset of 56,578 made-up clips with NTU's lengths, in the format of `skelbench.prepare`, without text
files. Then `skelbench eval` trains and tests on its xview split, in a process of its own: conmlp-supcon in batches of
512 on random coordinates, or the graph rows at the published sizes on bodies that move (random ones have no subtree in
common), which as many processes as there are cores make. Prints the bytes on disk and that process's largest resident
memory: its own (anonymous) memory, and pages of files such as the memory-mapped joints, which the system reclaims when
it needs them. For the graph rows it also prints what 150 epochs, the published number, would take. Removes everything
again. Needs about 2 GB of disk.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases.clips import LENGTH, ntu_like
from skelbench.data import ntu, save
from skelbench.data.preprocess import moved, origin_of
from skelbench.data.skeletons import NTU_25
from skelbench.data.synthetic.corpus import observe, performances
from skelbench.prepare.work import Part, Work
from skelbench.runs.results import Results

CLIPS = sum(ntu.OFFICIAL_COUNTS[ntu.NTU_60, "xview"])
PART = 1000
GRAPH_ROWS = ("graph2vec-lstm", "graph2vec-gru", "wl-bag-gru")
PUBLISHED_EPOCHS = 150
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


def random_part(first: int, count: int) -> list[NDArray[np.float32]]:
    """Clips of NTU's lengths, of random coordinates."""
    template = ntu_like(PART)
    frames, bodies = template.frames.numpy(), template.bodies.numpy()
    offsets, joints = template.offsets.numpy(), template.joints.numpy()
    clips = []
    for index in range(count):
        rows = joints[offsets[index] : offsets[index] + frames[index] * bodies[index]] + np.float32(first)
        moved_rows = moved(rows, rows[0, 1])
        clips.append(moved_rows.reshape(int(frames[index]), int(bodies[index]), 25, 3))
    return clips


def moving_part(first: int, count: int) -> list[NDArray[np.float32]]:
    """Clips of the synthetic corpus, at Kinect's 30 frames a second, each performance seen by one camera.

    Their motions are not those of the classes that their names say: no accuracy is read off them.
    """
    clips = []
    for index, performance in enumerate(performances(count, first, mean_frames=80, most_frames=LENGTH)):
        rng = np.random.default_rng([first, index])
        clip = observe(performance, 1 + index % 3, rng)
        rows = clip.reshape(-1, 25, 3)
        # As `skelbench prepare` leaves them, so that the main job maps them and makes no copy.
        origin = origin_of(clip, NTU_25.origin)
        assert origin is not None, "a performance without anybody"
        clips.append(moved(rows, origin).reshape(clip.shape))
    return clips


def write(folder: Path, clips: int, make: Callable[[int, int], list[NDArray[np.float32]]]) -> None:
    """A prepared dataset of `clips` clips, whose parts `make` makes in as many processes as there are cores."""
    begins = range(0, clips, PART)
    counts = [min(PART, clips - first) for first in begins]
    context = multiprocessing.get_context("spawn")
    with Work(folder, "benchmarks.ntu_size") as work, ProcessPoolExecutor(mp_context=context) as pool:
        for part in pool.map(make, begins, counts):
            frames, bodies = [len(clip) for clip in part], [clip.shape[1] for clip in part]
            work.append(Part(len(part), [], frames, bodies), (clip.reshape(-1, 25, 3) for clip in part))
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


def command_of(variants: str, data: Path, out: Path, epochs: int) -> list[str]:
    """What is run: the encoder's row or the graph rows."""
    number = str(epochs)
    settings = (
        ["--variants", "conmlp-supcon", "--batch-size", "512", "--epochs", number, "--probe-epochs", number]
        if variants == "encoder"
        else ["--variants", ",".join(GRAPH_ROWS), "--preset", "published", "--sequence-epochs", number]
    )
    return [
        *(sys.executable, "-m", "skelbench.eval", "xview", "--data", str(data)),
        *(*settings, "--out", str(out)),
    ]


def report_graph_rows(run: Path, epochs: int) -> None:
    """What each row took, what 150 epochs would take, and what the vocabulary left out."""
    results = Results.load(run / "results.json")
    for score in results.scores:
        if score.speed.train_clips_per_s is None:
            raise SystemExit(f"{score.variant}: the results have no speed of training")
        epoch = score.n_train / score.speed.train_clips_per_s
        rest = score.seconds - epochs * epoch
        hours = (rest + PUBLISHED_EPOCHS * epoch) / 3600
        print(
            f"{score.variant}: {score.seconds:.0f} s, of which {epochs} epochs of {epoch:.0f} s; {PUBLISHED_EPOCHS}"
            f" epochs would take {hours:.1f} h"
        )
    for caveat in results.info.caveats:
        if "vocabulary" in caveat:
            print(caveat)


def main() -> None:
    """Run the command."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--clips", type=int, default=CLIPS)
    options.add_argument(
        "--variants", choices=("encoder", "graph"), default="encoder",
        help="encoder: conmlp-supcon. graph: graph2vec-lstm, graph2vec-gru and wl-bag-gru",
    )  # fmt: skip
    options.add_argument("--epochs", type=int, help="of each stage. Default: 1, of the graph rows 2")
    options.add_argument(
        "--folder", type=Path, help="where the data is written. Default: the system's temporary folder"
    )
    chosen = options.parse_args()
    graph = chosen.variants == "graph"
    epochs = chosen.epochs or (2 if graph else 1)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        data, run = Path(folder, "ntu"), Path(folder, "run")
        start = time.perf_counter()
        write(data, chosen.clips, moving_part if graph else random_part)
        on_disk = sum(path.stat().st_size for path in data.iterdir()) / 1e9
        print(
            f"{chosen.clips:,} clips: {on_disk:.2f} GB on disk, written in {time.perf_counter() - start:.0f} s",
            flush=True,
        )
        peaks, seconds = peak_of(command_of(chosen.variants, data, run, epochs))
        print(
            f"{chosen.variants}, {epochs} epochs, {seconds:.0f} s: at most {peaks['RssAnon']:.0f} MB of its own,"
            f" {peaks['RssFile']:.0f} MB of files mapped, {peaks['VmHWM']:.0f} MB resident in all"
        )
        if graph:
            report_graph_rows(run, epochs)


if __name__ == "__main__":
    main()
