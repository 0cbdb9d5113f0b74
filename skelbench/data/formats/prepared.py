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
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data import ntu
from skelbench.data.clips import Clips, DataError, Dropped, IntArray, Skeleton, release
from skelbench.data.formats.arrays import DAMAGE, is_text, one_line
from skelbench.data.packing import Packer, offsets_of
from skelbench.data.presence import present, tidy
from skelbench.data.rates import KINECT, stated_fps, written_fps

META = "meta.json"
_FORMAT = "skelbench clips"
_VERSION = 1
_ARRAYS = ("joints", "offsets", "bodies", "label", "names", "subject", "camera", "setup", "replication")
_SYNCS = 12  # calls of fsync at once
_SCALARS = {"dataset": str, "length": int, "max_bodies": int, "source": str, "unit": str, "synthetic": bool}
_CHUNK = 1 << 16  # rows


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
    the dataset gets it under a second name, after all else has been written; whoever made it removes the first.

    Raises:
        DataError: `folder` holds something else, or the disk is full (what was written is then named and kept).
    """
    folder = Path(folder)
    if folder.exists() and not is_prepared(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: exists and is no prepared dataset; name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    arrays: dict[str, np.ndarray] = {key: getattr(clips, key) for key in _ARRAYS}
    splits = _split_files(clips)
    arrays.update({stem: indices for stem, (_, _, indices) in splits.items()})
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
                "fps": written_fps(clips),
                "class_names": clips.class_names,
                "skeleton": asdict(clips.skeleton),
                "splits": [[stem, kind, name] for stem, (kind, name, _) in splits.items()],
                "notes": clips.notes,
                "files": sorted(files or {}),
                "dropped": [[record.name, record.reason] for record in clips.dropped],
            }
            (partial / META).write_text(json.dumps(meta, indent=1))
            synced += [pool.submit(_sync, path) for path in partial.iterdir()]
            for done in synced:
                done.result()
        if joints_file is not None:
            try:
                # Not moved: were the process killed here, the joints would lie where nobody looks for them.
                os.link(joints_file, partial / "joints.npy")
            except OSError:  # a file system without hard links
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
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{folder / META}: cannot be read: {error}") from None
    if not isinstance(meta, dict) or meta.get("format") != _FORMAT:
        raise DataError(f"{folder / META}: is not of a prepared skelbench dataset")
    if meta.get("version") != _VERSION:
        raise DataError(f"{folder}: format version {meta.get('version')}, this skelbench reads {_VERSION}")
    return meta


def _split_files(clips: Clips) -> dict[str, tuple[str, str, IntArray]]:
    """(kind, name, clip indices) of each part of a split, by the stem of its file."""
    found: list[tuple[str, str, IntArray]] = []
    for name, (train, test) in clips.splits.items():
        found += [("train", name, train), ("test", name, test)]
    found += [("validation", name, part) for name, part in clips.validation.items()]
    found += [("part", name, part) for name, part in clips.parts.items()]
    return {f"split-{number}": entry for number, entry in enumerate(found)}


def read_folder(folder: Path, tidied: bool = True) -> Clips:
    """The clips that `save` wrote, joints memory-mapped read-only.

    With `tidied`, clips with bodies that are in no frame are made as every reader gives them
    (`skelbench.data.presence`); earlier versions wrote such clips. Then all joints are read into memory.

    Raises:
        DataError: an array is missing, cut short, or does not fit the others; meta.json lacks a field or has one of
            another type.
    """
    meta = read_meta(folder)
    arrays: dict[str, Any] = {key: _read_array(folder / f"{key}.npy", key == "joints") for key in _ARRAYS}
    count: int = _field(folder, meta, "clips", int)
    rows: int = _field(folder, meta, "rows", int)
    skeleton = _skeleton(folder, meta)
    joints = len(skeleton.joint_names)
    for key, array in arrays.items():
        shapes: dict[str, tuple[int, ...]] = {"joints": (rows, joints, 3), "offsets": (count + 1,)}
        expected = shapes.get(key, (count,))
        if key == "names":
            right = is_text(array)
        else:
            right = array.dtype == np.float32 if key == "joints" else array.dtype.kind in "iu"
        if array.shape != expected or not right:
            raise DataError(f"{folder / key}.npy: is {array.dtype} {array.shape}, expected {expected}")
    offsets, bodies = arrays["offsets"], arrays["bodies"]
    counts = np.diff(offsets)
    if (
        offsets[0] != 0
        or offsets[-1] != rows
        or (counts < 0).any()
        or (bodies < 1).any()
        or (counts % np.maximum(bodies, 1)).any()
    ):
        raise DataError(f"{folder}: offsets.npy and bodies.npy do not fit joints.npy")
    clips = Clips(
        **arrays,
        **{key: _field(folder, meta, key, kind) for key, kind in _SCALARS.items()},
        fps=_fps(folder, meta, count),
        class_names=tuple(_texts(folder, meta, "class_names")),
        skeleton=skeleton,
        notes=tuple(_texts(folder, meta, "notes")),
        dropped=tuple(Dropped(name, reason) for name, reason in _pairs(folder, meta, "dropped")),
        **_read_splits(folder, meta, count),
    )
    if clips.length < clips.frames.max(initial=0) or clips.max_bodies < clips.bodies.max(initial=0):
        raise DataError(f"{folder / META}: length and max_bodies are less than those of the clips")
    return _tidied(clips) if tidied else clips


def _fps(folder: Path, meta: dict[str, Any], count: int) -> NDArray[np.float64] | None:
    """As stated; a folder of an earlier version states none, and NTU RGB+D has its own."""
    stated = meta.get("fps")
    if stated is None and meta.get("dataset") in (ntu.NTU_60, ntu.NTU_120) and not meta.get("synthetic"):
        stated = KINECT
    return None if stated is None else stated_fps(folder / META, stated, count)


def _field(folder: Path, meta: dict[str, Any], key: str, kind: type) -> Any:
    value: Any = meta.get(key)
    right = isinstance(value, kind)
    if kind is int:
        right = right and not isinstance(value, bool) and 0 <= int(value) < 1 << 62
    if not right:
        raise DataError(f"{folder / META}: '{key}' is {_brief(value)}, expected {kind.__name__}")
    return value


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _texts(folder: Path, meta: dict[str, Any], key: str) -> list[str]:
    value: list[str] = _field(folder, meta, key, list)
    if not all(isinstance(item, str) for item in value):
        raise DataError(f"{folder / META}: '{key}' should be a list of texts")
    return value


def _pairs(folder: Path, meta: dict[str, Any], key: str) -> list[tuple[str, str]]:
    value = _field(folder, meta, key, list)
    for item in value:
        if not isinstance(item, list) or len(item) != 2 or not all(isinstance(text, str) for text in item):
            raise DataError(f"{folder / META}: '{key}' should be a list of pairs of texts")
    return [(first, second) for first, second in value]


def _skeleton(folder: Path, meta: dict[str, Any]) -> Skeleton:
    where = f"{folder / META}: 'skeleton'"
    stored = dict(_field(folder, meta, "skeleton", dict))
    names = stored.pop("joint_names", None)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{where} should have the texts joint_names")

    def joint(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names)

    edges = stored.pop("edges", None)
    if not isinstance(edges, list) or not all(
        isinstance(edge, list) and len(edge) == 2 and all(map(joint, edge)) for edge in edges
    ):
        raise DataError(f"{where} should have edges, pairs of joint numbers")
    centred = stored.pop("centred", True)
    known = {field.name for field in fields(Skeleton)}
    if not isinstance(centred, bool) or not joint(stored.get("root")) or not stored.keys() <= known:
        raise DataError(f"{where} has an unknown field or no root")
    if any(value is not None and not joint(value) for value in stored.values()):
        raise DataError(f"{where} names a joint that is not there")
    return Skeleton(
        tuple(names), tuple((child, parent) for child, parent in edges), centred=centred, **stored
    )


def _read_splits(folder: Path, meta: dict[str, Any], count: int) -> dict[str, Any]:
    """The fields splits, validation and parts of `Clips`."""
    found: dict[str, dict[str, Any]] = {"train": {}, "test": {}, "validation": {}, "part": {}}
    for entry in _field(folder, meta, "splits", list):
        if isinstance(entry, str):
            # As version 0.1 wrote them: a split by name, its files named after it.
            entries = [(f"split-{entry}-{kind}", kind, entry) for kind in ("train", "test")]
        elif isinstance(entry, list) and len(entry) == 3 and all(isinstance(item, str) for item in entry):
            entries = [(entry[0], entry[1], entry[2])]
        else:
            raise DataError(f"{folder / META}: 'splits' has the entry {_brief(entry)}")
        for stem, kind, name in entries:
            if kind not in found or Path(stem).name != stem:
                raise DataError(f"{folder / META}: 'splits' has the entry {_brief(entry)}")
            indices = _read_array(folder / f"{stem}.npy")
            inside = not indices.size or 0 <= int(indices.min()) <= int(indices.max()) < count
            if indices.ndim != 1 or indices.dtype.kind not in "iu" or not inside:
                raise DataError(f"{folder / stem}.npy: should hold clip numbers from 0 to {count - 1}")
            found[kind][name] = indices.astype(np.int64)
    if found["train"].keys() != found["test"].keys():
        raise DataError(f"{folder / META}: 'splits' names a training part without a test part")
    return {
        "splits": {name: (train, found["test"][name]) for name, train in found["train"].items()},
        "validation": found["validation"],
        "parts": found["part"],
    }


def _tidied(clips: Clips) -> Clips:
    if not len(clips) or not _untidy(clips):
        return clips
    packer = Packer(clips.joints.shape[1], padded=False)
    for index in range(len(clips)):
        packer.add(clips.clip(index))
        if index % 4096 == 0:
            release(clips.joints)
    frames, bodies = packer.frames, packer.bodies
    changed = int(((frames != clips.frames) | (bodies != clips.bodies)).sum())
    note = f"{changed} clips had bodies or frames in which nobody is; they were left out (prepare the folder again)"
    return replace(
        clips,
        joints=packer.joints(),
        offsets=offsets_of(frames, bodies),
        bodies=bodies,
        notes=(*clips.notes, *packer.notes(), note),
    )


def _untidy(clips: Clips) -> bool:
    """Whether `tidy` would change a clip."""
    some = np.flatnonzero(np.diff(clips.offsets) > 0)
    # Of one body, both ends tell.
    for ends in (clips.offsets[:-1][some], clips.offsets[1:][some] - 1):
        alone = ends[clips.bodies[some] == 1]
        for begin in range(0, len(alone), _CHUNK):
            if not present(clips.joints[alone[begin : begin + _CHUNK]]).all():
                return True
            release(clips.joints)
    for number, index in enumerate(np.flatnonzero(clips.bodies > 1).tolist()):
        clip = clips.clip(index)
        if tidy(clip).clip.shape != clip.shape:
            return True
        if number % 1024 == 0:
            release(clips.joints)
    return False


def _read_array(path: Path, mapped: bool = False) -> NDArray[Any]:
    try:
        # A map of no bytes is not allowed, so an empty array is read.
        array: NDArray[Any] = np.load(
            path, mmap_mode="r" if mapped and path.stat().st_size > 128 else None, allow_pickle=False
        )
        return array
    except DAMAGE as error:
        raise DataError(f"{path}: cannot be read: {one_line(error)}") from None
