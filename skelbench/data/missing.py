"""Joints that a detector did not find: recognised, counted, and filled, dropped or kept by a rule that is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from skelbench.data.checks import some
from skelbench.data.clips import Clips, DataError, Dropped, Skeleton, release
from skelbench.data.presence import Mask, present

MissingRule = Literal["fill", "drop", "keep"]

MISSING = "joints that were not found"

_CHUNK = 1 << 16  # rows
_CENTRED = 0.5  # share of clips from which on a joint of zeros in the first frame is their origin


def clip_missing(joints: NDArray[Any], origin: tuple[int, ...] = ()) -> Mask:
    """Joints (..., J, 3) that are zero in all coordinates, or NaN in any: bool (..., J).

    Those of `origin` are missing only where they are NaN: data that were centred have zeros there. So that the joints
    of an absent body do not count, ask only where `present` says that there is one.
    """
    zero = ~(joints != 0).any(axis=-1)
    zero[..., list(origin)] = False
    missing: Mask = np.isnan(joints).any(axis=-1) | zero
    return missing


def origin_joints(clips: Clips) -> tuple[int, ...]:
    """Joints that lie at zero in the first frame of most clips, amid the others: the data were moved there.

    A joint that no clip has is zero, too, but then the others are somewhere else.
    """
    if not len(clips):
        return ()
    first = np.asarray(clips.joints[clips.offsets[:-1][np.diff(clips.offsets) > 0]])
    there = present(first)
    if not there.any():
        return ()
    first = first[there]
    zero = clip_missing(first)
    low = np.where(zero[..., None], np.inf, first).min(axis=1)
    high = np.where(zero[..., None], -np.inf, first).max(axis=1)
    reach = (high - low).max(axis=1, keepdims=True) / 2
    amid = ((low - reach <= 0) & (high + reach >= 0)).all(axis=1)
    share = (zero & amid[:, None]).mean(axis=0)
    return tuple(np.flatnonzero(share > _CENTRED).tolist())


def without_missing(clips: Clips, rule: MissingRule | None = None, known: bool = False) -> Clips:
    """`clips` with their missing joints dealt with; how many there were stands in `notes`.

    A joint is missing in a frame that has other joints of the body, but this one is zero in all coordinates or NaN in
    any. Where the body has no joint but of NaN, the clip is one that cannot be used.

    Args:
        clips: as a reader gives them.
        rule: "fill": linear in time between the frames that have the joint, held before the first and after the last;
            a joint that a body never has in a clip lies where its parent in the skeleton lies, or, where it has none,
            in the middle of the joints that are there. "drop": clips with missing joints are left out and recorded.
            "keep": zeros stay zeros, and a NaN makes a clip one that cannot be used. None: "keep" for `known` data, as
            what is published of them rests on the data as they are, else "fill".
        known: whether the clips are of a public data set.

    Raises:
        DataError: there is no such rule, or "drop" leaves no clip.
    """
    if rule is not None and rule not in get_args(MissingRule):
        raise DataError(f"missing {rule!r}: choose {', '.join(get_args(MissingRule))}")
    chosen: MissingRule = rule or ("keep" if known else "fill")
    origin = origin_joints(clips)
    rows = _rows_with_missing(clips, origin)
    if not len(rows):
        return clips
    found = np.unique(np.searchsorted(clips.offsets, rows, side="right") - 1)
    count = int(clip_missing(clips.joints[rows], origin).sum())
    which = some(clips.names[index] for index in found)
    what = f"{count:,} joints in {len(found):,} clips were not found (zero or NaN)"
    if chosen == "keep":
        why = " as in the published data" if rule is None else ""
        note = f"{what}; kept as they are{why} (--missing fill fills them): {which}"
        return replace(clips, notes=(*clips.notes, note))
    if chosen == "drop":
        kept = np.setdiff1d(np.arange(len(clips)), found)
        if not len(kept):
            raise DataError(f"{clips.source}: every clip has missing joints; fill them with --missing fill")
        records = tuple(Dropped(str(clips.names[index]), MISSING) for index in found)
        note = f"{what}; these clips were left out: {which}"
        return replace(clips.select(kept, dropped=records), notes=(*clips.notes, note))
    joints = np.array(clips.joints)
    for index in found.tolist():
        begin, end = clips.offsets[index : index + 2]
        clip = clips.clip(index)
        joints[begin:end] = filled(clip, clips.skeleton, origin).reshape(end - begin, *joints.shape[1:])
    note = f"{what} and were filled, linear in time: {which}"
    return replace(clips, joints=joints, notes=(*clips.notes, note))


def _rows_with_missing(clips: Clips, origin: tuple[int, ...]) -> NDArray[np.int64]:
    found = []
    for begin in range(0, len(clips.joints), _CHUNK):
        rows = np.asarray(clips.joints[begin : begin + _CHUNK])
        # Most joints have no zero at all: the sum over x, y, z is looked at only where it can tell.
        suspects = np.flatnonzero((~(np.abs(rows[..., 0]) > 0)).any(axis=1))
        if len(suspects):
            chosen = rows[suspects]
            found.append(begin + suspects[_lacks_some(chosen, origin)])
        nan = np.flatnonzero(np.isnan(rows[..., 1:]).any(axis=(1, 2)))
        found.append(begin + nan[_lacks_some(rows[nan], origin)])
        release(clips.joints)
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def _lacks_some(bodies: NDArray[Any], origin: tuple[int, ...]) -> Mask:
    """Which bodies (..., J, 3) lack some of their joints, but not all, bool (...)."""
    missing = clip_missing(bodies, origin)
    return np.asarray(missing.any(axis=-1) & ~clip_missing(bodies).all(axis=-1))


def filled(
    clip: NDArray[np.float32], skeleton: Skeleton, origin: tuple[int, ...] = ()
) -> NDArray[np.float32]:
    """A clip (T, m, J, 3) with its missing joints filled by the rule of `without_missing`."""
    clip = np.array(clip)
    there = np.asarray(~clip_missing(clip).all(axis=-1))
    missing = clip_missing(clip, origin) & there[..., None]
    for body in range(clip.shape[1]):
        frames = np.flatnonzero(there[:, body])
        never = []
        for joint in np.flatnonzero(missing[:, body].any(axis=0)).tolist():
            gaps = missing[frames, body, joint]
            has = frames[~gaps]
            if not len(has):
                never.append(joint)
                continue
            lacking = frames[gaps]
            for axis in range(3):
                values = clip[has, body, joint, axis].astype(np.float64)
                clip[lacking, body, joint, axis] = np.interp(lacking, has, values)
        if never:
            _place_never_seen(clip[:, body], frames, never, skeleton)
    return clip


def _place_never_seen(
    body: NDArray[np.float32], frames: NDArray[np.int64], never: list[int], skeleton: Skeleton
) -> None:
    parent = dict(skeleton.edges)
    seen = [joint for joint in range(body.shape[1]) if joint not in never]
    middle = body[frames][:, seen].mean(axis=1) if seen else None
    for joint in never:
        up, steps = parent.get(joint), 0
        while up in never and steps < body.shape[1]:
            up, steps = parent.get(up), steps + 1
        if up is not None and up not in never:
            body[frames, joint] = body[frames, up]
        elif middle is not None:
            body[frames, joint] = middle
