"""Writing a file so that a reader finds the old one or the new one, whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skelbench.errors import SkelbenchError

# Weights, scores and pages of a run are read by the same people: one mode for all, less what the umask takes.
_MODE = 0o666
# Characters of a name; a file system takes 255 bytes, and a character may have four.
_LONGEST = 48


class FileError(SkelbenchError):
    """A file that cannot be written or read; one line that names it."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends without an error.

    The folder is made where it is missing. An error leaves `path` as it was, and nothing beside it.

    Raises:
        FileError: the file cannot be written; the message names it, and the free space where the disk is full.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.chmod(partial, _MODE & ~_umask())
        os.replace(partial, path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {reason(error, path)}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a folder to this process: another one that asks for it gets an error that names this one.

    The system releases the lock when the process ends, however it ends.

    Raises:
        FileError: another process holds it, or the lock cannot be written.
    """
    path = folder / ".lock"
    try:
        file = open(path, "a+")  # noqa: SIM115 - closed below
    except OSError as error:
        raise FileError(f"{path} cannot be written: {reason(error, path)}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The owner before may have removed the file between the two lines above.
            if os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                raise BlockingIOError
        except OSError as error:
            file.seek(0)
            owner = file.read().strip() or "another process"
            raise FileError(f"{folder} is in use by {owner}: wait for it, or name another folder") from error
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def require_absent(path: Path, force: bool, option: str = "--out") -> None:
    """Refuse to overwrite a file unless it is wanted.

    Raises:
        FileError: the file exists and not `force`.
    """
    if path.exists() and not force:
        raise FileError(f"{option} {path} exists: --force overwrites it")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in place of `path`.

    Raises:
        FileError: see `replacing`.
    """
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def file_name(name: str, suffix: str) -> str:
    """A file's name from a name that is not ours: one short name within a folder, another one for every other name.

    Letters, digits, "-", "_" and "." are kept. A name that is changed or cut ends in a part of its SHA-256, so that
    no two names give one file.

    Args:
        name: of a clip, for instance.
        suffix: of the file, with its dot.
    """
    kept = re.sub(r"[^\w.-]+", "-", name).lstrip(".-")[:_LONGEST]
    if kept != name or not kept:
        kept += f"-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:12]}"
    return kept.lstrip("-") + suffix


def reason(error: OSError, path: Path) -> str:
    """Why the system refused, with the free space where that is the reason."""
    words = error.strerror or str(error)
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return words
    return f"{words} ({free / 1e6:,.0f} MB free in {path.parent})" if free < 100e6 else words


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
