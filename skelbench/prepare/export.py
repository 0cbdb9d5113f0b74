"""A prepared dataset in the two public formats: CTR-GCN's npz and PYSKL's pickle."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from skelbench.data import Clips, DataError, Split, available, ntu, protocol

_SUFFIX = {
    ntu.NTU_60: {"xsub": "NTU60_CS", "xview": "NTU60_CV"},
    ntu.NTU_120: {"xsub": "NTU120_CSub", "xset": "NTU120_CSet"},
}
_GROUPED_BY = {"xsub": "subject", "xview": "camera", "xset": "setup"}
_BLOCK = 256  # clips padded at a time


def _written(path: Path, write: Callable[[Path], None]) -> Path:
    """Writes beside `path` and moves it into place."""
    partial = path.with_name(f".{path.name}.partial")
    write(partial)
    os.replace(partial, path)
    return path


def _splits(clips: Clips) -> dict[str, Split]:
    """The protocols that leave clips for both parts; `--check` says why another does not."""
    found = {}
    for name in available(clips):
        with suppress(DataError):
            found[name] = protocol(clips, name)
    return found


def export_ctrgcn(clips: Clips, folder: Path) -> list[Path]:
    """NTU60_CS.npz and so on: x_train (N, 300, 150), one-hot y_train, x_test, y_test, uncompressed, one per protocol.

    Rows are grouped by subject, camera or setup, then ordered by name, as the public script orders them. For
    NTU RGB+D 120 a single actor is written into both places, as its script does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stems = _SUFFIX.get(clips.dataset, {})
    written = []
    for name, split in _splits(clips).items():

        def write(path: Path, split=split, name=name) -> None:  # type: ignore[no-untyped-def]
            with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                for part, indices in (("train", split.train), ("test", split.test)):
                    group = getattr(clips, _GROUPED_BY[name])[indices]
                    ordered = indices[np.lexsort((clips.names[indices], group))]
                    shape = (len(ordered), clips.length, 150)
                    _write_member(archive, f"x_{part}", shape, np.float32, _padded(clips, ordered))
                    labels = np.eye(clips.classes)[clips.label[ordered]]
                    _write_member(archive, f"y_{part}", labels.shape, np.float64, iter([labels]))

        written.append(_written(folder / f"{stems.get(name, f'synthetic_{name}')}.npz", write))
    return written


def _write_member(
    archive: zipfile.ZipFile, key: str, shape: tuple[int, ...], dtype: type, blocks: Iterator[np.ndarray]
) -> None:
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for block in blocks:
            member.write(np.ascontiguousarray(block, dtype=dtype).tobytes())


def _padded(clips: Clips, indices: np.ndarray) -> Iterator[np.ndarray]:
    for begin in range(0, len(indices), _BLOCK):
        some = indices[begin : begin + _BLOCK].tolist()
        rows = np.zeros((len(some), clips.length, 2, 25, 3), dtype=np.float32)
        for row, index in zip(rows, some, strict=True):
            clip = clips.clip(index)
            row[: clip.shape[0], : clip.shape[1]] = clip
            if clip.shape[1] == 1 and clips.dataset == ntu.NTU_120:
                row[: clip.shape[0], 1] = clip[:, 0]
        yield rows.reshape(len(some), clips.length, 150)


def export_pyskl(clips: Clips, folder: Path) -> list[Path]:
    """ntu60_3danno.pkl or ntu120_3danno.pkl: split and annotations, keypoint float16 (bodies, frames, 25, 3).

    The keypoints are those of the prepared dataset, so the body stands at the origin, not in front of the camera.
    """
    folder.mkdir(parents=True, exist_ok=True)
    split: dict[str, list[str]] = {}
    for name, parts in _splits(clips).items():
        split[f"{name}_train"] = clips.names[parts.train].tolist()
        split[f"{name}_val"] = clips.names[parts.test].tolist()
    annotations = [
        {
            "frame_dir": str(clips.names[index]),
            "label": int(clips.label[index]),
            "keypoint": np.ascontiguousarray(clips.clip(index).transpose(1, 0, 2, 3), dtype=np.float16),
            "total_frames": int(clips.frames[index]),
        }
        for index in range(len(clips))
    ]
    stem = {ntu.NTU_60: "ntu60", ntu.NTU_120: "ntu120"}.get(clips.dataset, "synthetic")

    def write(path: Path) -> None:
        with open(path, "wb") as file:
            pickle.dump({"split": split, "annotations": annotations}, file, protocol=4)

    return [_written(folder / f"{stem}_3danno.pkl", write)]


EXPORTS = {"ctrgcn": export_ctrgcn, "pyskl": export_pyskl}
