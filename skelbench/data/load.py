"""`load`: one door for every format, which is recognised by its content."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skelbench.data.checks import checked
from skelbench.data.clips import Clips, DataError
from skelbench.data.formats import (
    csv_long,
    ctrgcn_npz,
    hdf5,
    nctvm_npy,
    ragged_npz,
    recordings,
    tables,
    ucla_json,
)
from skelbench.data.formats.arrays import Arrays, NpzArrays
from skelbench.data.formats.prepared import is_prepared, read_folder
from skelbench.data.formats.pyskl_pkl import read_pyskl
from skelbench.data.identity import PUBLIC
from skelbench.data.missing import MissingRule, without_missing
from skelbench.data.regular import regular, shown
from skelbench.data.splits import with_split
from skelbench.data.synthetic import synthetic_corpus
from skelbench.data.units import in_metres

KNOWN_FORMATS = (
    "a folder written by `skelbench prepare`, a ragged .npz (x, offsets, label, ...), an NTU .npz as CTR-GCN "
    "or MAMP write it (x_train, y_train, ...), HDF5 of either, a PYSKL or mmaction2 .pkl, (N, C, T, V, M) .npy with "
    "label .pkl, NW-UCLA's JSON, CSV in long form, and .bvh or .skeleton files with labels.csv (docs/formats.md)"
)
MAX_BYTES = 1 << 40
"""Of a data file; what it unpacks to is held against its headers."""


def load(
    path: str | os.PathLike[str] | None = None,
    drop_bad: bool = False,
    *,
    missing: MissingRule | None = None,
    unit: str | None = None,
    split: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    labels_required: bool = True,
) -> Clips:
    """The clips in `path`, whatever its format; without a path, the synthetic corpus.

    Args:
        path: file or folder.
        drop_bad: clips that cannot be used (NaN or infinite coordinates, nobody in any frame, a label out of range, a
            name twice) are left out, recorded in `dropped` and counted in `notes`; otherwise they are an error.
        missing: what is done with joints that were not found, see `skelbench.data.missing.without_missing`.
        unit: of the coordinates, see `skelbench.data.units.in_metres`.
        split: "TRAIN:TEST" or "TRAIN:VALIDATION:TEST", parts of the file or files of clip names, see
            `skelbench.data.splits.with_split`; the split is then protocol "file".
        labels: table of labels of .skeleton or .bvh files; None: labels.csv beside them.
        labels_required: whether a clip must have a label; without, it is -1 where unknown.

    Raises:
        DataError: nothing is there, it cannot be read, its format is not known, or clips cannot be used.
    """
    if path is None:
        clips = synthetic_corpus()
        return with_split(clips, split) if split else clips
    path = Path(path)
    try:
        clips = _read(path, None if labels is None else Path(labels), labels_required)
    except PermissionError:
        raise DataError(f"{shown(path)}: may not be read (permission denied)") from None
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {error}") from None
    try:
        return _prepared(clips, drop_bad, missing, unit, split, labels_required)
    except DataError as error:
        # A prepared folder's source is the raw one.
        if str(path) in str(error) or split:
            raise
        raise DataError(f"{shown(path)}: {error}") from None


def load_recordings(
    paths: Sequence[str | os.PathLike[str]],
    *,
    missing: MissingRule | None = None,
    unit: str | None = None,
) -> Clips:
    """Clips of recordings without labels, for a model to classify: label is -1 where the file tells none.

    Args:
        paths: .skeleton or .bvh files, a clip each; or one file or folder of any other format.
        missing: as `load`.
        unit: as `load`.

    Raises:
        DataError: a file cannot be read, or holds no body.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise DataError("no recording was named")
    if len(files) == 1 and (files[0].is_dir() or files[0].suffix not in recordings.ENDINGS):
        if files[0].is_dir() and not is_prepared(files[0]) and (found := recordings.recordings_in(files[0])):
            files = found
        else:
            return load(files[0], missing=missing, unit=unit, labels_required=False)
    others = [path for path in files if path.suffix not in recordings.ENDINGS]
    if others:
        raise DataError(f"{shown(others[0])}: name one file of that format at a time")
    clips = recordings.read_recordings(files, required=False)
    return _prepared(clips, False, missing, unit, None, False)


