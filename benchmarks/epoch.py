"""Training time of the published schedule: `python -m benchmarks.epoch [--clips N] [--epochs E]`.

Trains ConMLP with SupCon as `skelbench eval` does (same loop, optimizer and batches of 512) on clips of random numbers
with NTU-like lengths. Prints the seconds of the median epoch and the hours of 5000 epochs, the schedule of the NITAP
report (Amulya, Sumukh, Jagadeesh: "Advancing Skeleton-based Action Recognition: Exploring New Loss Functions and
Architectures", project report, NIT Andhra Pradesh, 2024). The default is the 37,646 training clips of NTU-60's X-View
split, 1.1 GB of joints.
"""

from __future__ import annotations

import argparse
from statistics import median

import numpy as np
import torch
from lightning_fabric import Fabric

from benchmarks.cases.clips import BODIES, CLASSES, LENGTH, ntu_like
from skelbench.data.clips import Clips
from skelbench.data.skeletons import NTU_25
from skelbench.training.dataset import PackedDataset
from skelbench.training.encoder import train_encoder
from skelbench.training.log import EpochLog
from skelbench.training.settings import Settings
from skelbench.training.task import Task
from skelbench.variants import choose

PUBLISHED = Settings()
"""The NITAP report's settings."""
TRAINING_CLIPS = 37_646
"""Training clips of NTU-60's X-View split."""


def random_clips(count: int) -> Clips:
    """`count` clips of NTU's shape and lengths, of no action at all."""
    ragged = ntu_like(count)
    unknown = np.zeros(count, dtype=np.int64)
    bodies = ragged.bodies.numpy()
    ends = np.concatenate([[0], np.cumsum(ragged.frames.numpy() * bodies)])
    return Clips(
        joints=ragged.joints.numpy(),
        offsets=ends,
        bodies=bodies,
        label=np.arange(count) % CLASSES,
        names=np.arange(count).astype(np.str_),
        subject=unknown,
        camera=unknown,
        setup=unknown,
        replication=unknown,
        skeleton=NTU_25,
        class_names=tuple(map(str, range(CLASSES))),
        dataset="random",
        length=LENGTH,
        max_bodies=BODIES,
        source="benchmarks.cases.clips.ntu_like",
        synthetic=True,
    )


def measure(clips: int, epochs: int) -> list[float]:
    """Seconds of each epoch of the training loop."""
    data, fabric = random_clips(clips), Fabric(accelerator="cpu", devices=1)
    every = torch.arange(clips)
    seconds: list[float] = []

    def on_epoch(log: EpochLog) -> None:
        seconds.append(clips / log.clips_per_s)

    settings = Settings(epochs=epochs, batch_size=PUBLISHED.batch_size)
    packed = PackedDataset(data, fabric.device)
    task = Task(data, packed, every, every[:1], settings, seed=0, fabric=fabric, on_epoch=on_epoch)
    (variant,) = choose(["conmlp-supcon"])
    train_encoder(task, variant)
    return seconds


def main() -> None:
    """Run the command."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--clips", type=int, default=TRAINING_CLIPS)
    options.add_argument("--epochs", type=int, default=3)
    chosen = options.parse_args()
    if chosen.clips < 1 or chosen.epochs < 1:
        options.error("--clips and --epochs must be at least 1")
    seconds = measure(chosen.clips, chosen.epochs)
    typical = median(seconds)
    print(
        f"ConMLP with SupCon, {chosen.clips} clips, batch {PUBLISHED.batch_size}, {torch.get_num_threads()} threads: "
        f"{typical:.2f} s an epoch (median of {len(seconds)}: {', '.join(f'{s:.2f}' for s in seconds)}), "
        f"{chosen.clips / typical:.0f} clips/s; {PUBLISHED.epochs} epochs would take "
        f"{typical * PUBLISHED.epochs / 3600:.1f} hours"
    )


if __name__ == "__main__":
    main()
