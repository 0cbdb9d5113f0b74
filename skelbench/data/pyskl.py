"""Reader of PYSKL's and mmaction2's pickles, by an unpickler that admits arrays and plain containers only."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from skelbench.data import ntu
from skelbench.data.clips import Clips, DataError
from skelbench.data.packing import concatenate, count_unpadded, offsets_of
from skelbench.data.skeletons import NTU_25

# What a pickle of arrays and containers refers to. numpy.core became numpy._core in numpy 2.
_ADMITTED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    *(
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    ),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise DataError(f"asks for {module}.{name}; only numpy arrays and plain containers are read")
        return super().find_class(module, name)


def unpickle(path: Path) -> Any:
    """The object in the file.

    Raises:
        DataError: the pickle is broken, or refers to anything but numpy arrays, scalars and plain containers.
    """
    try:
        with open(path, "rb") as file:
            return _Unpickler(file).load()
    except DataError as error:
        raise DataError(f"{path}: the pickle {error}") from None
    except OSError:
        raise
    except Exception as error:  # a broken pickle can raise almost anything
        raise DataError(f"{path}: not a readable pickle ({type(error).__name__}: {error})") from None


def read_pyskl(path: Path) -> Clips:
    """Clips from {"split": {"xsub_train": [names], ...}, "annotations": [...]} or from the older bare list.

    An annotation has frame_dir (the name), label and keypoint (bodies, frames, 25, 3). A "_val" or "_test"
    list and its "_train" list become one split. Frames and bodies that are only zero padding are not kept.
    """
    content = unpickle(path)
    if isinstance(content, dict) and {"split", "annotations"} <= content.keys():
        split, annotations = content["split"], content["annotations"]
    else:
        split, annotations = {}, content
    if not isinstance(annotations, list) or not annotations or not isinstance(split, dict):
        raise DataError(
            f"{path}: expected {{'split', 'annotations'}} or a list of annotations, as PYSKL writes them"
        )
    parts, frames, bodies, labels, names = [], [], [], [], []
    for index, annotation in enumerate(annotations):
        name, label, clip = _annotation(path, index, annotation)
        parts.append(clip)
        frames.append(clip.shape[0])
        bodies.append(clip.shape[1])
        labels.append(label)
        names.append(name)
    all_frames, all_bodies = np.array(frames, dtype=np.int64), np.array(bodies, dtype=np.int64)
    numbers = [ntu.parse_name(name) or ntu.Name(0, 0, 0, 0, 0) for name in names]
    setup, camera, subject, replication, _ = np.array(numbers, dtype=np.int64).T
    classes = 60 if max(labels) < 60 and setup.max() <= 17 else 120
    return Clips(
        joints=concatenate(parts, int((all_frames * all_bodies).sum()), 25),
        offsets=offsets_of(all_frames, all_bodies),
        bodies=all_bodies,
        label=np.array(labels, dtype=np.int64),
        names=np.array(names, dtype=str),
        subject=subject,
        camera=camera,
        setup=setup,
        replication=replication,
        skeleton=NTU_25,
        class_names=ntu.class_names(classes),
        dataset=ntu.dataset_of(classes),
        length=max(ntu.LENGTH, max(frames)),
        max_bodies=max(ntu.MAX_BODIES, max(bodies)),
        source=f"{path} (PYSKL pickle)",
        splits=_splits(path, split, names),
    )


def _annotation(path: Path, index: int, annotation: Any) -> tuple[str, int, np.ndarray]:
    """Name, label and joints (frames, bodies, 25, 3) of one annotation, without padding."""
    if not isinstance(annotation, dict) or not {"frame_dir", "label", "keypoint"} <= annotation.keys():
        raise DataError(f"{path}: annotation {index} needs 'frame_dir', 'label' and 'keypoint'")
    name, keypoint = str(annotation["frame_dir"]), annotation["keypoint"]
    if not isinstance(annotation["label"], int | np.integer):
        raise DataError(f"{path}: the label of clip {name} is not an integer")
    if not isinstance(keypoint, np.ndarray) or keypoint.dtype.kind != "f" or keypoint.ndim != 4:
        raise DataError(
            f"{path}: the keypoint of clip {name} is not a float array (bodies, frames, joints, 3)"
        )
    if keypoint.shape[2:] != (25, 3):
        raise DataError(
            f"{path}: the keypoint of clip {name} has {keypoint.shape[2]} joints of {keypoint.shape[3]} numbers; "
            "only 3D skeletons of 25 joints can be used (ntu60_3danno.pkl, ntu60_3d.pkl)"
        )
    if not keypoint.size:
        return name, int(annotation["label"]), np.zeros((0, 1, 25, 3), dtype=np.float32)
    block = keypoint.transpose(1, 0, 2, 3)
    frames, bodies = (int(count[0]) for count in count_unpadded(block[None], trim_frames=True))
    return name, int(annotation["label"]), block[:frames, :bodies]


def _splits(path: Path, split: dict, names: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    place = {name: index for index, name in enumerate(names)}

    def indices(key: str, wanted: Iterable[Any]) -> np.ndarray:
        wanted = [str(name) for name in wanted]
        unknown = [name for name in wanted if name not in place]
        if unknown:
            raise DataError(
                f"{path}: split '{key}' names {len(unknown)} clips without annotation, first {unknown[0]}"
            )
        return np.array([place[name] for name in wanted], dtype=np.int64)

    found = {}
    for train_key in split:
        stem = str(train_key).removesuffix("train")
        if stem == train_key:
            continue
        test_key = next((key for key in (stem + "val", stem + "test") if key in split), None)
        if test_key is not None:
            train, test = indices(train_key, split[train_key]), indices(test_key, split[test_key])
            found[stem.rstrip("_") or "file"] = (train, test)
    return found
