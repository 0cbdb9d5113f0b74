"""Protocols: which clips train and which test, under the names people write."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data import ntu
from skelbench.data.checks import some
from skelbench.data.clips import Clips, DataError, IntArray

_ALIASES = {
    "xsub": {"xsub", "cs", "csub", "crosssubject", "crosssub", "xsubject", "subject"},
    "xview": {"xview", "cv", "cview", "crossview", "view", "crosscamera", "xcam"},
    "xset": {"xset", "cset", "crosssetup", "crossset", "xsetup", "setup"},
    "loso": {"loso", "leaveonesubjectout", "leave1subjectout"},
    "file": {"file", "split", "own"},
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
SMALL_PART = 5
"""A part of fewer clips is remarked on."""


@dataclass(frozen=True, eq=False)
class Split:
    """Which clips train and which test."""

    protocol: str
    """xview, xsub, xset, loso, kfold:5, or the name of a split that the file brings."""
    train: IntArray
    """Clip indices, ascending unless the file orders them."""
    test: IntArray
    description: str
    """The rule, in one line."""
    notes: tuple[str, ...] = ()
    """How the sizes compare with the official ones, and what of the file's parts is not used."""
    warnings: tuple[str, ...] = ()
    """What makes a number from this split weaker; one line each."""
    validation: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Clips to tune on, neither trained on nor tested; empty where the data set has no such part."""
    official: bool = False
    """Whether both parts have the sizes of the official split of the data set: the data are those published on."""
    fold: str = ""
    """Which of several folds this is: "subject 3", "2 of 5"; "" where the protocol has one split."""


def canonical(name: str) -> tuple[str, str | None]:
    """Protocol and, where the name says so, dataset: "NTU60_CV" -> ("xview", "NTU RGB+D").

    A name that is no known alias comes back as it is; "5-fold", "kfold5" and the like are "kfold:5".
    """
    if (folds := _folds(name)) is not None:
        return f"kfold:{folds}", None
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


def _folds(name: str) -> int | None:
    match = re.fullmatch(r"k-?fold[:= -]?(\d{1,6})|(\d{1,6})-?fold", name.strip().lower())
    return int(match[1] or match[2]) if match else None


def protocol(clips: Clips, name: str) -> Split:
    """The split of `clips` that `name` stands for, in any spelling in use (xview, CV, NTU60_CV, cross_view, ...).

    A split that the file brings is used as it is. Otherwise: NTU RGB+D (and the synthetic corpus): xview
    tests camera 1, xsub trains on the 20 official subjects; NTU RGB+D 120: xsub trains on the 53 official
    subjects, xset on even setups; HDM05: xsub trains on subjects 1, 2, 3; any other data: xview tests the
    last camera (NW-UCLA: 3, UI-PRMD: sensor 2), xsub tests even subjects.

    Raises:
        DataError: these clips do not have the protocol, its training or test part is empty, or it has several folds
            (`protocols`).
    """
    folds = protocols(clips, name)
    if len(folds) > 1 or folds[0].fold:
        raise DataError(f"protocol {name} has {len(folds)} folds; skelbench.data.protocols gives them all")
    return folds[0]


def protocols(clips: Clips, name: str) -> list[Split]:
    """The splits of `clips` that `name` stands for: one, or the folds of a cross-validation by subject.

    "loso" leaves out one subject at a time; "kfold:5" deals the subjects, in order of their number, to 5 folds in turn,
    and each fold is tested once. Clips whose subject is unknown are in no fold. Every other name: as `protocol`.

    Raises:
        DataError: these clips do not have the protocol, fewer subjects are known than folds are asked for, or a
            training or test part is empty.
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
    if asked not in clips.splits and (asked == "loso" or asked.startswith("kfold:")):
        return _by_subject(clips, asked, have)
    if asked not in choices and name in clips.splits:
        asked = name
    if asked not in choices:
        raise DataError(f"{clips.source} ({clips.dataset}) has no protocol {name}; {have}")
    validation = np.zeros(0, dtype=np.int64)
    notes: tuple[str, ...] = ()
    if asked in clips.splits:
        train, test = clips.splits[asked]
        validation = clips.validation.get(asked, validation)
        description = "the split that the file brings"
        notes = _unused(clips, train, test, validation)
    else:
        in_train, known, description = _rule(clips, asked)
        train, test = np.flatnonzero(in_train & known), np.flatnonzero(~in_train & known)
        if not known.all():
            notes = (f"{int((~known).sum())} clips are in no part: their {_COLUMN[asked]} is unknown",)
    return [_split(clips, asked, train, test, description, have, validation=validation, notes=notes)]


