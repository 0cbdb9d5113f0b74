"""What a run of prepare that is not finished has on disk, so that the next one goes on: `Work`."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from skelbench.data import DataError

_HEADER = 128  # bytes of a .npy file before its data
_ROW = 25 * 3 * 4  # bytes of a body in a frame


@dataclass
class Part:
    """Some consecutive files of the raw folder: what became of them."""

    files: int
    kept: list[int] = field(default_factory=list)
    """Index, in the raw folder, of each file that gave a clip."""
    frames: list[int] = field(default_factory=list)
    """Of each such clip."""
    bodies: list[int] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    """Clip name and remark."""

    @property
    def rows(self) -> int:
        """Bodies in frames of its clips."""
        return sum(frames * bodies for frames, bodies in zip(self.frames, self.bodies, strict=True))


class Work:
    """The folder .OUT.work, held by one run: `joints`, a .npy file that grows, and a line of JSON for each whole part.

    The first line is the signature of the run; parts of another one are not taken up. A part counts once its line is
    whole, which is written after its joints are on the disk, so that a kill at any moment costs one part.

    Raises:
        DataError: another run holds the folder.
    """

    def __init__(self, out: Path, signature: str) -> None:
        self.folder = out.parent / f".{out.name}.work"
        self.joints = self.folder / "joints.npy"
        self.parts: list[Part] = []
        # Bodies in frames, of all parts.
        self.rows = 0
        self._list = self.folder / "parts.jsonl"
        self._lock = _locked(self.folder, out)
        self._recorder = ThreadPoolExecutor(1)
        self._recorded: Future[None] | None = None  # of the last part
        lines = self._list.read_bytes().splitlines(keepends=True) if self._list.exists() else []
        head = f"{json.dumps(signature)}\n".encode()
        if lines and lines[0] == head:
            size = self.joints.stat().st_size if self.joints.exists() else 0
            for line in lines[1:]:
                part = _part(line)
                if part is None or _end(self.rows + part.rows) > size:
                    break
                self._count(part)
        if not self.parts:
            # It may be a finished dataset's as well, by a second name.
            self.joints.unlink(missing_ok=True)
        with open(self._list, "wb") as file:
            file.write(b"".join([head, *lines[1 : len(self.parts) + 1]]))
        with open(self.joints, "ab") as file:
            file.truncate(_end(self.rows))

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.shutdown()
        self._lock.close()

    def _count(self, part: Part) -> None:
        self.parts.append(part)
        self.rows += part.rows

    def append(self, part: Part, clips: Iterable[NDArray[np.float32]]) -> None:
        """Writes a part whose clips are (T, m, 25, 3) each; its line follows while the next part is read.

        Raises:
            OSError: this part or the one before could not be written; those before are still whole.
        """
        with open(self.joints, "r+b") as file:
            file.seek(_end(self.rows))
            for clip in clips:
                file.write(np.ascontiguousarray(clip).data)
        self._wait()
        self._count(part)
        self._recorded = self._recorder.submit(self._record, part)

    def _record(self, part: Part) -> None:
        with open(self.joints, "r+b") as file:
            os.fsync(file.fileno())
        with open(self._list, "ab") as file:
            file.write(f"{json.dumps(vars(part))}\n".encode())

    def _wait(self) -> None:
        if self._recorded is not None:
            self._recorded.result()

    def flush(self) -> None:
        """Waits until the last part is on the disk. Raises OSError as `append` does."""
        self._wait()

    def finish(self) -> NDArray[np.float32]:
        """Makes `joints` a whole .npy file; its array (rows, 25, 3), memory-mapped. Raises OSError as `append` does."""
        self._wait()
        header = io.BytesIO()
        shape = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, 25, 3)}
        np.lib.format.write_array_header_1_0(header, shape)
        if len(header.getvalue()) != _HEADER:
            raise AssertionError("the header of a .npy file is not of 128 bytes")
        with open(self.joints, "r+b") as file:
            file.write(header.getvalue())
        joints: NDArray[np.float32] = np.load(self.joints, mmap_mode="r")
        return joints


@dataclass(frozen=True)
class Finished:
    """A work folder that has all of its files, as it is merged; held until the end."""

    folder: Path
    parts: list[Part]
    joints: NDArray[np.float32]
    """(rows, 25, 3) of all parts, memory-mapped."""
    lock: IO[str]


def finished(out: Path, signature: str, files: int) -> Finished:
    """Looks at a work folder and leaves it as it is.

    Args:
        out: as for `Work`.
        signature: which it must have been begun with.
        files: which its parts must have.

    Raises:
        DataError: it is not there, is of another run, is not finished, or a run holds it; the message says which.
    """
    folder = out.parent / f".{out.name}.work"
    listed = folder / "parts.jsonl"
    if not listed.exists():
        raise DataError(f"{folder}: is not there: run this share first")
    lock = _locked(folder, out)
    lines = listed.read_bytes().splitlines(keepends=True)
    if not lines or lines[0] != f"{json.dumps(signature)}\n".encode():
        raise DataError(f"{folder}: was made of other files or by another version: run this share again")
    parts = [part for line in lines[1:] if (part := _part(line)) is not None]
    done, rows = sum(part.files for part in parts), sum(part.rows for part in parts)
    joints = folder / "joints.npy"
    if done != files or not joints.exists() or joints.stat().st_size < _end(rows):
        raise DataError(f"{folder}: has {done} of its {files} files: run this share again, it goes on there")
    packed = (
        np.memmap(joints, np.float32, "r", _HEADER, (rows, 25, 3))
        if rows
        else np.empty((0, 25, 3), np.float32)
    )
    return Finished(folder, parts, packed, lock)


def discard(out: Path) -> None:
    """Removes the work folder of a dataset that is finished: of a run that was killed while it removed it.

    Raises:
        DataError: another run holds the folder.
    """
    folder = out.parent / f".{out.name}.work"
    if folder.exists():
        with _locked(folder, out):
            shutil.rmtree(folder)


def _end(rows: int) -> int:
    """Bytes of the joints' file."""
    return _HEADER + rows * _ROW


def _part(line: bytes) -> Part | None:
    """The part that a line tells of, None where the line is not whole."""
    try:
        return Part(**json.loads(line)) if line.endswith(b"\n") else None
    except (ValueError, TypeError):
        return None


def _locked(work: Path, out: Path) -> IO[str]:
    """The open, locked lock file of the work folder; it is let go when the process ends, however that is."""
    while True:
        work.mkdir(parents=True, exist_ok=True)
        try:
            file = open(work / "lock", "a")  # noqa: SIM115 - Work closes it
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
