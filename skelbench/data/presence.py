"""Which bodies are there: the one definition, for every reader, `prepare`, preprocessing, graphs and drawings.

- A body is *present* in a frame where any of its coordinates is not zero. (Of NaN alone, it is bad data, not absent.)
- A body that is present in no frame is no body; nor is a later body that repeats the first throughout (the public
  script for NTU RGB+D 120 writes the only actor into both places).
- A body that appears after another was last seen, or is last seen before another appears, is the same person, whose
  tracker gave a new id: both make one body.
- A clip runs from the first to the last frame in which a body is present. Empty frames between are kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Mask = NDArray[np.bool_]


class Tidied(NamedTuple):
    """A clip without what is not there."""

    clip: Array
    """(T, m, J, 3), m at least 1; T is 0 where nobody is in any frame. A view where nothing had to be moved."""
    cut: int
    """Frames without a body left out at both ends."""
    continued: int
    """Bodies that continue another one."""


def present(joints: Array) -> Mask:
    """Whether each body is there: (..., J, 3) -> bool (...)."""
    # Over one long axis: numpy takes several times as long over runs of three.
    flat = joints.reshape(*joints.shape[:-2], joints.shape[-2] * joints.shape[-1])
    return np.asarray((flat != 0).any(axis=-1))


def tidy(clip: Array, there: Mask | None = None) -> Tidied:
    """The clip (T, M, J, 3) by the rules above; `there` is `present(clip)`, where that is known already."""
    if there is None:
        there = present(clip)
    in_frame = np.asarray(there.any(axis=1))
    if not in_frame.any():
        return Tidied(clip[:0, :1], len(clip), 0)
    begin, end = int(np.argmax(in_frame)), len(clip) - int(np.argmax(in_frame[::-1]))
    cut = begin + len(clip) - end
    clip, there = clip[begin:end], there[begin:end]
    bodies = [
        body
        for body in np.flatnonzero(there.any(axis=0)).tolist()
        if body == 0 or not _repeats_first(clip, there, body)
    ]
    people = _people(there, bodies)
    continued = len(bodies) - len(people)
    if not continued and len(bodies) == clip.shape[1]:
        found = clip
    elif not continued and bodies == list(range(len(bodies))):
        found = clip[:, : len(bodies)]
    else:
        found = np.zeros((end - begin, len(people), *clip.shape[2:]), dtype=clip.dtype)
        for place, person in enumerate(people):
            for body in person:
                found[there[:, body], place] = clip[there[:, body], body]
        return Tidied(found, cut, continued)
    return Tidied(found, cut, 0)


def _repeats_first(clip: Array, there: Mask, body: int) -> bool:
    return bool((there[:, body] == there[:, 0]).all() and (clip[:, body] == clip[:, 0]).all())


def _people(there: Mask, bodies: list[int]) -> list[list[int]]:
    """Bodies that are one person, in order; two are where the frames from first to last of each do not meet."""
    people: list[list[int]] = []
    spans: list[tuple[int, int]] = []
    for body in bodies:
        frames = np.flatnonzero(there[:, body])
        begin, end = int(frames[0]), int(frames[-1])
        for person, (first, last) in enumerate(spans):
            if begin > last or end < first:
                people[person].append(body)
                spans[person] = min(first, begin), max(last, end)
                break
        else:
            people.append([body])
            spans.append((begin, end))
    return people
