"""From a raw NTU folder to a packed dataset: read, choose and clean the bodies, move to the origin, pack.

`prepare` works in parts of PART files, kept beside the output (`Work`), so that a killed run goes on where it was; the
output itself appears whole or not at all.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skelbench.data import NTU_25, Clips, DataError, Dropped, ntu, save
from skelbench.data.assemble import Reading
from skelbench.data.formats.prepared import read_folder
from skelbench.data.formats.recordings import NO_BODY, RawClip, read_raw
from skelbench.prepare.raw import LISTED, RawFolder, scan
from skelbench.prepare.work import Part, Work

PART = 1000
"""Files in a part."""
LOG = "prepare.log"

_BATCH = 25  # files a thread reads in one go
_AHEAD = 40  # batches read before they are written
_VERSION = 3  # of the rules and of the work folder; another one does not continue a run


@dataclass(frozen=True)
class Outcome:
    """What a run did."""

    clips: Clips
    changed: int
    """Clips of which frames or bodies were left out."""
    resumed: int
    """Files that an earlier run had read already."""
    lists: tuple[Path, ...]
    """Lists of missing skeletons that were read."""

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
    labels: Path | None = None,
) -> Outcome:
    """Writes the clips of `raw` to `out`, and to out/prepare.log every clip left out or changed and why.

    Args:
        raw: folder of .skeleton files, in subfolders too.
        out: folder for the dataset.
        missing_lists: lists of missing skeletons besides those that lie in `raw`.
        threads: files read at once; None: the number of processors.
        progress: called with the files done and their number.
        labels: table of labels, for files of other names than NTU's; None: labels.csv in `raw`, if there is one.

    Raises:
        DataError: `raw` cannot be used, no clip is left, another run writes to `out`, or the disk is full (the parts
            that are done are kept, and the next run goes on with them).
    """
    folder = scan(raw, missing_lists, labels)
    with Work(out, signature(folder)) as work:
        resumed = read_files(work, folder, out, range(len(folder.files)), threads, progress)
        return finish(work, folder, out, resumed)


def signature(folder: RawFolder) -> str:
    """What a work folder was begun for: the rules, and every file."""
    return f"{_VERSION} {folder.signature}"


def read_files(
    work: Work,
    folder: RawFolder,
    out: Path,
    files: range,
    threads: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> int:
    """Reads the files of the raw folder at these places, part by part, but for those that an earlier run had read.

    Returns:
        The number of files that an earlier run had read.

    Raises:
        DataError: the disk is full.
    """
    resumed = sum(part.files for part in work.parts)
    progress(resumed, len(files))
    with writing(work, out), ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        clips = _read_all(pool, folder.files[files.start + resumed : files.stop])
        for begin in files[resumed::PART]:
            part = Part(min(PART, files.stop - begin))
            work.append(part, _of_part(part, folder, begin, clips))
            progress(begin - files.start + part.files, len(files))
        work.flush()
    return resumed


def finish(work: Work, folder: RawFolder, out: Path, resumed: int) -> Outcome:
    """Makes the dataset of a work folder that has every file, and removes the work folder.

    Raises:
        DataError: no clip is left, or the disk is full.
    """
    with writing(work, out):
        log, packed = _assemble(work, folder)
        text = "".join(f"{name}\t{what}\n" for name, what in sorted(log))
        save(packed, out, {LOG: text}, joints_file=work.joints)
    shutil.rmtree(work.folder)
    tidy(out)
    return replace(outcome_of(out, folder), resumed=resumed)


def tidy(out: Path) -> None:
    """Removes what `save` had under way when runs were killed."""
    for kind in ("partial", "old"):
        for left in out.parent.glob(f".{glob.escape(out.name)}.{kind}-*"):
            shutil.rmtree(left)


def outcome_of(out: Path, folder: RawFolder) -> Outcome:
    """What the run did that made the dataset at `out` of these files."""
    lines = (out / LOG).read_text().splitlines()
    changed = {
        name for name, _, what in (line.partition("\t") for line in lines) if what.startswith("changed")
    }
    return Outcome(read_folder(out), len(changed), len(folder.files), tuple(folder.lists))


@contextmanager
def writing(work: Work, out: Path) -> Iterator[None]:
    """What becomes of a disk that is full: one line, and the parts that are done are kept."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{out}: writing failed ({error.strerror}); the parts that are done lie in {work.folder}, run again to "
            "go on"
        ) from error


def _read_batch(paths: Sequence[str]) -> list[RawClip]:
    return [read_raw(path) for path in paths]


def _read_all(pool: ThreadPoolExecutor, files: Sequence[str]) -> Iterator[RawClip]:
    """The clips of the files, in their order, _AHEAD batches ahead of the one that is asked for."""
    # A task per file would cost as much as the file: the threads would wait for one another's bookkeeping.
    waiting: deque[Future[list[RawClip]]] = deque()
    for begin in range(0, len(files), _BATCH):
        waiting.append(pool.submit(_read_batch, files[begin : begin + _BATCH]))
        if len(waiting) > _AHEAD:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()


def _of_part(
    part: Part, folder: RawFolder, begin: int, clips: Iterator[RawClip]
) -> Iterator[NDArray[np.float32]]:
    """The joints of the next `part.files` clips, those that are kept; fills in the part."""
    for index in range(begin, begin + part.files):
        clip, remarks = next(clips)
        what = "dropped" if clip is None else "changed"
        part.log += [(folder.names[index], f"{what}: {remark}") for remark in remarks]
        if clip is not None:
            part.kept.append(index)
            part.frames.append(clip.shape[0])
            part.bodies.append(clip.shape[1])
            yield clip


def _assemble(work: Work, folder: RawFolder) -> tuple[list[tuple[str, str]], Clips]:
    """The log, and all clips, their joints those of the work folder."""
    log = [(record.name, f"dropped: {record.reason}") for record in folder.dropped]
    for part in work.parts:
        log += [(name, what) for name, what in part.log]
    if not work.rows:
        raise DataError(f"{folder.folder}: no clip can be used; the first: {log[0][0]} {log[0][1]}")

    def all_of(lists: Iterable[list[int]]) -> NDArray[np.int64]:
        return np.concatenate([np.array(numbers, dtype=np.int64) for numbers in lists])

    frames, bodies = all_of(part.frames for part in work.parts), all_of(part.bodies for part in work.parts)
    names = [folder.names[index] for part in work.parts for index in part.kept]
    return log, _clips(folder, names, work.finish(), frames, bodies, log)


def _clips(
    folder: RawFolder,
    names: list[str],
    joints: NDArray[np.float32],
    frames: NDArray[np.int64],
    bodies: NDArray[np.int64],
    log: Sequence[tuple[str, str]],
) -> Clips:
    synthetic = folder.class_names is not None
    form = f"{'synthetic ' if synthetic else ''}.skeleton files, prepared"
    reading = Reading(folder.folder, form, joints, frames, bodies, NTU_25)
    reading.names = np.array(names, dtype=str)
    reading.unit, reading.synthetic, reading.class_names = "metre", synthetic, folder.class_names
    if folder.table is not None:
        folder.table.describe(reading, names)
    else:
        reading.width, reading.length = None if synthetic else folder.classes, ntu.LENGTH
    reading.notes = tuple(folder.notes)
    dropped = tuple(
        Dropped(name, what.removeprefix("dropped: ")) for name, what in log if what.startswith("dropped")
    )
    return replace(reading.clips(), dropped=dropped)
