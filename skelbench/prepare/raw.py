"""What lies in a raw NTU folder: the .skeleton files, the official lists of missing skeletons, the synthetic marker."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skelbench.data import DataError, Dropped, ntu
from skelbench.data.synthetic.raw import MARKER

NOT_A_NAME = "the file name is not SsssCcccPpppRrrrAaaa.skeleton"
TWICE = "the same clip lies in the folder twice"
LISTED = "in a list of missing skeletons"

_LISTED_NAME = re.compile(r"S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}")


@dataclass
class RawFolder:
    """The clips of a raw folder, by name."""

    folder: Path
    names: list[str] = field(default_factory=list)  #: of the clips, in their order
    files: list[str] = field(default_factory=list)  #: path of each clip's file
    classes: int = 60  #: 120 where a clip is one that NTU RGB+D 120 added
    dropped: list[Dropped] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)  #: lists of missing skeletons that were read
    class_names: tuple[str, ...] | None = None  #: of a synthetic folder, else None
    signature: str = ""  #: changes with any file's path, size or time, and with the lists


def scan(folder: Path, missing_lists: Sequence[Path] = ()) -> RawFolder:
    """Finds the files, in subfolders too. Lists are those named, and *missing*skeleton*.txt in the folder.

    Raises:
        DataError: the folder or a list cannot be read, or there is no .skeleton file.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold the .skeleton files of NTU RGB+D")
    found = RawFolder(folder)
    paths: list[tuple[str, str]] = []
    errors: list[OSError] = []
    for where, _, names in os.walk(folder, onerror=errors.append):
        for name in names:
            if name.endswith(".skeleton"):
                paths.append((name.removesuffix(".skeleton"), os.path.join(where, name)))
            elif re.search(r"missing.*skeleton.*\.txt$", name, re.IGNORECASE):
                found.lists.append(Path(where, name))
    if errors:
        raise DataError(f"{errors[0].filename}: cannot be read: {errors[0].strerror}")
    if not paths:
        raise DataError(f"{folder}: no .skeleton file in it or in its subfolders")
    found.lists += [path for path in missing_lists if path not in found.lists]
    listed = _listed(found.lists)
    if (folder / MARKER).is_file():
        found.class_names = tuple(json.loads((folder / MARKER).read_text())["class_names"])
    digest = hashlib.sha256("\n".join(sorted(listed)).encode())
    names_seen: set[str] = set()
    inside = len(os.fspath(folder))
    for name, path in sorted(paths):
        status = os.stat(path)
        digest.update(f"{path[inside:]}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        parsed = ntu.parse_name(name)
        if parsed is None or not 1 <= parsed.action <= 120:
            found.dropped.append(Dropped(name, NOT_A_NAME))
        elif name in names_seen:
            found.dropped.append(Dropped(name, f"{TWICE}: {path}"))
        elif name in listed:
            found.dropped.append(Dropped(name, LISTED))
        else:
            found.names.append(name)
            found.files.append(path)
            if parsed.action > 60 or parsed.setup > 17:
                found.classes = 120
        names_seen.add(name)
    found.signature = digest.hexdigest()
    return found


def _listed(lists: Iterable[Path]) -> set[str]:
    """The names in the lists; their header lines hold none."""
    names: set[str] = set()
    for path in lists:
        try:
            names.update(_LISTED_NAME.findall(path.read_text(errors="replace")))
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    return names
