"""Protocols: the rules of the datasets, the names people write, and what makes a split weak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelbench.data import DataError, available, canonical, load, ntu, protocol


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xview", ("xview", None)),
        ("CV", ("xview", None)),
        ("X-View", ("xview", None)),
        ("cross_view", ("xview", None)),
        ("NTU60_CV", ("xview", "NTU RGB+D")),
        ("ntu60/xview", ("xview", "NTU RGB+D")),
        ("NTU60_XView", ("xview", "NTU RGB+D")),
        ("CS", ("xsub", None)),
        ("NTU120_CSub", ("xsub", "NTU RGB+D 120")),
        ("cross-subject", ("xsub", None)),
        ("CSet", ("xset", None)),
        ("ntu120 xset", ("xset", "NTU RGB+D 120")),
        ("leave-one-out", ("leave-one-out", None)),
    ],
)
def test_aliases(name, expected):
    assert canonical(name) == expected


def ntu_clips(corpus, dataset, classes=60, **columns):
    columns = {key: np.asarray(value, dtype=np.int64) for key, value in columns.items()}
    return replace(corpus, synthetic=False, dataset=dataset, class_names=ntu.class_names(classes), **columns)


def test_ntu_60(corpus):
    subjects = np.arange(72) % 40 + 1
    clips = ntu_clips(corpus, ntu.NTU_60, subject=subjects)
    view = protocol(clips, "NTU60_CV")
    assert set(clips.camera[view.train]) == {2, 3}
    assert set(clips.camera[view.test]) == {1}
    sub = protocol(clips, "xsub")
    train = {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}
    assert set(subjects[sub.train]) == train
    assert set(subjects[sub.test]) == set(range(1, 41)) - train
    assert available(clips) == ("xsub", "xview")
    assert "40,091 and 16,487" in sub.notes[0]
    for split in (view, sub):
        assert sorted([*split.train, *split.test]) == list(range(72))
        assert split.train.dtype == np.int64


def test_ntu_120(corpus):
    subjects, setups = np.arange(72) % 106 + 1, np.arange(72) % 32 + 1
    clips = ntu_clips(corpus, ntu.NTU_120, 120, subject=subjects + 34, setup=setups)
    assert available(clips) == ("xset", "xsub")
    assert set(clips.setup[protocol(clips, "cset").train]) == set(range(2, 33, 2))
    assert len(ntu.TRAIN_SUBJECTS_120) == 53
    assert set(clips.subject[protocol(clips, "xsub").train]) == set(range(35, 107)) & ntu.TRAIN_SUBJECTS_120
    with pytest.raises(DataError, match="has no protocol xview; it has xset, xsub"):
        protocol(clips, "xview")


@pytest.mark.parametrize("protocol_name", ["xsub", "xview"])
def test_official_counts(corpus, protocol_name):
    """A corpus of the official size says so; one clip fewer is counted."""
    train, test = ntu.OFFICIAL_COUNTS[ntu.NTU_60, protocol_name]
    n = train + test
    indices = np.arange(n)
    zeros = np.zeros(n, dtype=np.int64)
    clips = ntu_clips(corpus, ntu.NTU_60, label=indices % 60, setup=zeros)
    split = {protocol_name: (indices[:train], indices[train:])}
    assert "as in the official split" in protocol(replace(clips, splits=split), protocol_name).notes[0]
    split = {protocol_name: (indices[:train], indices[train:-1])}
    assert protocol(replace(clips, splits=split), protocol_name).notes[0].endswith(": 1 test clips fewer")


@pytest.mark.parametrize(
    ("file", "name", "column", "train", "test"),
    [
        ("nw_ucla.npz", "CV", "camera", {1, 2}, {3}),
        ("nw_ucla.npz", "xsub", "subject", {1, 3, 5, 7, 9}, {2, 4, 6, 8, 10}),
        ("ui_prmd_2sensors.npz", "xview", "camera", {1}, {2}),
        ("ui_prmd_2sensors.npz", "xsub", "subject", {1, 3, 5, 7, 9}, {2, 4, 6, 8, 10}),
        ("hdm05_11.npz", "xsub", "subject", {1, 2, 3}, {4, 5}),
        ("sbu_interaction.npz", "cross_subject", "subject", {1, 3, 5, 7}, {2, 4, 6}),
    ],
)
def test_real_data(real_data, file, name, column, train, test):
    clips = load(real_data(file))
    split = protocol(clips, name)
    assert set(getattr(clips, column)[split.train]) == train
    assert set(getattr(clips, column)[split.test]) == test
    assert len(split.train) + len(split.test) == len(clips)
    assert not split.warnings


def test_what_the_data_do_not_have(corpus):
    other = replace(corpus, synthetic=False, dataset="mine", splits={})
    with pytest.raises(DataError, match=r"mine.* has no protocol xset; it has xsub, xview"):
        protocol(other, "xset")
    with pytest.raises(DataError, match=r"belongs to NTU RGB\+D, but .* is mine"):
        protocol(other, "NTU60_CV")
    nothing = replace(other, camera=np.zeros_like(corpus.camera), subject=np.zeros_like(corpus.subject))
    with pytest.raises(DataError, match="neither a split of its own, cameras nor subjects"):
        protocol(nothing, "xview")


def test_an_empty_part(corpus):
    only_trained = corpus.select(np.flatnonzero(corpus.camera > 1))
    with pytest.raises(DataError, match="leaves no test clips"):
        protocol(only_trained, "xview")
    with pytest.raises(DataError, match="leaves no training clips"):
        protocol(
            replace(only_trained, camera=only_trained.camera * 0 + 1 + 3 * (only_trained.camera - 2)), "xview"
        )


def test_warnings(corpus):
    camera = corpus.camera.copy()
    of = {label: np.flatnonzero(corpus.label == label) for label in range(3)}
    camera[of[0]] = 1
    camera[of[1]], camera[of[1][0]] = 1, 2
    camera[of[2]] = 3
    warnings = " ".join(protocol(replace(corpus, camera=camera), "xview").warnings)
    assert f"1 class (drink) never in training: their {len(of[0])} test clips" in warnings
    assert "1 class (throw) with one training clip" in warnings
    assert "1 class (sit down) never in test" in warnings


def test_a_file_whose_parts_overlap(corpus):
    half = np.arange(40)
    clips = replace(corpus, splits={"mine": (half, np.arange(39, 72))})
    assert any("1 clips both in training and test" in line for line in protocol(clips, "mine").warnings)
