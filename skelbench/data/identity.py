"""Which data set a file holds, by evidence: what it states, the names of its clips, class width, counts.

Never by the form of the file: own data in NTU's file forms are named after their file, with their own classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelbench.data import ntu
from skelbench.data.clips import IntArray
from skelbench.data.rates import KINECT

SYNTHETIC = "synthetic"
SYNTHETIC_PREFIX = "synthetic-"
"""Begins the name of every clip that was made up, in every file that is written of it."""


@dataclass(frozen=True)
class _Known:
    """A public data set whose clips' names tell what they are."""

    dataset: str
    joints: int
    pattern: re.Pattern[str]
    """Of a whole name; the groups action, subject, view and rep give the numbers."""
    actions: tuple[int, ...] = ()
    """The action numbers in the order of the classes, where they are known."""
    class_names: tuple[str, ...] = ()
    fps: float | None = None
    """Frames a second of the data set as published."""


_KNOWN = (
    _Known(
        "NW-UCLA",
        20,
        re.compile(r"a(?P<action>\d\d)_s(?P<subject>\d\d)_e(?P<rep>\d\d)_v(?P<view>\d\d)"),
        (1, 2, 3, 4, 5, 6, 8, 9, 11, 12),
        (
            "pick up with one hand", "pick up with two hands", "drop trash", "walk around", "sit down", "stand up",
            "donning", "doffing", "throw", "carry",
        ),
        KINECT,
    ),  # Wang et al., "Cross-view Action Modeling, Learning and Recognition", CVPR 2014
    _Known("UI-PRMD", 12, re.compile(r"m(?P<action>\d\d)_s(?P<subject>\d\d)_e(?P<rep>\d\d)(?:_v(?P<view>\d))?\w*")),
    _Known("HDM05", 31, re.compile(r"HDM_(?P<subject_name>[a-z]{2})_(?P<action>\w+?)_\d+_\d+")),
    _Known("SBU Interaction", 15, re.compile(r"s(?P<subject>\d\d)s\d\d_a(?P<action>\d\d)_r(?P<rep>\d+)")),
)  # fmt: skip


class Identity(NamedTuple):
    """What is known of a data set."""

    dataset: str
    ntu: bool
    """Whether it is NTU RGB+D (60 or 120), or made up in NTU's own names."""
    classes: int | None
    """Number of classes that the data set prescribes; None where it is unknown."""
    class_names: tuple[str, ...]
    """Of those classes; () where they are unknown."""
    columns: dict[str, IntArray]
    """setup, camera, subject and replication of each clip, as far as the names tell."""
    action: NDArray[np.str_] | None
    """Per clip, what its name says it does; None where names do not tell."""
    expected: IntArray | None
    """Per clip, the label that its name prescribes; None where names do not tell."""
    evidence: str
    """What the name of the data set rests on."""
    fps: float | None = None
    """Frames a second of the data set as published; None where it is unknown, or the clips are made up."""


def identify(
    path: Path,
    names: NDArray[np.str_] | None,
    joints: int,
    *,
    width: int | None = None,
    counts: tuple[int, int] | None = None,
    stated: str | None = None,
    synthetic: bool = False,
) -> Identity:
    """The identity of the clips of a file.

    Args:
        path: of the file or folder; its stem names data of which nothing else is known.
        names: of the clips (N,); None where the file has none.
        joints: of a body.
        width: number of classes that the file allows (a one-hot width, a list of names); None where it tells none.
        counts: training and test clips of the file's own split.
        stated: name that the file itself gives its data set.
        synthetic: whether the clips are marked as made up.
    """
    parsed = [] if names is None else [ntu.parse_name(name) for name in names.tolist()]
    if joints == 25 and parsed and all(parsed):
        return _ntu_by_name(np.array(parsed, dtype=np.int64).T, width, stated, synthetic)
    if synthetic:
        return Identity(SYNTHETIC, True, None, (), {}, None, None, "marked as synthetic")
    for known in _KNOWN:
        if joints == known.joints and names is not None and names.size:
            matches = [known.pattern.fullmatch(name) for name in names.tolist()]
            if all(matches):
                return _known_by_name(known, [match for match in matches if match], stated)
    if stated:
        is_ntu = stated in (ntu.NTU_60, ntu.NTU_120)
        classes = {ntu.NTU_60: 60, ntu.NTU_120: 120}.get(stated)
        fps = KINECT if is_ntu else None
        return Identity(stated, is_ntu, classes, (), {}, None, None, "stated by the file", fps)
    if names is None and joints == 25 and (found := _ntu_without_names(path, width, counts)):
        dataset, evidence = found
        classes = 120 if dataset == ntu.NTU_120 else 60
        return Identity(dataset, True, classes, ntu.class_names(classes), {}, None, None, evidence, KINECT)
    return Identity(path.stem or path.name, False, None, (), {}, None, None, "nothing but the file's name")


def _ntu_by_name(numbers: IntArray, width: int | None, stated: str | None, synthetic: bool) -> Identity:
    setup, camera, subject, replication, action = np.ascontiguousarray(numbers)
    # An own choice of classes has a width of its own; the number of the data set is that of its actions and setups.
    dataset = ntu.dataset_of(max(width or 0, int(action.max())), int(setup.max()))
    classes = 120 if dataset == ntu.NTU_120 else 60
    return Identity(
        SYNTHETIC if synthetic else stated or dataset,
        True,
        None if synthetic else classes,
        () if synthetic else ntu.class_names(classes),
        {"setup": setup, "camera": camera, "subject": subject, "replication": replication},
        np.char.add("A", np.char.zfill(action.astype(str), 3)),
        action - 1,
        "the names of the clips",
        None if synthetic else KINECT,
    )


def _known_by_name(known: _Known, matches: list[re.Match[str]], stated: str | None) -> Identity:
    columns = {}
    for column, group in (("subject", "subject"), ("camera", "view"), ("replication", "rep")):
        if group in known.pattern.groupindex:
            columns[column] = np.array([int(match[group] or 0) for match in matches], dtype=np.int64)
    action = np.array([match["action"] for match in matches], dtype=str)
    expected = None
    if known.actions and set(map(int, action)) <= set(known.actions):
        place = {number: label for label, number in enumerate(known.actions)}
        expected = np.array([place[int(number)] for number in action], dtype=np.int64)
    return Identity(
        stated or known.dataset,
        False,
        len(known.actions) or None,
        known.class_names,
        columns,
        action,
        expected,
        "the names of the clips",
        known.fps,
    )


def _ntu_without_names(
    path: Path, width: int | None, counts: tuple[int, int] | None
) -> tuple[str, str] | None:
    for (dataset, _), official in ntu.OFFICIAL_COUNTS.items():
        if counts == official and width in (None, 120 if dataset == ntu.NTU_120 else 60):
            return dataset, "the counts of an official split"
    if width in (60, 120):
        return ntu.dataset_of(width), f"its {width} classes of 25 joints"
    stem = re.sub("[^a-z0-9]", "", path.stem.lower())
    match = re.match(r"ntu(?:rgbd)?(60|120)", stem)
    if match and width is None:
        return (ntu.NTU_120 if match[1] == "120" else ntu.NTU_60), "the file's name"
    return None


PUBLIC = frozenset({ntu.NTU_60, ntu.NTU_120, *(known.dataset for known in _KNOWN)})
"""Data sets that results are published on."""
