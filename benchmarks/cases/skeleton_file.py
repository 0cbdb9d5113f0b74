"""Reading .skeleton files, and preparing a raw folder, of made-up recordings, on one thread."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases.case import Case, Contender, Problem, expect
from skelbench.data.skeleton_file import read_skeleton
from skelbench.data.synthetic.raw import write_raw_folder
from skelbench.prepare.pipeline import prepare

FEW = 4  # files that the Python peer does of each call


@dataclass(frozen=True)
class Inputs:
    folder: tempfile.TemporaryDirectory[str]  #: removed with the inputs
    files: list[Path]


def raw_folder(files: int) -> Inputs:
    folder = tempfile.TemporaryDirectory(prefix="skelbench-raw-")
    raw = Path(folder.name) / "raw"
    write_raw_folder(raw, files)
    return Inputs(folder, sorted(raw.glob("*.skeleton")))


def _bytes(x: Inputs) -> float:
    return float(sum(path.stat().st_size for path in x.files))


# ---- the reader ----


def make_read(device: str, files: int) -> Problem:
    x = raw_folder(files)

    def run() -> list[NDArray[np.float32]]:
        return [read_skeleton(path).positions for path in x.files]

    def check() -> None:
        for path, positions in zip(x.files, run(), strict=True):
            expect(
                np.array_equal(positions, _positions(path)), f"{path.name}: positions are not those of numpy"
            )

    return Problem(x, Contender(run, check), flops=0, bytes=_bytes(x), items=files, unit="files")


def _positions(path: Path) -> NDArray[np.float32]:
    """Positions of all bodies (B, 25, 3): the lines of twelve numbers, by numpy alone."""
    rows = [line.split()[:3] for line in path.read_text().splitlines() if len(line.split()) == 12]
    return np.array(rows, dtype=np.float32).reshape(-1, 25, 3)


def read_python(x: Inputs) -> Contender:
    from benchmarks.peers.ntu_python import read

    few = x.files[:FEW]

    def run() -> list[dict[str, dict[str, NDArray[np.float32]]]]:
        return [read(path.read_text())[0] for path in few]

    def check() -> None:
        for path, bodies in zip(few, run(), strict=True):
            ids, ours = read_skeleton(path).ids, read_skeleton(path).positions
            for key, body in bodies.items():
                theirs = body["joints"].reshape(-1, 25, 3)
                expect(
                    np.array_equal(theirs, ours[ids == int(key)]), f"{path.name}: the peer reads other joints"
                )

    return Contender(run, check, share=_bytes(Inputs(x.folder, few)) / _bytes(x), packages=("numpy",))


# ---- prepare ----


def make_prepare(device: str, files: int) -> Problem:
    x = raw_folder(files)

    def run() -> list[NDArray[np.float32]]:
        with tempfile.TemporaryDirectory() as out:
            clips = prepare(x.files[0].parent, Path(out) / "packed", threads=1).clips
            return [np.array(clips.clip(index)) for index in range(len(clips))]

    def check() -> None:
        from benchmarks.peers.ntu_python import prepare_file

        expected = [joints for path in x.files if (joints := prepare_file(path)) is not None]
        actual = run()
        expect(len(actual) == len(expected), f"prepare: {len(actual)} clips, the peer has {len(expected)}")
        for ours, theirs in zip(actual, expected, strict=True):
            same = ours.size == theirs.size and np.allclose(ours.reshape(theirs.shape), theirs, atol=1e-6)
            expect(same, "prepare: a clip is not that of the public pipeline")

    return Problem(x, Contender(run, check), flops=0, bytes=_bytes(x), items=files, unit="files")


def prepare_python(x: Inputs) -> Contender:
    from benchmarks.peers.ntu_python import prepare_file

    few = x.files[:FEW]

    def run() -> list[NDArray[np.float32] | None]:
        return [prepare_file(path) for path in few]

    # `make_prepare` compares every clip with this peer's.
    return Contender(run, lambda: None, share=_bytes(Inputs(x.folder, few)) / _bytes(x), packages=("numpy",))


CASES = (
    Case(
        "read_skeleton", ".skeleton files of 83 frames on average, from the page cache, one thread", make_read,
        small=({"files": 6},), default=({"files": 64},), peers={"plain Python": read_python},
    ),
    Case(
        "prepare", "raw folder to packed dataset, one thread", make_prepare,
        small=({"files": 6},), default=({"files": 64},), peers={"plain Python": prepare_python},
    ),
)  # fmt: skip
