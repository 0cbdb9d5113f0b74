"""Protocols: which clips train and which test, under the names people write."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skelbench.data import ntu
from skelbench.data.checks import some
from skelbench.data.clips import Clips, DataError, IntArray

_ALIASES = {
    "xsub": {"xsub", "cs", "csub", "crosssubject", "crosssub", "xsubject", "subject"},
    "xview": {"xview", "cv", "cview", "crossview", "view", "crosscamera", "xcam"},
    "xset": {"xset", "cset", "crosssetup", "crossset", "xsetup", "setup"},
}
_PREFIXES = (  # of an alias, letters and digits only; the longer ones first
    ("nturgbd120", ntu.NTU_120),
    ("ntu120", ntu.NTU_120),
    ("nturgbd60", ntu.NTU_60),
    ("ntu60", ntu.NTU_60),
    ("nturgbd", None),
    ("ntu", None),
)
_HDM05_TRAIN_SUBJECTS = (1, 2, 3)  # of 5


@dataclass(frozen=True, eq=False)
class Split:
    """Which clips train and which test."""

    protocol: str  #: "xview", "xsub", "xset", or the name of a split that the file brings
    train: IntArray  #: clip indices, ascending unless the file orders them
    test: IntArray
    description: str  #: the rule, in one line
    notes: tuple[str, ...] = ()  #: how the sizes compare with the official ones
    warnings: tuple[str, ...] = ()  #: what makes a number from this split weaker; one line each


def canonical(name: str) -> tuple[str, str | None]:
    """Protocol and, where the name says so, dataset: "NTU60_CV" -> ("xview", "NTU RGB+D").

    A name that is no known alias comes back as it is.
    """
    letters = re.sub("[^a-z0-9]", "", name.lower())
    for prefix, dataset in (*_PREFIXES, ("", None)):
        for protocol, aliases in _ALIASES.items():
            if letters.startswith(prefix) and letters.removeprefix(prefix) in aliases:
                return protocol, dataset
    return name, None


def available(clips: Clips) -> tuple[str, ...]:
    """The protocols that these clips have, sorted."""
    found = set(clips.splits)
    if len(np.unique(clips.subject[clips.subject > 0])) > 1:
        found.add("xsub")
    if clips.dataset != ntu.NTU_120 and len(np.unique(clips.camera[clips.camera > 0])) > 1:
        found.add("xview")
    has_setups = clips.dataset == ntu.NTU_120 or clips.synthetic
    if has_setups and len(np.unique(clips.setup[clips.setup > 0])) > 1:
        found.add("xset")
    return tuple(sorted(found))


def protocol(clips: Clips, name: str) -> Split:
    """The split of `clips` that `name` stands for, in any spelling in use (xview, CV, NTU60_CV, cross_view,
    ...).

    A split that the file brings is used as it is. Otherwise: NTU RGB+D (and the synthetic corpus): xview
    tests camera 1, xsub trains on the 20 official subjects; NTU RGB+D 120: xsub trains on the 53 official
    subjects, xset on even setups; HDM05: xsub trains on subjects 1, 2, 3; any other data: xview tests the
    last camera (NW-UCLA: 3, UI-PRMD: sensor 2), xsub tests even subjects.

    Raises:
        DataError: these clips do not have the protocol, or its training or test part is empty.
    """
    asked, dataset = canonical(name)
    choices = available(clips)
    have = (
        f"it has {', '.join(choices)}"
        if choices
        else "it has neither a split of its own, cameras nor subjects"
    )
    if dataset is not None and dataset != clips.dataset:
        raise DataError(
            f"protocol {name} belongs to {dataset}, but {clips.source} is {clips.dataset}; {have}"
        )
    if asked not in choices:
        raise DataError(f"{clips.source} ({clips.dataset}) has no protocol {name}; {have}")
    if asked in clips.splits:
        train, test = clips.splits[asked]
        description = "the split that the file brings"
    else:
        in_train, known, description = _rule(clips, asked)
        train, test = np.flatnonzero(in_train & known), np.flatnonzero(~in_train & known)
    for part, indices in (("training", train), ("test", test)):
        if not len(indices):
            raise DataError(
                f"{clips.source}: protocol {asked} ({description}) leaves no {part} clips; {have}"
            )
    return Split(
        asked,
        np.asarray(train, dtype=np.int64),
        np.asarray(test, dtype=np.int64),
        description,
        _compare(clips.dataset, asked, (len(train), len(test))),
        _warnings(clips, train, test),
    )


def _rule(clips: Clips, asked: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_], str]:
    """Per clip whether it trains and whether the rule can tell, and the rule in words."""
    ntu_like = clips.synthetic or clips.dataset in (ntu.NTU_60, ntu.NTU_120)
    if asked == "xset":
        return clips.setup % 2 == 0, clips.setup > 0, "train even setups, test odd setups"
    if asked == "xview":
        known = clips.camera > 0
        if ntu_like:
            return (
                np.isin(clips.camera, list(ntu.TRAIN_CAMERAS)),
                known,
                "train cameras 2 and 3, test camera 1",
            )
        cameras = np.unique(clips.camera[known])
        rest = ", ".join(map(str, cameras[:-1]))
        return clips.camera != cameras[-1], known, f"train view {rest}, test view {cameras[-1]}"
    known = clips.subject > 0
    if ntu_like:
        official = ntu.TRAIN_SUBJECTS_120 if clips.dataset == ntu.NTU_120 else ntu.TRAIN_SUBJECTS_60
        return np.isin(clips.subject, list(official)), known, f"train the {len(official)} official subjects"
    if clips.dataset == "HDM05":
        return np.isin(clips.subject, _HDM05_TRAIN_SUBJECTS), known, "train subjects 1, 2, 3, test 4, 5"
    return clips.subject % 2 == 1, known, "train odd subjects, test even subjects"


def _compare(dataset: str, name: str, counts: tuple[int, int]) -> tuple[str, ...]:
    official = ntu.OFFICIAL_COUNTS.get((dataset, name))
    if official is None:
        return ()
    if official == counts:
        return (f"{counts[0]:,} training and {counts[1]:,} test clips, as in the official split",)
    differences = ", ".join(
        f"{abs(count - of):,} {part} clips {'more' if count > of else 'fewer'}"
        for part, count, of in zip(("training", "test"), counts, official, strict=True)
        if count != of
    )
    return (
        f"{counts[0]:,} training and {counts[1]:,} test clips; the official split of {dataset} {name} has "
        f"{official[0]:,} and {official[1]:,}: {differences}",
    )


def _warnings(clips: Clips, train: IntArray, test: IntArray) -> tuple[str, ...]:
    per_class = np.bincount(clips.label[train], minlength=clips.classes)
    tested = np.bincount(clips.label[test], minlength=clips.classes)

    def named(classes: NDArray) -> str:
        return f"{len(classes)} class{'es' if len(classes) > 1 else ''} ({some(clips.class_names[c] for c in classes)})"

    found = []
    absent = np.flatnonzero((per_class == 0) & (tested > 0))
    if len(absent):
        count = int(tested[absent].sum())
        found.append(f"{named(absent)} never in training: their {count} test clips cannot be recognised")
    single = np.flatnonzero(per_class == 1)
    if len(single):
        found.append(f"{named(single)} with one training clip: no positive pair without a second view of it")
    untested = np.flatnonzero((per_class > 0) & (tested == 0))
    if len(untested):
        found.append(f"{named(untested)} never in test: mean-class accuracy leaves them out")
    shared = np.intersect1d(train, test)
    if len(shared):
        found.append(
            f"{len(shared)} clips both in training and test ({some(clips.names[i] for i in shared)})"
        )
    return tuple(found)
