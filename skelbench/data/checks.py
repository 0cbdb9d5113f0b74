"""Checks that every reader's result passes: what cannot be used is named and counted, never silently skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from skelbench.data.clips import Clips, DataError, Dropped, release
from skelbench.data.presence import present
from skelbench.data.regular import bad_name, shown

_CHUNK = 1 << 18  # rows looked at in one go

NOT_FINITE = "NaN or infinite coordinates"
NO_FRAMES = "nobody in any frame"
BAD_LABEL = "a label out of range"
DUPLICATE = "a name that another clip has"
UNPRINTABLE = "a name that cannot be shown (control characters, or not UTF-8)"


def some(names: Iterable[str], most: int = 5) -> str:
    """`names` in one line, the first `most` spelled out, without control characters."""
    names = [shown(name) for name in names]
    return ", ".join(names[:most]) + (f", and {len(names) - most} more" if len(names) > most else "")


def non_finite_clips(clips: Clips) -> np.ndarray:
    """Indices of clips with a NaN or infinite coordinate, int64, ascending."""
    bad_rows = []
    for begin in range(0, len(clips.joints), _CHUNK):
        finite = np.isfinite(clips.joints[begin : begin + _CHUNK]).all(axis=(1, 2))
        release(clips.joints)
        if not finite.all():
            bad_rows.append(begin + np.flatnonzero(~finite))
    if not bad_rows:
        return np.zeros(0, dtype=np.int64)
    return np.unique(np.searchsorted(clips.offsets, np.concatenate(bad_rows), side="right") - 1)


def _nobody(clips: Clips) -> np.ndarray:
    """Indices of clips without frames, or of zeros alone."""
    counts = np.diff(clips.offsets)
    some = np.flatnonzero(counts > 0)
    suspects = []
    for begin in range(0, len(some), _CHUNK):
        part = some[begin : begin + _CHUNK]
        suspects.append(part[~present(clips.joints[clips.offsets[part]])])
        release(clips.joints)
    zero = [
        index
        for index in np.concatenate([*suspects, some[:0]]).tolist()
        if not present(clips.clip(index)).any()
    ]
    return np.sort(np.concatenate([np.flatnonzero(counts == 0), np.array(zero, dtype=np.int64)]))


def problems(clips: Clips, labels_required: bool = True) -> list[tuple[int, str]]:
    """(clip index, reason) of every clip that cannot be used, by index, one reason a clip."""
    lowest = 0 if labels_required else -1
    found: dict[int, str] = {}
    _, first = np.unique(clips.names, return_index=True)
    repeated = np.setdiff1d(np.arange(len(clips)), first)
    for indices, reason in (
        (_nobody(clips), NO_FRAMES),
        (np.flatnonzero((clips.label < lowest) | (clips.label >= clips.classes)), BAD_LABEL),
        (non_finite_clips(clips), NOT_FINITE),
        (repeated, DUPLICATE),
        (
            np.array(
                [index for index, name in enumerate(clips.names.tolist()) if bad_name(name)], dtype=np.int64
            ),
            UNPRINTABLE,
        ),
    ):
        for index in indices.tolist():
            found.setdefault(index, reason)
    return sorted(found.items())


def checked(clips: Clips, drop_bad: bool = False, labels_required: bool = True) -> Clips:
    """`clips` as they are if all can be used; else without the bad ones (`drop_bad`), recorded in `dropped`.

    Without `labels_required`, a label may be unknown (-1).

    Raises:
        DataError: there are no clips; there are bad ones and `drop_bad` is false; all are bad.
    """
    if not len(clips):
        raise DataError(f"{clips.source}: holds no clips")
    bad = problems(clips, labels_required)
    if not bad:
        return clips
    counts = Counter(reason for _, reason in bad)
    if BAD_LABEL in counts:
        labels = np.unique(clips.label[[index for index, reason in bad if reason == BAD_LABEL]])
        named = f"{BAD_LABEL} 0..{clips.classes - 1} ({some(map(str, labels.tolist()), 3)})"
    else:
        named = ""
    what = "; ".join(
        f"{count} with {named if reason == BAD_LABEL else reason}" for reason, count in sorted(counts.items())
    )
    which = some(str(clips.names[index]) for index, _ in bad)
    if not drop_bad:
        raise DataError(
            f"{clips.source}: {len(bad)} of {len(clips)} clips cannot be used ({what}): {which}; "
            "correct them, or leave them out with --drop-bad (drop_bad=True)"
        )
    if len(bad) == len(clips):
        raise DataError(f"{clips.source}: none of the {len(clips)} clips can be used ({what})")
    gone = np.array([index for index, _ in bad], dtype=np.int64)
    records = tuple(Dropped(shown(clips.names[index]), reason) for index, reason in bad)
    kept = clips.select(np.setdiff1d(np.arange(len(clips)), gone), dropped=records)
    return replace(kept, notes=(*kept.notes, f"{len(bad)} clips left out ({what}): {which}"))
