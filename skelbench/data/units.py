"""The unit of the coordinates: stated, or guessed from the size of the bodies; brought to metres."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skelbench.data.checks import some
from skelbench.data.clips import Clips, DataError, release
from skelbench.data.missing import clip_missing

KEEP = "keep"
METRES = {"metre": 1.0, "centimetre": 0.01, "millimetre": 0.001, "inch": 0.0254, "foot": 0.3048}
"""A unit in metres."""

_SPELLINGS = {
    "m": "metre", "metre": "metre", "meter": "metre", "metres": "metre", "meters": "metre",
    "cm": "centimetre", "centimetre": "centimetre", "centimeter": "centimetre",
    "centimetres": "centimetre", "centimeters": "centimetre",
    "mm": "millimetre", "millimetre": "millimetre", "millimeter": "millimetre",
    "millimetres": "millimetre", "millimeters": "millimetre",
    "in": "inch", "inch": "inch", "inches": "inch", "ft": "foot", "foot": "foot", "feet": "foot",
}  # fmt: skip
_CHUNK = 4096  # clips measured in one go
_ODD = 20  # times the usual size of a body

# A body is between a hand's 0.2 m and, arms spread, 2.5 m across. Up to 10 of a unit it can be metres (or coordinates
# that were normalised), then centimetres; from 300 (a body, not a hand) millimetres; beyond, neither.
_LARGEST = (("metre", 10.0), ("centimetre", 300.0), ("millimetre", 5000.0))


def in_metres(clips: Clips, unit: str | None = None) -> Clips:
    """`clips` in metres, where their unit is known; what was done stands in `notes`.

    Args:
        clips: as a reader gives them; `clips.unit` is what the file states, or "".
        unit: what the user says: a unit of METRES goes before what the file states; "keep" changes nothing. None: by
            what the file states, else by the size of the bodies.

    Raises:
        DataError: `unit` is no unit.
    """
    if unit == KEEP:
        return clips
    if unit is not None:
        if (name := _SPELLINGS.get(unit.lower())) is None:
            raise DataError(f"unit '{unit}': choose {', '.join(METRES)} or {KEEP}")
        return _scaled(clips, name, "as was said")
    stated = re.fullmatch(r"([A-Za-z]+)(?:[\s,;(].*)?", clips.unit)
    name = _SPELLINGS.get(stated[1].lower()) if stated else None
    sizes = body_sizes(clips)
    size = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 0.0
    clips = _with_outliers(clips, sizes, size)
    guess = next((unit for unit, largest in _LARGEST if size < largest), None)
    measured = f"a body measures {size:,.4g} across"
    if name == "metre" and guess != "metre":
        guess = guess or "unit of something else"
        note = (
            f"the unit is said to be the metre, but {measured}: that looks like the {guess} (--unit sets it)"
        )
        return replace(clips, notes=(*clips.notes, note))
    if name is not None:
        return _scaled(clips, name, "as the file states")
    if clips.unit:
        if guess == "metre":
            return clips
        return replace(
            clips, notes=(*clips.notes, f"the unit is '{clips.unit}', {measured}: not brought to metres")
        )
    if guess is None or _planar(clips):
        if guess == "metre":
            return clips
        note = f"no unit is stated, {measured}: not brought to metres (--unit sets it)"
        return replace(clips, notes=(*clips.notes, note))
    return _scaled(
        clips, guess, f"a guess: no unit is stated and {measured}; --unit sets another, --unit keep none"
    )


def _scaled(clips: Clips, name: str, why: str) -> Clips:
    if name == "metre":
        return clips if clips.unit else replace(clips, unit="metre")
    joints = clips.joints * np.float32(METRES[name])
    note = f"coordinates were brought from {name}s to metres ({why})".replace("inchs", "inches").replace(
        "foots", "feet"
    )
    return replace(clips, joints=joints, unit="metre", notes=(*clips.notes, note))


def _planar(clips: Clips) -> bool:
    return not clips.joints[:: max(1, len(clips.joints) // 4096), :, 2].any()


def _with_outliers(clips: Clips, sizes: NDArray[np.float64], usual: float) -> Clips:
    """A note on clips whose bodies are of another order of size, as those of another unit are."""
    odd = np.flatnonzero((sizes > 0) & ((sizes > _ODD * usual) | (sizes * _ODD < usual)))
    if not len(odd):
        return clips
    note = (
        f"{len(odd)} clips have bodies more than {_ODD} times larger or smaller than the others ({usual:,.3g}), as of "
        f"another unit: {some(clips.names[index] for index in odd)}"
    )
    return replace(clips, notes=(*clips.notes, note))


def body_sizes(clips: Clips) -> NDArray[np.float64]:
    """Diagonal of the box around a body in its clip's first frame, float64 (N,); 0 where there is none.

    Joints that are missing do not count.
    """
    found = np.zeros(len(clips))
    some_frames = np.flatnonzero(np.diff(clips.offsets) > 0)
    for begin in range(0, len(some_frames), _CHUNK):
        part = some_frames[begin : begin + _CHUNK]
        first = np.array(clips.joints[clips.offsets[part]], dtype=np.float64)
        release(clips.joints)
        missing = clip_missing(first)[..., None]
        # Infinite coordinates make a clip one that cannot be used; here they have no size.
        with np.errstate(invalid="ignore"):
            low = np.where(missing, np.inf, first).min(axis=1)
            high = np.where(missing, -np.inf, first).max(axis=1)
            size = np.linalg.norm(high - low, axis=1)
        found[part] = np.where(np.isfinite(size), size, 0)
    return found
