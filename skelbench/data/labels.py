"""Class numbers and class names, held against each other and against what the clips' names say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import DataError, IntArray
from skelbench.data.identity import Identity


class Labelled(NamedTuple):
    """Labels from 0, the names of their classes, and what had to be said."""

    label: IntArray
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


def labelled(
    path: Path,
    names: NDArray[np.str_],
    label: NDArray[Any],
    identity: Identity,
    class_names: tuple[str, ...] | None = None,
    width: int | None = None,
) -> Labelled:
    """Labels of the clips as class numbers from 0.

    Args:
        path: of the file, for errors.
        names: of the clips, for errors.
        label: class numbers, or class names as text; -1 where it is unknown.
        identity: of the data set.
        class_names: those that the file gives.
        width: number of classes that the file allows without naming them (a one-hot width).

    Raises:
        DataError: labels begin at 1 where classes tell, a clip's name contradicts its label, or a text label is no
            class name.
    """
    if label.dtype.kind in "US":
        label, class_names = _numbered(path, names, label.astype(str), class_names)
    label = np.asarray(label, dtype=np.int64)
    known = label[label >= 0]
    if not known.size:
        return Labelled(label, class_names or identity.class_names, ())
    by_name = identity.action is not None and label.shape == identity.action.shape
    ranks = None
    if by_name:
        ranks = _held_against_names(path, names, label, identity, own=class_names is not None)
    if class_names is None and ranks is not None:
        note = f"labels number the {len(ranks)} actions present in their order, not as the data set does"
        return Labelled(label, ranks, (note,))
    if class_names is None:
        classes = width or identity.classes
        if classes is not None:
            given = identity.class_names
            class_names = given if len(given) == classes else _generic(classes)
    if class_names is None:
        return _own_classes(label)
    if identity.class_names[: len(class_names)] == class_names:
        # Of a part of the data set, whose other classes have no clip here.
        class_names = identity.class_names
    _refuse_from_one(path, names, label, len(class_names))
    return Labelled(label, class_names, _remarks(known, class_names))


def _generic(classes: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(classes))


def _numbered(
    path: Path, names: NDArray[np.str_], label: NDArray[np.str_], class_names: tuple[str, ...] | None
) -> tuple[IntArray, tuple[str, ...] | None]:
    """Text labels as numbers: what they say, or of the class names given, or of the texts in alphabetical order."""
    stripped = np.char.strip(label)
    present = sorted(set(stripped.tolist()) - {""})
    numbers = all(text.removeprefix("-").isdecimal() and len(text) < 12 for text in present)
    if numbers and not (class_names and set(present) <= set(class_names)):
        return np.array(
            [int(text) if text else -1 for text in stripped.tolist()], dtype=np.int64
        ), class_names
    class_names = class_names or tuple(present)
    place = {text: number for number, text in enumerate(class_names)}
    for name, text in zip(names.tolist(), stripped.tolist(), strict=True):
        if text and text not in place:
            raise DataError(f"{path}: clip {name} has the label '{text}', which is no class name")
    return np.array([place.get(text, -1) for text in stripped.tolist()], dtype=np.int64), class_names


def _held_against_names(
    path: Path, names: NDArray[np.str_], label: IntArray, identity: Identity, own: bool
) -> tuple[str, ...] | None:
    """The class names, where labels number the actions present instead of those that the data set knows.

    Raises:
        DataError: a name contradicts the label; the first such clip is named.
    """
    action, expected = identity.action, identity.expected
    assert action is not None
    unknown = label < 0
    if expected is not None:
        if ((label == expected) | unknown).all():
            return None
        present, rank = np.unique(action, return_inverse=True)
        if ((label == rank) | unknown).all():
            return tuple(present.tolist())
    one_to_one = (
        len(set(zip(action.tolist(), label.tolist(), strict=True)))
        == len(set(action.tolist()))
        == len(set(label.tolist()))
    )
    if expected is None:
        if one_to_one:
            return None
        usual = {
            what: Counter(label[action == what].tolist()).most_common(1)[0][0]
            for what in set(action.tolist())
        }
        expected = np.array([usual[what] for what in action.tolist()], dtype=np.int64)
    elif own and one_to_one and int(label.min()) == 0:
        # The file names its classes itself, in an order of its own.
        return None
    wrong = np.flatnonzero((label != expected) & ~unknown)
    if not len(wrong):
        return None
    first = int(wrong[0])
    shift = (
        " (every label is one too many: they begin at 1; subtract 1)" if (label == expected + 1).all() else ""
    )
    raise DataError(
        f"{path}: the labels of {len(wrong)} of {len(label)} clips contradict their names; the first: clip "
        f"{names[first]} has label {label[first]}, its name says {expected[first]}{shift}; correct the labels"
    )


def _refuse_from_one(path: Path, names: NDArray[np.str_], label: IntArray, classes: int) -> None:
    known = label[label >= 0]
    if known.min() == 1 and known.max() == classes:
        first = int(np.flatnonzero(label == classes)[0])
        raise DataError(
            f"{path}: labels run from 1 to {classes} without a 0, but the {classes} classes are 0 to {classes - 1} "
            f"(clip {names[first]} has label {classes}): they begin at 1; subtract 1"
        )


def _remarks(known: IntArray, class_names: tuple[str, ...]) -> tuple[str, ...]:
    used = np.unique(known[known < len(class_names)])
    unused = len(class_names) - len(used)
    found = []
    if used.size and used[0] > 0:
        found.append(f"no clip has label 0 ({class_names[0]}): labels run from {used[0]} to {used[-1]}")
    elif unused:
        found.append(f"{unused} of {len(class_names)} classes have no clip")
    return tuple(found)


def _own_classes(label: IntArray) -> Labelled:
    """Labels of which nothing else is known: classes 0 to the largest, or the numbers that occur where 0 does not."""
    known = np.unique(label[label >= 0])
    if known[0] == 0:
        names = _generic(int(known[-1]) + 1)
        return Labelled(label, names, _remarks(known, names))
    place = np.full(int(known[-1]) + 1, -1, dtype=np.int64)
    place[known] = np.arange(len(known))
    found = np.where(label >= 0, place[np.maximum(label, 0)], label)
    note = f"labels run from {known[0]} to {known[-1]} without a 0: they are taken as the names of {len(known)} classes"
    return Labelled(found, tuple(f"class {number}" for number in known.tolist()), (note,))