def _prepared(
    clips: Clips,
    drop_bad: bool,
    missing: MissingRule | None,
    unit: str | None,
    split: str | None,
    labels_required: bool,
) -> Clips:
    # What is not finite is counted by `checked`; until then it may be.
    with np.errstate(invalid="ignore", over="ignore"):
        clips = in_metres(clips, unit)
        clips = without_missing(clips, missing, known=clips.synthetic or clips.dataset in PUBLIC)
    clips = checked(clips, drop_bad, labels_required)
    if split:
        clips = with_split(clips, split)
    # What a public file states of its unit beyond the unit ("metre, y up ...") stays.
    return clips if clips.unit else replace(clips, unit="unknown")


def _read(path: Path, labels: Path | None, required: bool) -> Clips:
    if not os.path.lexists(path):
        raise DataError(f"{shown(path)}: no such file or folder; skelbench reads {KNOWN_FORMATS}")
    if path.is_dir():
        return _read_dir(path, labels, required)
    regular(path, MAX_BYTES)
    if zipfile.is_zipfile(path):
        return _read_arrays(NpzArrays(path), "npz", required)
    with open(path, "rb") as file:
        start = file.read(8)
    if start == hdf5.MAGIC:
        return _read_arrays(hdf5.Hdf5Arrays(path), "HDF5", required)
    if start.startswith(b"\x93NUMPY"):
        return nctvm_npy.read_nctvm(path, required)
    if path.name.endswith("_label.pkl") and nctvm_npy.data_files(path.parent):
        return nctvm_npy.read_nctvm(path.parent, required)
    if start[:1] == b"\x80" or path.suffix in (".pkl", ".pickle"):
        return read_pyskl(path, required)
    if start[:2] == b"PK":
        raise DataError(f"{shown(path)}: an npz that is cut short or damaged; fetch or write it again")
    if not start:
        raise DataError(f"{shown(path)}: an empty file; skelbench reads {KNOWN_FORMATS}")
    if path.suffix in recordings.ENDINGS:
        if required:
            raise DataError(
                f"{shown(path)}: one recording; a data set is a folder of them: run `skelbench prepare "
                f"{shown(path.parent)} OUT` and load OUT"
            )
        return recordings.read_recordings([path], required=False)
    if csv_long.is_long_csv(path):
        return csv_long.read_long_csv(path, required)
    raise DataError(f"{shown(path)}: of no known format; skelbench reads {KNOWN_FORMATS}")


def _read_dir(path: Path, labels: Path | None, required: bool) -> Clips:
    if is_prepared(path):
        return read_folder(path)
    if nctvm_npy.data_files(path):
        return nctvm_npy.read_nctvm(path, required)
    if files := ucla_json.clip_files(path):
        return ucla_json.read_ucla(path, files, required)
    table = labels or tables.find_table(path)
    found = recordings.recordings_in(path)
    if found and (table is not None or not required):
        read = None if table is None else tables.read_table(table)
        return recordings.read_recordings(found, read, path, required)
    if found and found[0].suffix == ".bvh":
        raise DataError(
            f"{shown(path)}: BVH files without labels.csv (columns name, label; optional subject, view)"
        )
    if found or any(path.glob("*/*.skeleton")):
        raise DataError(
            f"{shown(path)}: raw NTU files; run `skelbench prepare {shown(path)} OUT` and load OUT"
        )
    raise DataError(f"{shown(path)}: a folder without meta.json; skelbench reads {KNOWN_FORMATS}")


def _read_arrays(arrays: Arrays, form: str, required: bool) -> Clips:
    if "x_train" in arrays or "y_train" in arrays:
        return ctrgcn_npz.read_ctrgcn(arrays, f"CTR-GCN {form}")
    if "x" in arrays or "offsets" in arrays:
        return ragged_npz.read_ragged(arrays, f"ragged {form}", required)
    raise DataError(
        f"{arrays.path}: an {form} with neither {', '.join(ragged_npz.KEYS[:3])} nor "
        f"{', '.join(ctrgcn_npz.KEYS[:2])}; skelbench reads {KNOWN_FORMATS}"
    )
