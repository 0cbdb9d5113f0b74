"""From a raw NTU folder to a packed dataset: read, choose and clean the bodies, move to the origin, pack.

`prepare` works in parts of PART files beside the output (.OUT.work), so that a killed run goes on where it was; the
output itself appears whole or not at all.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from skelbench.data import Clips, DataError, Dropped, load, ntu, preprocess, save
from skelbench.data.bodies import actors
from skelbench.data.packing import concatenate
from skelbench.data.skeleton_file import read_skeleton
from skelbench.prepare.raw import LISTED, RawFolder, scan

PART = 1000  #: files in a part
LOG = "prepare.log"
NO_BODY = "no body in any frame"
NOBODY_LEFT = "no body passes the noise rules"

_BATCH = 50  # files a thread reads in one go
_VERSION = 1  # of the rules; another one does not continue a run


@dataclass(frozen=True)
class Outcome:
    """What a run did."""

    clips: Clips
    changed: int  #: clips of which frames or bodies were left out
    resumed: int  #: files that an earlier run had read already
    lists: tuple[Path, ...]

    @property
    def lost(self) -> tuple[Dropped, ...]:
        """Clips left out for another reason than the official lists or that nobody is in them."""
        return tuple(record for record in self.clips.dropped if record.reason not in (LISTED, NO_BODY))


def prepare(
    raw: Path,
    out: Path,
    missing_lists: Sequence[Path] = (),
    threads: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Outcome:
    """Writes the clips of `raw` to `out`, and to out/prepare.log every clip left out or changed and why.

    `progress` is called with the files done and their number.

    Raises:
        DataError: `raw` cannot be used, no clip is left, another run writes to `out`, or the disk is full (the parts
            that are done are kept, and the next run goes on with them).
    """
    folder = scan(raw, missing_lists)
    work = out.parent / f".{out.name}.work"
    with _locked(work, out):
        resumed = _start(work, folder)
        count = -(-len(folder.files) // PART)
        try:
            with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
                for part in range(count):
                    if not (work / f"{part}.npz").exists():
                        _write_part(work / f"{part}.npz", folder, part, pool)
                    progress(min(len(folder.files), (part + 1) * PART), len(folder.files))
            log, clips = _assemble(work, folder, count)
            save(clips, out, {LOG: "".join(f"{name}\t{what}\n" for name, what in log)})
        except OSError as error:
            raise DataError(
                f"{out}: writing failed ({error.strerror}); the parts that are done lie in {work}, run again to go on"
            ) from error
        shutil.rmtree(work)
    changed = len({name for name, what in log if what.startswith("changed")})
    return Outcome(load(out), changed, min(resumed * PART, len(folder.files)), tuple(folder.lists))


def _locked(work: Path, out: Path) -> IO[str]:
    """The open, locked lock file of the work folder; it is let go when the process ends, however that is."""
    while True:
        work.mkdir(parents=True, exist_ok=True)
        try:
            file = open(work / "lock", "a")  # noqa: SIM115 - the caller closes it
        except FileNotFoundError:
            continue  # a run that finished just now removed the folder
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise DataError(f"{out}: another run is writing to it (it holds {work / 'lock'})") from None
        # Had that run removed this very file between the two calls, the lock would guard nothing.
        if (work / "lock").exists() and os.path.samestat(os.stat(work / "lock"), os.fstat(file.fileno())):
            return file
        file.close()


def _start(work: Path, folder: RawFolder) -> int:
    """The number of parts an earlier run of the same files left; parts of other files are removed."""
    signature = json.dumps({"version": _VERSION, "part": PART, "raw": folder.signature})
    run = work / "run.json"
    if not run.exists() or run.read_text() != signature:
        for path in work.iterdir():
            if path.name != "lock":
                path.unlink()
        run.write_text(signature)
    return len([path for path in work.glob("*.npz") if not path.name.startswith("partial")])


def _read(path: Path) -> tuple[np.ndarray | None, list[str]]:
    """Joints (T, m, 25, 3) and what was changed, or None and why the clip is left out."""
    try:
        recording = read_skeleton(path)
        clip, changes = actors(recording)
    except DataError as error:
        return None, [str(error)]
    if not len(clip):
        return None, [NOBODY_LEFT if recording.bodies.any() else NO_BODY]
    return clip, changes


def _read_batch(paths: Sequence[Path]) -> list[tuple[np.ndarray | None, list[str]]]:
    return [_read(path) for path in paths]


def _write_part(path: Path, folder: RawFolder, part: int, pool: ThreadPoolExecutor) -> None:
    begin = part * PART
    files = folder.files[begin : begin + PART]
    parts, kept, log = [], [], []
    # A task per file would cost as much as the file: the threads would wait for one another's bookkeeping.
    batches = [files[at : at + _BATCH] for at in range(0, len(files), _BATCH)]
    results = (result for batch in pool.map(_read_batch, batches) for result in batch)
    for index, (clip, remarks) in enumerate(results):
        what = "dropped" if clip is None else "changed"
        log += [[files[index].stem, f"{what}: {remark}"] for remark in remarks]
        if clip is not None:
            parts.append(clip)
            kept.append(begin + index)
    frames = np.array([clip.shape[0] for clip in parts], dtype=np.int64)
    bodies = np.array([clip.shape[1] for clip in parts], dtype=np.int64)
    joints = concatenate(parts, int((frames * bodies).sum()), 25)
    if kept:
        joints = preprocess(_clips(folder, np.array(kept), joints, frames, bodies)).joints
    partial = path.with_name(f"partial-{path.name}")
    with open(partial, "wb") as file:
        np.savez(
            file,
            joints=joints,
            frames=frames,
            bodies=bodies,
            kept=np.array(kept, dtype=np.int64),
            log=np.array(json.dumps(log)),
        )
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _assemble(work: Path, folder: RawFolder, count: int) -> tuple[list[tuple[str, str]], Clips]:
    """The log, and all clips, their joints in a file of the work folder."""
    log = [(record.name, f"dropped: {record.reason}") for record in folder.dropped]
    frames, bodies, kept = [], [], []
    for part in range(count):
        with np.load(work / f"{part}.npz") as arrays:
            frames.append(arrays["frames"])
            bodies.append(arrays["bodies"])
            kept.append(arrays["kept"])
            log += [(name, what) for name, what in json.loads(str(arrays["log"]))]
    all_frames, all_bodies = np.concatenate(frames), np.concatenate(bodies)
    rows = int((all_frames * all_bodies).sum())
    if not rows:
        raise DataError(f"{folder.folder}: no clip can be used; the first: {log[0][0]} {log[0][1]}")
    joints = np.lib.format.open_memmap(work / "joints.npy", "w+", np.float32, (rows, 25, 3))
    position = 0
    for part in range(count):
        with np.load(work / f"{part}.npz") as arrays:
            piece = arrays["joints"]
        joints[position : position + len(piece)] = piece
        position += len(piece)
    return sorted(log), _clips(folder, np.concatenate(kept), joints, all_frames, all_bodies, log)


def _clips(
    folder: RawFolder,
    kept: np.ndarray,
    joints: np.ndarray,
    frames: np.ndarray,
    bodies: np.ndarray,
    log: Sequence[tuple[str, str]] = (),
) -> Clips:
    names = [folder.files[index].stem for index in kept.tolist()]
    numbers = [ntu.parse_name(name) for name in names]
    newer = any(number is not None and (number.action > 60 or number.setup > 17) for number in numbers)
    synthetic = folder.class_names is not None
    classes = 120 if newer else 60
    return ntu.clips_by_name(
        names,
        joints,
        frames,
        bodies,
        class_names=folder.class_names or ntu.class_names(classes),
        dataset="synthetic" if synthetic else ntu.dataset_of(classes),
        length=max(ntu.LENGTH, int(frames.max())),
        source=f"{folder.folder} ({'synthetic ' if synthetic else ''}.skeleton files, prepared)",
        synthetic=synthetic,
        dropped=tuple(
            Dropped(n, what.removeprefix("dropped: ")) for n, what in log if what.startswith("dropped")
        ),
    )
