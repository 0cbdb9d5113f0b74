"""Speed of reading and preparing NTU files: `python -m benchmarks.prepare_ratio [--files N] [--seconds S]`.

The files are synthetic, with NTU's lengths. The reader (all fields, file in memory, one thread) is timed against the
plain-Python reader of benchmarks/peers, which keeps positions and colours as the public scripts do; prepare (all
threads, the dataset on disk) against the plain-Python pipeline, whose joints must be the same to the bit. Ratios are
of interleaved groups, with 95 % intervals, of wall-clock time.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.measure import paired_ratio
from benchmarks.peers import ntu_python
from skelbench.data import Clips, read_skeleton
from skelbench.data.synthetic.raw import write_raw_folder
from skelbench.prepare.pipeline import prepare

READER_FILES = 10


def assert_same(clips: Clips, expected: dict[str, np.ndarray]) -> None:
    for index, name in enumerate(clips.names.tolist()):
        clip = clips.clip(index)
        if not np.array_equal(clip.reshape(len(clip), -1), expected[name]):
            raise SystemExit(f"{name}: joints differ from those of the plain-Python pipeline")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--files", type=int, default=300)
    options.add_argument("--seconds", type=float, default=8.0, help="time for one ratio")
    options.add_argument("--groups", type=int, default=3, help="least number of groups for prepare")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw, out = Path(folder, "raw"), Path(folder, "out")
        write_raw_folder(raw, chosen.files)
        paths = sorted(raw.glob("*.skeleton"))
        contents = [path.read_bytes() for path in islice(paths, READER_FILES)]
        texts = [content.decode() for content in contents]
        megabytes = sum(map(len, contents)) / 1e6
        reader = paired_ratio(
            lambda: [read_skeleton(content) for content in contents],
            lambda: [ntu_python.read(text) for text in texts],
            seconds=chosen.seconds,
        )
        print(
            f"reader, {len(contents)} files in memory, one thread: plain Python / ours {reader}, aim > 30; "
            f"ours {megabytes / reader.seconds_a:.0f} MB/s, plain {megabytes / reader.seconds_b:.0f} MB/s",
            flush=True,
        )

        def ours() -> Clips:
            shutil.rmtree(out, ignore_errors=True)
            return prepare(raw, out).clips

        def plain() -> dict[str, np.ndarray]:
            done = {path.stem: ntu_python.prepare_file(path) for path in paths}
            return {name: joints for name, joints in done.items() if joints is not None}

        whole = paired_ratio(ours, plain, seconds=chosen.seconds, min_groups=chosen.groups)
        print(
            f"prepare, {len(paths)} files: plain Python / ours {whole}, aim > 25; "
            f"ours {whole.seconds_a:.2f} s, plain {whole.seconds_b:.2f} s ({whole.groups} groups)"
        )
        assert_same(ours(), plain())
        print("joints equal to the bit")


if __name__ == "__main__":
    main()
