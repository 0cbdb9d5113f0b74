"""The synthetic corpus as a raw NTU folder of .skeleton files, faults included on request."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import DataError
from skelbench.data.synthetic.corpus import CAMERAS, clip_name, observe, performances
from skelbench.data.synthetic.motion import ACTIONS

MARKER = "synthetic.json"
"""Lies in a raw folder that was made up: what is prepared from it says that it is synthetic."""

FAULTS = ("empty", "truncated", "no-body")

_FIRST_ID = 72057594037931000  # Kinect's body ids are of this size


def skeleton_text(frames: Sequence[Sequence[tuple[int, NDArray[np.float32]]]]) -> str:
    """The text of a .skeleton file: per frame, the (bodyID, joints (25, 3)) of every body."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for body_id, joints in bodies:
            lines += [f"{body_id} 0 1 1 1 1 0 0.0123 -0.0456 2", "25"]
            depth = np.maximum(joints[:, 2], 0.1)
            pixels = joints[:, :2] / depth[:, None]  # pinhole cameras of about Kinect's focal lengths
            for (x, y, z), (u, v) in zip(joints.tolist(), pixels.tolist(), strict=True):
                lines.append(
                    f"{x:.7g} {y:.7g} {z:.7g} {256 + 366 * u:.7g} {212 - 366 * v:.7g} "
                    f"{960 + 1064 * u:.7g} {540 - 1064 * v:.7g} 0.2123436 0.0513212 0.9637411 -0.1534452 2"
                )
    return "\n".join(lines) + "\n"


def write_raw_folder(
    folder: Path,
    clips: int,
    seed: int = 0,
    mean_frames: float = 83,
    ghosts: float = 0.05,
    faults: float = 0.0,
    progress: Callable[[int], object] = lambda done: None,
) -> dict[str, str]:
    """Writes `clips` files named SsssCcccPpppRrrrAaaa.skeleton; returns the faults by clip name.

    Frame counts spread around `mean_frames` up to 300. A share `ghosts` of the clips has a body that is none: short,
    or wider than high. A share `faults` is empty, cut short, or has no body in any frame.

    Raises:
        DataError: the folder exists and holds something else than a synthetic raw folder.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise DataError(f"{folder}: holds other files; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    classes = [name for name, *_ in ACTIONS]
    (folder / MARKER).write_text(json.dumps({"clips": clips, "seed": seed, "class_names": classes}) + "\n")
    found: dict[str, str] = {}
    count = -(-clips // CAMERAS)
    subjects = int(np.clip(count // (2 * len(ACTIONS)), 8, 40))
    # Recordings are trimmed at both ends by up to a quarter, so that performances last a third longer.
    made = performances(count, seed, subjects=subjects, mean_frames=mean_frames * 4 / 3, most_frames=300)
    written = 0
    for index, performance in enumerate(made):
        for camera in range(1, CAMERAS + 1):
            if written == clips:
                return found
            rng = np.random.default_rng([seed, 3, index, camera])
            name = clip_name(performance, camera)
            bodies = _track(observe(performance, camera, rng), ghosts, rng)
            text = skeleton_text(bodies)
            if rng.random() < faults:
                found[name] = FAULTS[int(rng.integers(len(FAULTS)))]
                text = {
                    "empty": "",
                    "truncated": text[: int(len(text) * rng.uniform(0.2, 0.9))],
                    "no-body": skeleton_text([()] * len(bodies)),
                }[found[name]]
            (folder / f"{name}.skeleton").write_text(text)
            written += 1
            progress(written)
    return found


def _track(
    clip: NDArray[np.float32], ghosts: float, rng: np.random.Generator
) -> list[list[tuple[int, NDArray[np.float32]]]]:
    """A clip (T, m, 25, 3) as the tracker saw it: ids, frames without a body, and sometimes a body that is none."""
    ids = (_FIRST_ID + rng.choice(10_000, size=clip.shape[1] + 1, replace=False)).tolist()
    frames = [[(ids[m], body) for m, body in enumerate(frame) if body.any()] for frame in clip]
    if rng.random() < 0.1:
        at = int(rng.integers(0, len(frames) + 1))
        frames[at:at] = [[] for _ in range(int(rng.integers(1, 5)))]
    if rng.random() < ghosts:
        wide = rng.random() < 0.5
        length = len(frames) if wide else min(len(frames), int(rng.integers(1, 12)))
        begin = int(rng.integers(0, len(frames) - length + 1))
        size = np.array([0.9, 0.3, 0.3] if wide else [0.3, 0.9, 0.3])
        ghost = (rng.normal(0, 0.3, (25, 3)) * size + [1, 0, 3]).astype(np.float32)
        for frame in frames[begin : begin + length]:
            frame.append((ids[-1], ghost + rng.normal(0, 0.01, 3).astype(np.float32)))
    return frames
