"""What lies in a raw NTU folder: the .skeleton files, the official lists of missing skeletons, the synthetic marker."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skelbench.data import DataError, Dropped, ntu
from skelbench.data.formats.tables import LabelTable, find_table, read_table
from skelbench.data.regular import bad_name, regular, shown
from skelbench.data.synthetic.raw import MARKER

NOT_A_NAME = "the file name is not SsssCcccPpppRrrrAaaa.skeleton"
NOT_IN_TABLE = "not in the table of labels"
BAD_NAME = "the file name holds control characters or is not UTF-8"
TWICE = "the same clip lies in the folder twice"
LISTED = "in a list of missing skeletons"

_LISTED_NAME = re.compile(r"S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}")
_LIST_BYTES = 1 << 24


@dataclass
class RawFolder:
    """The clips of a raw folder, by name."""

    folder: Path
    names: list[str] = field(default_factory=list)
    """Of the clips, in their order."""
    files: list[str] = field(default_factory=list)
    """Path of each clip's file."""
    classes: int = 60
    """120 where a clip is one that NTU RGB+D 120 added."""
    dropped: list[Dropped] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)
    """Lists of missing skeletons that were read."""
    table: LabelTable | None = None
    """Table of labels of files with names of their own; None: the names are NTU's."""
    notes: list[str] = field(default_factory=list)
    """What was found besides, for the report."""
    class_names: tuple[str, ...] | None = None
    """Of a synthetic folder, else None."""
    signature: str = ""
    """Changes with any file's path, size or time, and with the lists and the table."""


def scan(folder: Path, missing_lists: Sequence[Path] = (), labels: Path | None = None) -> RawFolder:
    """Finds the files, in subfolders too; links to folders are not followed, so that none is walked in a circle.

    Args:
        folder: where the .skeleton files lie.
        missing_lists: lists of missing skeletons; *missing*.txt in the folder are read, too, where they name clips.
        labels: table of labels; None: labels.csv in the folder, if there is one.

    Raises:
        DataError: the folder, a list or the table cannot be read, or there is no .skeleton file.
    """
    if not folder.is_dir():
        raise DataError(f"{shown(folder)}: no such folder; it should hold the .skeleton files of NTU RGB+D")
    found = RawFolder(folder)
    paths: list[tuple[str, str]] = []
    candidates: list[Path] = []
    errors: list[OSError] = []
    for where, _, names in os.walk(folder, onerror=errors.append):
        for name in names:
            if name.endswith(".skeleton"):
                paths.append((name.removesuffix(".skeleton"), os.path.join(where, name)))
            elif re.search(r"missing.*\.txt$", name, re.IGNORECASE):
                candidates.append(Path(where, name))
            elif name == MARKER and found.class_names is None:
                found.class_names = _made_up(Path(where, name))
    if errors:
        raise DataError(f"{shown(errors[0].filename)}: cannot be read: {errors[0].strerror}")
    if not paths:
        raise DataError(f"{shown(folder)}: no .skeleton file in it or in its subfolders")
    listed = _listed(found, candidates, missing_lists)
    if (table := labels or find_table(folder)) is not None:
        found.table = read_table(table)
    digest = hashlib.sha256("\n".join(sorted(listed)).encode())
    if found.table is not None:
        digest.update(repr(found.table.rows).encode())
    names_seen: set[str] = set()
    inside = len(os.fspath(folder))
    for name, path in sorted(paths):
        if bad_name(name):
            found.dropped.append(Dropped(shown(name), BAD_NAME))
            continue
        try:
            status = regular(path)
        except DataError as error:
            found.dropped.append(Dropped(name, str(error)))
            continue
        digest.update(
            f"{path[inside:]}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape")
        )
        parsed = ntu.parse_name(name)
        if found.table is not None:
            reason = None if name in found.table.rows else NOT_IN_TABLE
        else:
            reason = None if parsed is not None and 1 <= parsed.action <= 120 else NOT_A_NAME
        if reason is None and name in names_seen:
            reason = f"{TWICE}: {shown(path)}"
        elif reason is None and name in listed:
            reason = LISTED
        names_seen.add(name)
        if reason is not None:
            found.dropped.append(Dropped(name, reason))
            continue
        found.names.append(name)
        found.files.append(path)
        if parsed is not None and (parsed.action > 60 or parsed.setup > 17):
            found.classes = 120
    found.signature = digest.hexdigest()
    return found


def _made_up(marker: Path) -> tuple[str, ...]:
    """Class names of a synthetic folder."""
    try:
        names = json.loads(marker.read_text())["class_names"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{shown(marker)}: cannot be read: {error}") from None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{shown(marker)}: 'class_names' should be a list of texts")
    return tuple(names)


def _listed(found: RawFolder, candidates: Sequence[Path], named: Sequence[Path]) -> set[str]:
    """The names in the lists; their header lines hold none. One that was not asked for and names none is noted."""
    names: set[str] = set()
    for path in dict.fromkeys([*candidates, *named]):
        regular(path, _LIST_BYTES)
        try:
            listed = _LISTED_NAME.findall(path.read_text(errors="replace"))
        except OSError as error:
            raise DataError(f"{shown(path)}: cannot be read: {error.strerror}") from None
        if listed or path in named:
            found.lists.append(path)
            names.update(listed)
        else:
            found.notes.append(
                f"{shown(path)} names no clip (SsssCcccPpppRrrrAaaa): not read as a list of missing skeletons"
            )
    return names
