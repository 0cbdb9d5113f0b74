"""`load`: one door for every format, which is recognised by its content."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from skelbench.data.checks import checked
from skelbench.data.clips import Clips, DataError
from skelbench.data.folder import is_prepared, read_folder
from skelbench.data.npz import CTRGCN_KEYS, RAGGED_KEYS, Members, read_ctrgcn, read_ragged
from skelbench.data.pyskl import read_pyskl
from skelbench.data.synthetic import synthetic_corpus

KNOWN_FORMATS = (
    "a folder written by `skelbench prepare`, a ragged .npz (x, offsets, label, ...), "
    "an NTU .npz as CTR-GCN or MAMP write it (x_train, y_train, ...), a PYSKL or mmaction2 .pkl"
)


def load(path: str | os.PathLike[str] | None = None, drop_bad: bool = False) -> Clips:
    """The clips in `path`, whatever its format; without a path, the synthetic corpus.

    With `drop_bad`, clips that cannot be used (NaN or infinite coordinates, no frames, a label out of range,
    a name twice) are left out, recorded in `dropped` and counted in `notes`; otherwise they are an error.

    Raises:
        DataError: nothing is there, it cannot be read, its format is not known, or clips cannot be used.
    """
    if path is None:
        return synthetic_corpus()
    path = Path(path)
    try:
        return checked(_read(path), drop_bad)
    except PermissionError:
        raise DataError(f"{path}: may not be read (permission denied)") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from None


def _read(path: Path) -> Clips:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; skelbench reads {KNOWN_FORMATS}")
    if path.is_dir():
        if is_prepared(path):
            return read_folder(path)
        if any(path.glob("*.skeleton")) or any(path.glob("*/*.skeleton")):
            raise DataError(f"{path}: raw NTU files; run `skelbench prepare {path} OUT` and load OUT")
        raise DataError(f"{path}: a folder without meta.json; skelbench reads {KNOWN_FORMATS}")
    if zipfile.is_zipfile(path):
        members = Members(path)
        if "x_train" in members or "y_train" in members:
            return read_ctrgcn(members)
        if "x" in members or "offsets" in members:
            return read_ragged(members)
        raise DataError(
            f"{path}: an npz with neither {', '.join(RAGGED_KEYS[:3])} nor {', '.join(CTRGCN_KEYS[:2])}; "
            f"skelbench reads {KNOWN_FORMATS}"
        )
    with open(path, "rb") as file:
        start = file.read(2)
    if start[:1] == b"\x80" or path.suffix in (".pkl", ".pickle"):
        return read_pyskl(path)
    if start == b"PK":
        raise DataError(f"{path}: an npz that is cut short or damaged; fetch or write it again")
    if not start:
        raise DataError(f"{path}: an empty file; skelbench reads {KNOWN_FORMATS}")
    raise DataError(f"{path}: of no known format; skelbench reads {KNOWN_FORMATS}")
