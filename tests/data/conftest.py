"""Small files of every format, made of the same few clips, for the readers' tests."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from skelbench.data import Clips, synthetic_corpus


@pytest.fixture(scope="session")
def corpus() -> Clips:
    """72 synthetic clips: 12 classes, 2 subjects, 3 cameras, some with two bodies."""
    return synthetic_corpus(clips=72, seed=3)


def padded(clips: Clips, indices: np.ndarray, frames: int = 300) -> np.ndarray:
    """(N, frames, 150) as CTR-GCN stores it."""
    rows = np.zeros((len(indices), frames, 2, 25, 3), dtype=np.float32)
    for row, index in zip(rows, indices, strict=True):
        clip = clips.clip(index)
        row[: clip.shape[0], : clip.shape[1]] = clip
    return rows.reshape(len(indices), frames, 150)


def write_ctrgcn(
    path: Path, clips: Clips, *, one_hot: bool = True, classes: int = 60, **changes: np.ndarray
) -> Path:
    """The clips of cameras 2, 3 and of camera 1 as x_train, x_test with their labels; `changes` replace arrays."""
    arrays = {}
    for part, indices in (
        ("train", np.flatnonzero(clips.camera > 1)),
        ("test", np.flatnonzero(clips.camera == 1)),
    ):
        arrays[f"x_{part}"] = padded(clips, indices)
        labels = clips.label[indices]
        arrays[f"y_{part}"] = np.eye(classes)[labels] if one_hot else labels
    np.savez(path, **{key: array for key, array in {**arrays, **changes}.items() if array is not None})
    return path


def pyskl_content(clips: Clips) -> dict:
    """What ntu60_3danno.pkl holds, of these clips."""
    annotations = [
        {
            "frame_dir": str(clips.names[index]),
            "label": int(clips.label[index]),
            "keypoint": clips.clip(index).transpose(1, 0, 2, 3).astype(np.float16),
            "total_frames": int(clips.frames[index]),
        }
        for index in range(len(clips))
    ]
    names = [str(name) for name in clips.names]
    train = [name for name, camera in zip(names, clips.camera, strict=True) if camera > 1]
    test = [name for name, camera in zip(names, clips.camera, strict=True) if camera == 1]
    return {"split": {"xview_train": train, "xview_val": test}, "annotations": annotations}


def write_pickle(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def ragged_arrays(clips: Clips) -> dict[str, np.ndarray]:
    """The arrays of a ragged npz of these clips, bodies padded to two."""
    frames = clips.frames
    x = np.zeros((int(frames.sum()), 2, 25, 3), dtype=np.float32)
    offsets = np.concatenate([[0], np.cumsum(frames)])
    for index in range(len(clips)):
        clip = clips.clip(index)
        x[offsets[index] : offsets[index + 1], : clip.shape[1]] = clip
    return {
        "x": x,
        "offsets": offsets,
        "label": clips.label.astype(np.int16),
        "subject": clips.subject.astype(np.int16),
        "view": clips.camera.astype(np.int16),
        "rep": clips.replication.astype(np.int16),
        "names": np.array([f"clip{index}" for index in range(len(clips))]),
        "class_names": np.array(clips.class_names),
        "joint_names": np.array(clips.skeleton.joint_names),
        "edges": np.array(clips.skeleton.edges, dtype=np.int16),
    }


def write_ragged(path: Path, clips: Clips, **changes: object) -> Path:
    """A ragged npz of these clips; `changes` replace arrays, or leave them out (None)."""
    arrays = {**ragged_arrays(clips), **changes}
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path