_COLUMN = {"xsub": "subject", "xview": "camera", "xset": "setup"}


def _by_subject(clips: Clips, asked: str, have: str) -> list[Split]:
    subjects = np.unique(clips.subject[clips.subject > 0])
    folds = len(subjects) if asked == "loso" else int(asked.removeprefix("kfold:"))
    if folds < 2 or folds > len(subjects):
        wanted = "2 subjects or more" if asked == "loso" else f"2 to {len(subjects)} folds"
        raise DataError(
            f"{clips.source}: {asked} needs {wanted}; {len(subjects)} subjects are known ({have})"
        )
    known = clips.subject > 0
    unknown = int((~known).sum())
    notes = (f"{unknown} clips are in no part: their subject is unknown",) if unknown else ()
    found = []
    for number in range(folds):
        tested = subjects[number::folds]
        in_test = np.isin(clips.subject, tested)
        fold = f"subject {tested[0]}" if asked == "loso" else f"{number + 1} of {folds}"
        named = some((str(subject) for subject in tested), 12)
        found.append(
            _split(
                clips,
                asked,
                np.flatnonzero(known & ~in_test),
                np.flatnonzero(in_test),
                f"test subject{'s' if len(tested) > 1 else ''} {named}, train the others",
                have,
                notes=notes,
                fold=fold,
            )
        )
    return found


def _split(
    clips: Clips,
    asked: str,
    train: IntArray,
    test: IntArray,
    description: str,
    have: str,
    *,
    validation: IntArray | None = None,
    notes: tuple[str, ...] = (),
    fold: str = "",
) -> Split:
    for part, indices in (("training", train), ("test", test)):
        if not len(indices):
            raise DataError(
                f"{clips.source}: protocol {asked} ({description}) leaves no {part} clips; {have}"
            )
    train, test = np.asarray(train, dtype=np.int64), np.asarray(test, dtype=np.int64)
    validation = np.zeros(0, dtype=np.int64) if validation is None else np.asarray(validation, dtype=np.int64)
    counts = (len(train), len(test))
    return Split(
        asked,
        train,
        test,
        description,
        (*_compare(clips.dataset, asked, counts), *notes),
        _warnings(clips, train, test, validation),
        validation,
        not clips.synthetic and ntu.OFFICIAL_COUNTS.get((clips.dataset, asked)) == counts,
        fold,
    )


def remarks(clips: Clips, *splits: Split) -> list[str]:
    """All that is to be said of the data, each once: what reading, preprocessing and the split or its folds found."""
    of_splits = (line for split in splits for line in (*split.notes, *split.warnings))
    return list(dict.fromkeys([*clips.notes, *of_splits]))


def _unused(clips: Clips, train: IntArray, test: IntArray, validation: IntArray) -> tuple[str, ...]:
    """The file's parts of which this split uses no clip, or of which clips are in none of its parts."""
    used = np.concatenate([train, test, validation])
    left = {part: len(np.setdiff1d(indices, used)) for part, indices in clips.parts.items()}
    named = ", ".join(f"{part} ({count} clips)" for part, count in left.items() if count)
    found = [f"not used by this split: {named}"] if named else []
    rest = len(clips) - len(np.unique(np.concatenate([used, *clips.parts.values()])))
    if rest:
        found.append(f"{rest} clips are in no part of the file's split")
    if len(validation):
        found.append(f"{len(validation)} clips are the validation part: for tuning, not for testing")
    return tuple(found)


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


def _warnings(clips: Clips, train: IntArray, test: IntArray, validation: IntArray) -> tuple[str, ...]:
    per_class, tested = (
        np.bincount(clips.label[part][clips.label[part] >= 0], minlength=clips.classes)
        for part in (train, test)
    )

    def named(classes: NDArray[Any]) -> str:
        return f"{len(classes)} class{'es' if len(classes) > 1 else ''} ({some(clips.class_names[c] for c in classes)})"

    found = []
    for part, indices in (("training", train), ("test", test)):
        if len(indices) < SMALL_PART:
            clips_named = "1 clip" if len(indices) == 1 else f"{len(indices)} clips"
            found.append(f"the {part} part has {clips_named}: no number from it is worth much")
    if np.count_nonzero(per_class + tested) == 1:
        found.append("all clips are of one class: every classifier is right")
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
    for one, other, what in (
        (train, test, "both in training and test"),
        (train, validation, "both in training and validation"),
        (validation, test, "both in validation and test"),
    ):
        shared = np.intersect1d(one, other)
        if len(shared):
            found.append(f"{len(shared)} clips {what} ({some(clips.names[i] for i in shared)})")
    return tuple(found)
