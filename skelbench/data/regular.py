"""What may be opened: regular files of bounded size, under names that can be shown."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from skelbench.data.clips import DataError

MAX_TEXT = 1 << 28
"""Bytes of a recording or of another text file: 256 MiB, a hundred times the largest .skeleton file of NTU RGB+D."""


def shown(name: object) -> str:
    """A name as a terminal, a page and a log can show it: control characters and undecodable bytes are escaped."""
    text = os.fspath(name) if isinstance(name, os.PathLike) else str(name)
    if isinstance(text, bytes):
        text = text.decode(errors="surrogateescape")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()
        for letter in text
    )


def regular(path: str | os.PathLike[str], limit: int = MAX_TEXT) -> os.stat_result:
    """The status of a file that may be opened.

    Raises:
        DataError: it is no regular file (a device or a pipe, say, also behind a link), is not there, or holds more than
            `limit` bytes.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{shown(path)}: cannot be read: {reason}") from None
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{shown(path)}: is no regular file")
    if status.st_size > limit:
        raise DataError(f"{shown(path)}: holds {status.st_size:,} bytes; such a file has at most {limit:,}")
    return status


def bad_name(name: str) -> bool:
    """Whether a clip name cannot be shown or written: control characters, or bytes that are not UTF-8."""
    return not name.isprintable()


def readable(path: Path) -> bool:
    """Whether `regular` lets a file be opened."""
    try:
        regular(path)
    except DataError:
        return False
    return True
