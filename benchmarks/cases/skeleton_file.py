"""Reading .skeleton files, and preparing a raw folder, of made-up recordings with NTU's lengths."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases.case import Case, Contender, Problem, expect
from skelbench.data import Clips
from skelbench.data.skeleton_file import SkeletonFile, read_skeleton
from skelbench.data.synthetic.raw import write_raw_folder
from skelbench.prepare.pipeline import prepare

# Most files that the Python peer does in each call.
FEW = 40

Bodies = dict[str, dict[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class Inputs:
    """A folder of made-up recordings."""

    folder: tempfile.TemporaryDirectory[str]
    """Removed with the inputs."""
    files: list[Path]
    size: Mapping[Path, int]

    def few(self) -> tuple[list[Path], float]:
        """Some files spread over all, and their share of the bytes."""
        some = self.files[:: -(-len(self.files) // FEW)]
        return some, sum(self.size[path] for path in some) / self.bytes

    @property
    def bytes(self) -> float:
        """Bytes of all files."""
        return float(sum(self.size.values()))


def raw_folder(files: int) -> Inputs:
    """A temporary folder with `files` recordings."""
    folder = tempfile.TemporaryDirectory(prefix="skelbench-raw-")
    raw = Path(folder.name) / "raw"
    write_raw_folder(raw, files)
    paths = sorted(raw.glob("*.skeleton"))
    return Inputs(folder, paths, {path: path.stat().st_size for path in paths})


# ---- the reader ----


def make_read(device: str, files: int) -> Problem:
    """Parse files that lie in memory."""
    x = raw_folder(files)
    contents = [path.read_bytes() for path in x.files]

    def run() -> list[SkeletonFile]:
        return [read_skeleton(content) for content in contents]

    def check() -> None:
        for path, found in zip(x.files, run(), strict=True):
            same = np.array_equal(found.joints, _joints(path))
            expect(same, f"{path.name}: the fields of its joints are not those that numpy reads")

    return Problem(x, Contender(run, check), flops=0, bytes=x.bytes, items=files, unit="files")


def _joints(path: Path) -> NDArray[np.float32]:
    """All fields of all bodies (B, 25, 12): the lines of twelve numbers, by numpy alone."""
    rows = [fields for line in path.read_text().splitlines() if len(fields := line.split()) == 12]
    return np.array(rows, dtype=np.float32).reshape(-1, 25, 12)


def read_python(x: Inputs) -> Contender:
    """The parser in plain Python, on some of the files."""
    from benchmarks.peers.ntu_python import read

    few, share = x.few()
    texts = [path.read_text() for path in few]

    def run() -> list[Bodies]:
        return [read(text)[0] for text in texts]

    def check() -> None:
        for path, bodies in zip(few, run(), strict=True):
            ours = read_skeleton(path)
            for key, body in bodies.items():
                same = np.array_equal(body["joints"].reshape(-1, 25, 3), ours.positions[ours.ids == int(key)])
                expect(same, f"{path.name}: the peer reads other joints")

    return Contender(run, check, share=share, packages=("numpy",))


# ---- prepare ----


def make_prepare(device: str, files: int) -> Problem:
    """Prepare a raw folder as `skelbench.prepare` does."""
    x = raw_folder(files)
    raw = x.files[0].parent

    def run() -> Clips:
        # The folder replaces what an earlier call wrote.
        return prepare(raw, raw.with_name("packed")).clips

    def check() -> None:
        from benchmarks.peers.ntu_python import prepare_file

        clips = run()
        expected = {path.stem: joints for path in x.files if (joints := prepare_file(path)) is not None}
        expect(clips.names.tolist() == sorted(expected), "prepare: other clips than the plain pipeline's")
        for index, name in enumerate(clips.names.tolist()):
            clip = clips.clip(index)
            same = np.array_equal(clip.reshape(len(clip), -1), expected[name])
            expect(same, f"{name}: joints are not, to the bit, those of the plain pipeline")

    return Problem(x, Contender(run, check), flops=0, bytes=x.bytes, items=files, unit="files")


def prepare_python(x: Inputs) -> Contender:
    """The public three-script pipeline in plain Python, on some of the files."""
    from benchmarks.peers.ntu_python import prepare_file

    few, share = x.few()

    def run() -> Sequence[NDArray[np.float32] | None]:
        return [prepare_file(path) for path in few]

    # `make_prepare` compares every clip with this peer's.
    return Contender(run, lambda: None, share=share, packages=("numpy",))


CASES = (
    Case(
        "read_skeleton", ".skeleton files of 83 frames on average, in memory, all fields, one thread", make_read,
        small=({"files": 6},), default=({"files": 64},), peers={"plain Python": read_python},
    ),
    Case(
        "prepare", "raw folder in the page cache to packed dataset on the disk, a thread per processor", make_prepare,
        small=({"files": 6},), default=({"files": 300},), more=({"files": 2000},),
        peers={"plain Python": prepare_python},
    ),
)  # fmt: skip
