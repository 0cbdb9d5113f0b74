"""A prepared dataset on disk: one .npy per array of `Clips` and meta.json, written whole or not at all.

Nothing is padded, and the joints are memory-mapped on loading: a folder of NTU RGB+D takes 300 bytes a frame
and body.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from skelbench.data.clips import Clips, DataError, Dropped, Skeleton

META = "meta.json"
_FORMAT = "skelbench clips"
_VERSION = 1
_ARRAYS = ("joints", "offsets", "bodies", "label", "names", "subject", "camera", "setup", "replication")
_SYNCS = 12  # calls of fsync at once
_SCALARS = ("dataset", "length", "max_bodies", "source", "unit", "synthetic")


def is_prepared(path: Path) -> bool:
    """Whether `path` is a folder that `save` wrote."""
    return (path / META).is_file()


def save(
    clips: Clips,
    folder: str | os.PathLike[str],
    files: Mapping[str, str] | None = None,
    joints_file: Path | None = None,
) -> None:
    """Writes `clips` to `folder`: beside it first, then moved into place, so that what lies there is whole.

    A prepared dataset that lies there already is replaced; an empty folder too. `files` are texts by name that belong
    to it, a log for instance. `joints_file` is a .npy file that holds `clips.joints` already, on the same file system:
    it is moved, after all else has been written.

    Raises:
        DataError: `folder` holds something else, or the disk is full (what was written is then named and
        kept).
    """
    folder = Path(folder)
    if folder.exists() and not is_prepared(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: exists and is no prepared dataset; name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    arrays: dict[str, np.ndarray] = {key: getattr(clips, key) for key in _ARRAYS}
    for name, (train, test) in clips.splits.items():
        arrays[f"split-{name}-train"], arrays[f"split-{name}-test"] = train, test
    if joints_file is not None:
        del arrays["joints"]
    try:
        # The joints go to the disk while the rest is made; the other files together, as their journal entries can then.
        with ThreadPoolExecutor(_SYNCS) as pool:
            synced = [pool.submit(_sync, joints_file)] if joints_file is not None else []
            for key, array in arrays.items():
                np.save(partial / f"{key}.npy", array, allow_pickle=False)
            for name, text in (files or {}).items():
                (partial / name).write_text(text)
            meta: dict[str, Any] = {
                "format": _FORMAT,
                "version": _VERSION,
                "clips": len(clips),
                "rows": len(clips.joints),
                "content_hash": clips.content_hash,
                **{key: getattr(clips, key) for key in _SCALARS},
                "class_names": clips.class_names,
                "skeleton": asdict(clips.skeleton),
                "splits": sorted(clips.splits),
                "notes": clips.notes,
                "files": sorted(files or {}),
                "dropped": [[record.name, record.reason] for record in clips.dropped],
            }
            (partial / META).write_text(json.dumps(meta, indent=1))
            synced += [pool.submit(_sync, path) for path in partial.iterdir()]
            for done in synced:
                done.result()
        if joints_file is not None:
            os.replace(joints_file, partial / "joints.npy")
    except OSError as error:
        raise DataError(
            f"{folder}: writing failed ({error.strerror}); what was written lies in {partial}"
        ) from error
    partial.chmod(0o755)
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old-", dir=folder.parent))
        os.replace(folder, old / "data")
        os.replace(partial, folder)
        shutil.rmtree(old)
    else:
        os.replace(partial, folder)


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def read_meta(folder: Path) -> dict[str, Any]:
    """The meta.json of a prepared folder.

    Raises:
        DataError: it cannot be parsed, or is of another format or a later version.
    """
    try:
        meta = json.loads((folder / META).read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / META}: cannot be read: {error}") from None
    if not isinstance(meta, dict) or meta.get("format") != _FORMAT:
        raise DataError(f"{folder / META}: is not of a prepared skelbench dataset")
    if meta.get("version") != _VERSION:
        raise DataError(f"{folder}: format version {meta.get('version')}, this skelbench reads {_VERSION}")
    return meta


def read_folder(folder: Path) -> Clips:
    """The clips that `save` wrote, joints memory-mapped read-only.

    Raises:
        DataError: an array is missing, cut short, or does not fit the others.
    """
    meta = read_meta(folder)
    arrays: dict[str, Any] = {key: _read_array(folder / f"{key}.npy", key == "joints") for key in _ARRAYS}
    count, rows = meta["clips"], meta["rows"]
    skeleton = meta["skeleton"]
    joints = len(skeleton["joint_names"])
    for key, array in arrays.items():
        expected = {"joints": (rows, joints, 3), "offsets": (count + 1,)}.get(key, (count,))
        if array.shape != expected:
            raise DataError(f"{folder / key}.npy: has shape {array.shape}, expected {expected}")
    offsets, bodies = arrays["offsets"], arrays["bodies"]
    counts = np.diff(offsets)
    if (
        offsets[0] != 0
        or offsets[-1] != rows
        or (counts < 0).any()
        or (bodies < 1).any()
        or (counts % bodies).any()
    ):
        raise DataError(f"{folder}: offsets.npy and bodies.npy do not fit joints.npy")
    skeleton["joint_names"] = tuple(skeleton["joint_names"])
    skeleton["edges"] = tuple((child, parent) for child, parent in skeleton["edges"])
    return Clips(
        **arrays,
        **{key: meta[key] for key in _SCALARS},
        class_names=tuple(meta["class_names"]),
        skeleton=Skeleton(**skeleton),
        splits={
            name: (
                _read_array(folder / f"split-{name}-train.npy"),
                _read_array(folder / f"split-{name}-test.npy"),
            )
            for name in meta["splits"]
        },
        notes=tuple(meta["notes"]),
        dropped=tuple(Dropped(name, reason) for name, reason in meta["dropped"]),
    )


def _read_array(path: Path, mapped: bool = False) -> np.ndarray:
    try:
        # A map of no bytes is not allowed, so an empty array is read.
        return np.load(
            path, mmap_mode="r" if mapped and path.stat().st_size > 128 else None, allow_pickle=False
        )
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
