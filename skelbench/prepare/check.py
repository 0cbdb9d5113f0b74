"""`--check`: is a prepared dataset whole and sound?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skelbench.data import DataError, available, load, ntu, protocol
from skelbench.data.formats.prepared import read_folder, read_meta


def check(folder: Path) -> list[str]:
    """Verifies hashes, ranges, names and counts of a prepared folder; returns what was found, a line each.

    Raises:
        DataError: the folder is not what was written, or a clip cannot be used.
    """
    meta = read_meta(folder)
    if read_folder(folder, tidied=False).content_hash != meta.get("content_hash"):
        raise DataError(
            f"{folder}: the content hash differs from the one in meta.json: the files were changed"
        )
    clips = load(folder)
    if clips.dataset in (ntu.NTU_60, ntu.NTU_120) or clips.synthetic:
        for index, name in enumerate(clips.names.tolist()):
            parsed = ntu.parse_name(name)
            if parsed is None or (parsed.action - 1, parsed.camera) != (
                clips.label[index],
                clips.camera[index],
            ):
                raise DataError(
                    f"{folder}: clip {name} has label {clips.label[index]}, which its name contradicts"
                )
    frames = clips.frames
    found = [
        f"{clips.dataset}: {len(clips):,} clips, {clips.classes} classes, {len(clips.joints):,} bodies in "
        f"{int(frames.sum()):,} frames ({frames.min()} to {frames.max()}, mean {frames.mean():.1f}), "
        f"coordinates {np.min(clips.joints):.3f} to {np.max(clips.joints):.3f} {clips.unit}",
        f"content hash {clips.content_hash}",
        f"{len(clips.dropped):,} clips were left out",
        *clips.notes,
    ]
    for name in available(clips):
        try:
            split = protocol(clips, name)
        except DataError as error:
            found.append(f"{name}: cannot be used: {error}")
            continue
        found.append(f"{name}: {len(split.train):,} / {len(split.test):,} ({split.description})")
        found += [f"  {line}" for line in (*split.notes, *split.warnings)]
    return found
