"""PYSKL's and mmaction2's pickles: {"split": {"xsub_train": [names], ...}, "annotations": [...]}, or the older list.

An annotation has frame_dir (the name), label and keypoint (bodies, frames, joints, 3); with 2D keypoints (..., 2) it
has keypoint_score (bodies, frames, joints) and img_shape, too.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelbench.data.assemble import COLUMNS, Reading, marked_names
from skelbench.data.clips import Clips, DataError, IntArray, Skeleton
from skelbench.data.formats.ctrgcn_npz import exportable
from skelbench.data.formats.files import stem_of, written
from skelbench.data.formats.safe_pickle import unpickle
from skelbench.data.packing import Packer
from skelbench.data.rates import written_fps
from skelbench.data.skeletons import skeleton_from, skeleton_of
from skelbench.data.splits import indices_of, named_parts

_STEMS = {"NTU RGB+D": "ntu60", "NTU RGB+D 120": "ntu120"}


class _Annotation(NamedTuple):
    name: str
    label: int
    keypoint: NDArray[Any]
    """(frames, bodies, joints, 3)"""
    planar: bool
    columns: tuple[int, ...]
    """subject, camera, setup, replication, 0 where unknown."""


def read_pyskl(path: Path, labels_required: bool = True) -> Clips:
    """Clips of such a pickle, of any number of joints; frames and bodies that are only padding are not kept.

    2D keypoints get z = 0, and x and y run from -1 to 1 over the width of the image, where img_shape tells it. Their
    scores are not coordinates (shear and rotation would mix them with some), so they are dropped; a joint whose score
    is 0 is a missing joint.

    Raises:
        DataError: it is no such pickle, an annotation lacks a field or has it in another shape, or a split names a clip
            that is not there.
    """
    content = unpickle(path)
    extras: dict[str, Any] = {}
    if isinstance(content, dict) and {"split", "annotations"} <= content.keys():
        split, annotations, extras = content["split"], content["annotations"], content
    else:
        split, annotations = {}, content
    if not isinstance(annotations, list) or not annotations or not isinstance(split, dict):
        raise DataError(
            f"{path}: expected {{'split', 'annotations'}} or a list of annotations, as PYSKL writes them"
        )
    packer: Packer | None = None
    labels, names, columns, planar = [], [], [], 0
    for index in range(len(annotations)):
        found = _annotation(path, index, annotations[index], labels_required)
        annotations[index] = None  # so that its array goes
        joints = found.keypoint.shape[2]
        if packer is None:
            packer, expected = Packer(joints, padded=True), joints
        elif joints != expected:
            raise DataError(f"{path}: clip {found.name} has {joints} joints, the clips before it {expected}")
        packer.add(found.keypoint)
        labels.append(found.label)
        names.append(found.name)
        columns.append(found.columns)
        planar += found.planar
    assert packer is not None
    if planar not in (0, len(names)):
        raise DataError(f"{path}: {planar} of {len(names)} clips are 2D; give 2D and 3D clips in two files")
    reading = Reading.packed(path, "PYSKL pickle", packer, _skeleton(path, extras, expected))
    reading.names = np.array(names, dtype=str)
    reading.label = np.array(labels, dtype=np.int64)
    by_column = np.array(columns, dtype=np.int64).T
    reading.columns = {key: column for key, column in zip(COLUMNS, by_column, strict=True) if column.any()}
    if planar:
        reading.unit = "half the image's width"
        note = "2D keypoints: z is 0, x and y run from -1 to 1 over the image's width, scores are not used"
        reading.notes = (*reading.notes, f"{note} (a score of 0 is a missing joint)")
    reading.parts = _parts(path, split, names)
    reading.synthetic = bool(extras.get("synthetic", False))
    if (class_names := extras.get("class_names")) is not None:
        if not isinstance(class_names, list | tuple) or not all(
            isinstance(name, str) for name in class_names
        ):
            raise DataError(f"{path}: 'class_names' should be a list of texts")
        reading.class_names = tuple(class_names)
    for key, kind in (("dataset", str), ("unit", str), ("length", int)):
        if (value := extras.get(key)) is not None:
            if not isinstance(value, kind):
                raise DataError(f"{path}: '{key}' is {type(value).__name__}, expected {kind.__name__}")
            setattr(reading, key, value)
    reading.fps = extras.get("fps")
    return reading.clips()


def _skeleton(path: Path, extras: dict[str, Any], joints: int) -> Skeleton:
    names, edges = extras.get("joint_names"), extras.get("edges", ())
    if names is None:
        return skeleton_of(joints)
    try:
        pairs = [(int(child), int(parent)) for child, parent in edges]
    except (TypeError, ValueError):
        pairs = [(-1, -1)]
    root = extras.get("root")
    if root is not None and (not isinstance(root, int) or not 0 <= root < joints):
        raise DataError(f"{path}: 'root' should be a joint number from 0 to {joints - 1}")
    if (
        not isinstance(names, list | tuple)
        or len(names) != joints
        or any(not 0 <= joint < joints for pair in pairs for joint in pair)
    ):
        raise DataError(f"{path}: 'joint_names' and 'edges' do not fit the {joints} joints of the clips")
    skeleton = skeleton_from([str(name) for name in names], pairs)
    return skeleton if root is None else replace(skeleton, root=root, centred=True)


def _annotation(path: Path, index: int, annotation: Any, labels_required: bool) -> _Annotation:
    needed = {"frame_dir", "label", "keypoint"} if labels_required else {"frame_dir", "keypoint"}
    if not isinstance(annotation, dict) or not needed <= annotation.keys():
        raise DataError(f"{path}: annotation {index} needs 'frame_dir', 'label' and 'keypoint'")
    name, keypoint = str(annotation["frame_dir"]), annotation["keypoint"]
    label = annotation.get("label", -1)
    if not isinstance(label, int | np.integer) or not -(1 << 31) < int(label) < 1 << 31:
        raise DataError(f"{path}: the label of clip {name} is not an integer")
    if not isinstance(keypoint, np.ndarray) or keypoint.dtype.kind not in "fiu" or keypoint.ndim != 4:
        raise DataError(
            f"{path}: the keypoint of clip {name} is not a float array (bodies, frames, joints, 3)"
        )
    columns = tuple(annotation.get(key, 0) for key in COLUMNS)
    if not all(isinstance(number, int | np.integer) and 0 <= number < 1 << 31 for number in columns):
        raise DataError(f"{path}: {', '.join(COLUMNS)} of clip {name} should be whole numbers")
    joints, numbers = keypoint.shape[2:]
    if not joints or numbers not in (2, 3):
        raise DataError(
            f"{path}: the keypoint of clip {name} has {joints} joints of {numbers} numbers; expected 3, or 2 with "
            "keypoint_score"
        )
    if not keypoint.size:
        empty = np.zeros((0, 1, joints, 3), dtype=np.float32)
        return _Annotation(name, int(label), empty, numbers == 2, columns)
    if numbers == 2:
        keypoint = _lifted(path, name, annotation, keypoint)
    return _Annotation(name, int(label), keypoint.transpose(1, 0, 2, 3), numbers == 2, columns)


def _lifted(path: Path, name: str, annotation: dict[str, Any], keypoint: NDArray[Any]) -> NDArray[np.float32]:
    """2D keypoints (M, T, J, 2) as 3D; joints with a score of 0 become NaN, bodies without any score zero."""
    found = np.zeros((*keypoint.shape[:3], 3), dtype=np.float32)
    found[..., :2] = keypoint
    shape = annotation.get("img_shape")
    if shape is not None:
        try:
            height, width = (float(size) for size in shape)
        except (TypeError, ValueError):
            raise DataError(f"{path}: the img_shape of clip {name} is not (height, width)") from None
        if not (width > 0 and height > 0):
            raise DataError(f"{path}: the img_shape of clip {name} is ({height:g}, {width:g})")
        middle = np.array([width, height], dtype=np.float32) / 2
        found[..., :2] = (found[..., :2] - middle) / middle[0]
    absent = ~(keypoint != 0).any(axis=-1)
    score = annotation.get("keypoint_score")
    if score is not None:
        if not isinstance(score, np.ndarray) or score.shape != keypoint.shape[:3]:
            raise DataError(f"{path}: the keypoint_score of clip {name} does not fit its keypoint")
        absent |= ~(score > 0)
    found[absent] = np.nan
    found[absent.all(axis=-1)] = 0
    return found


def _parts(path: Path, split: dict[str, Any], names: list[str]) -> dict[str, IntArray]:
    place = {name: index for index, name in enumerate(names)}
    found = {}
    for key, wanted in split.items():
        if not isinstance(wanted, list | tuple | np.ndarray):
            raise DataError(f"{path}: split '{key}' is {type(wanted).__name__}, expected a list of names")
        found[str(key)] = indices_of(path, str(key), wanted, place)
    return found


def write_pyskl(clips: Clips, folder: Path) -> list[Path]:
    """ntu60_3danno.pkl or ntu120_3danno.pkl: split and annotations, keypoint float32 (bodies, frames, joints, 3).

    The keypoints are those of the clips, so a prepared body stands at the origin, not in front of the camera; they are
    not rounded to float16, so that the clips come back to the bit. More keys, which PYSKL passes over: class_names,
    joint_names, edges, root, dataset, unit, length, synthetic, fps; in an annotation subject, camera, setup,
    replication.
    """
    names = marked_names(clips)
    split = {part: names[indices].tolist() for part, indices in named_parts(clips).items()}
    for name, parts in exportable(clips).items():
        if name not in clips.splits:
            split[f"{name}_train"], split[f"{name}_val"] = (
                names[parts.train].tolist(),
                names[parts.test].tolist(),
            )
    annotations = [
        {
            "frame_dir": str(names[index]),
            "label": int(clips.label[index]),
            "keypoint": np.ascontiguousarray(clips.clip(index).transpose(1, 0, 2, 3)),
            "total_frames": int(clips.frames[index]),
            **{key: int(getattr(clips, key)[index]) for key in COLUMNS},
        }
        for index in range(len(clips))
    ]
    content = {
        "split": split,
        "annotations": annotations,
        "class_names": list(clips.class_names),
        "joint_names": list(clips.skeleton.joint_names),
        "edges": [list(edge) for edge in clips.skeleton.edges],
        "root": clips.skeleton.root if clips.skeleton.centred else None,
        "dataset": clips.dataset,
        "unit": clips.unit,
        "length": clips.length,
        "synthetic": clips.synthetic,
        "fps": written_fps(clips),
    }

    def write(path: Path) -> None:
        with open(path, "wb") as file:
            pickle.dump(content, file, protocol=4)

    stem = _STEMS.get(clips.dataset, stem_of(clips.dataset))
    return [written(folder / f"{stem}_3danno.pkl", write)]
