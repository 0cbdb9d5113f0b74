"""NW-UCLA as CTR-GCN and its followers have it: a folder all_sqe of JSON files, one a clip.

a01_s01_e00_v01.json: {"file_name": ..., "skeletons": [[[x, y, z], ... 20 joints], ... frames], "label": 1}; labels
begin at 1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data.assemble import Reading, marked_names
from skelbench.data.clips import Clips, DataError
from skelbench.data.formats.files import stem_of, written
from skelbench.data.packing import Packer
from skelbench.data.regular import regular
from skelbench.data.skeletons import KINECT_20, KINECT_20_EDGES, skeleton_from

FOLDER = "all_sqe"


def clip_files(folder: Path) -> list[Path]:
    """The JSON files of clips in a folder, or in its subfolder all_sqe; [] where there are none."""
    for place in (folder, folder / FOLDER):
        found = sorted(path for path in place.glob("*.json") if path.is_file()) if place.is_dir() else []
        if found and _is_clip(found[0]):
            return found
    return []


def _is_clip(path: Path) -> bool:
    try:
        regular(path)
        return b'"skeletons"' in path.read_bytes()
    except (OSError, DataError):
        return False


def read_ucla(folder: Path, files: list[Path], labels_required: bool = True) -> Clips:
    """Clips of such files; labels begin at 1 in them, and are held against the names.

    Raises:
        DataError: a file is no JSON, or a clip has other than 20 joints of 3 numbers in each frame.
    """
    packer = Packer(20, padded=False)
    names, labels = [], []
    for path in files:
        content = _content(path)
        packer.add(_joints(path, content)[:, None])
        names.append(str(content.get("file_name") or path.stem))
        label = content.get("label")
        if label is None and not labels_required:
            label = 0
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < 1 << 31:
            raise DataError(f"{path}: 'label' is {label!r}, expected a class number from 1")
        labels.append(label - 1)
    reading = Reading.packed(folder, "NW-UCLA JSON", packer, skeleton_from(KINECT_20, KINECT_20_EDGES))
    reading.names, reading.label = np.array(names, dtype=str), np.array(labels, dtype=np.int64)
    return reading.clips()


def _content(path: Path) -> dict[str, Any]:
    regular(path)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(f"{path}: not a readable JSON file: {error}") from None
    if not isinstance(content, dict) or "skeletons" not in content:
        raise DataError(f"{path}: expected an object with 'skeletons' and 'label'")
    return content


def _joints(path: Path, content: dict[str, Any]) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # what overflows is infinite, and makes a clip that cannot be used
            joints = np.array(content["skeletons"], dtype=np.float32)
    except (ValueError, TypeError, OverflowError):
        raise DataError(f"{path}: 'skeletons' is no array of numbers (frames, 20, 3)") from None
    if joints.ndim != 3 or joints.shape[1:] != (20, 3):
        raise DataError(f"{path}: 'skeletons' has shape {joints.shape}, expected (frames, 20, 3)")
    return joints


def write_ucla(clips: Clips, folder: Path) -> list[Path]:
    """all_sqe/NAME.json for each clip of one body of 20 joints.

    Raises:
        DataError: the clips have other bodies.
    """
    if clips.joints.shape[1] != 20 or (clips.bodies != 1).any():
        raise DataError(f"{clips.source}: the layout of NW-UCLA holds one body of 20 joints")
    paths = []
    for index, name in enumerate(marked_names(clips).tolist()):
        # float32 as the shortest decimal that gives it back.
        rows = [[[float(str(x)) for x in joint] for joint in frame] for frame in clips.clip(index)[:, 0]]
        text = json.dumps({"file_name": name, "skeletons": rows, "label": int(clips.label[index]) + 1})
        path = folder / FOLDER / f"{stem_of(name)}.json"
        paths.append(written(path, lambda partial, text=text: partial.write_text(text)))  # type: ignore[misc]
    return paths
