"""Fuzzes the readers of clips, runs and tensors for a while: `python -m tests.data.fuzz [SECONDS] [--seed S]`.

The corpus is a small file of every format that is written, a prepared dataset, a run with its scores and weights. One
file at a time is mutated, within a zip also its members, and read: anything but a result or an error of one line is a
finding. The memory of the process is limited. An input that fails is kept in build/, where it is named.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from skelbench.data import load, ntu, save
from skelbench.data.formats import EXPORTS
from skelbench.errors import SkelbenchError
from skelbench.runs.folder import RunFolder
from skelbench.training.tensors import load_tensors, save_tensors
from tests.conftest import make_clips
from tests.runs.made_up import write_run

FAILED = Path(__file__).resolve().parents[2] / "build"
_MEMORY = 6 << 30
_VALUES = (
    b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff" * 4, b"\xff" * 8, b"-1", b"1e999", b"nan", b"null", b"[]", b"{}",
)  # fmt: skip

Target = tuple[str, Path, Callable[[Path], object]]


def corpus(folder: Path) -> list[Target]:
    """Name, file or folder, and reader of each target."""
    clips = make_clips(clips=12, joints=25)
    official = replace(
        clips, dataset=ntu.NTU_60, class_names=ntu.class_names(60), length=ntu.LENGTH,
        names=np.array([f"S001C{1 + n % 2:03}P001R001A{1 + n:03}" for n in range(12)]),
    )  # fmt: skip
    found: list[Target] = []
    for form, write in EXPORTS.items():
        (own := folder / form).mkdir()
        try:
            paths = write(clips, own)
        except SkelbenchError:
            paths = write(official, own)
        found.append((form, paths[0].parent if form == "nctvm" else paths[0], load))
    save(clips, folder / "prepared")
    found.append(("prepared", folder / "prepared", load))
    write_run(folder / "run", accuracies=(("majority", 0.5),), seeds=(0,))
    found.append(("results.json", folder / "run" / "results.json", _read_run))
    found.append(("scores", folder / "run" / "scores", _read_run))
    save_tensors(folder / "weights.safetensors", {"a": torch.ones(3, 4), "b": torch.arange(5)}, {"kind": "x"})
    found.append(("safetensors", folder / "weights.safetensors", load_tensors))
    return found


def _read_run(path: Path) -> None:
    run = RunFolder(path.parent)
    run.load_all_scores(run.load())


def mutated(content: bytes, draw: random.Random) -> bytes:
    """`content` with a few bytes, or a piece, changed."""
    if content[:2] == b"PK" and draw.random() < 0.7:
        return _mutated_zip(content, draw)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(content) + 1)
        # Headers are small and lie in front.
        place = place if draw.random() < 0.5 else min(place, draw.randrange(300))
        length = draw.choice((1, 1, 2, 4, 8, 64))
        piece = content[place : place + length]
        changed = draw.choice(
            (
                bytes(byte ^ (1 << draw.randrange(8)) for byte in piece),
                draw.choice(_VALUES),
                b"",
                piece * draw.choice((2, 3, 100)),
                draw.randbytes(length),
            )
        )
        content = content[:place] + changed + content[place + length :]
    return content[: draw.randrange(len(content) + 1)] if draw.random() < 0.1 else content


def _mutated_zip(content: bytes, draw: random.Random) -> bytes:
    """A whole zip, one of whose members is mutated."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        chosen = draw.choice(old.namelist())
        for name in old.namelist():
            new.writestr(name, mutated(old.read(name), draw) if name == chosen else old.read(name))
    return stream.getvalue()


def main() -> int:
    """Run the command; 1 where a reader raised what it should not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seconds", type=float, nargs="?", default=20, help="how long (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default 0)")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("ignore")
    draw, counts, taken, wrong = random.Random(options.seed), Counter[str](), 0, set[str]()
    with tempfile.TemporaryDirectory() as name:
        (whole := Path(name) / "whole").mkdir()
        targets = corpus(whole)
        files = [file for _, path, _ in targets for file in (path.rglob("*") if path.is_dir() else [path])]
        sizes = [file.stat().st_size for file in files if file.is_file()]
        print(f"corpus: {len(sizes)} files, {sum(sizes) / 1e3:.0f} kB, {len(targets)} formats", flush=True)
        for _, path, read in targets:
            read(path)
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            form, path, read = draw.choice(targets)
            files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
            file = draw.choice(files)
            before = file.read_bytes()
            file.write_bytes(mutated(before, draw))
            counts[form] += 1
            try:
                read(path)
                taken += 1
            except SkelbenchError as error:
                if "\n" in str(error):
                    _keep(wrong, form, file, "an error of several lines")
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                _keep(wrong, form, file, f"{type(error).__name__} at {where.name}:{where.lineno}: {error}")
            file.write_bytes(before)
    each = ", ".join(f"{form} {count}" for form, count in sorted(counts.items()))
    print(f"{counts.total()} inputs ({each}); {taken} were read, the others refused; {len(wrong)} findings")
    return int(bool(wrong))


def _keep(wrong: set[str], form: str, file: Path, what: str) -> None:
    """Print a kind of finding once, and keep its input."""
    kind = f"{form}: {what}"[:160]
    if kind.split(": ")[1] in {known.split(": ")[1] for known in wrong}:
        return
    wrong.add(kind)
    FAILED.mkdir(exist_ok=True)
    kept = FAILED / f"fuzz-failed-{len(wrong)}-{file.name}"
    shutil.copyfile(file, kept)
    print(f"{kind} ({kept})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
