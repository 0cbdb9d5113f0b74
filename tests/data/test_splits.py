"""Splits that data bring: own parts, files of names, folds by subject, small parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelbench.data import DataError, available, load, protocol, protocols, remarks, with_split
from skelbench.data.splits import role_of
from tests.conftest import make_clips
from tests.data.conftest import pyskl_content, write_pickle, write_ragged


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("train", ("file", "train")),
        ("xsub_val", ("xsub", "validation")),
        ("test1", ("1", "test")),
        ("sub1_train", ("sub1", "train")),
        ("Training", ("file", "train")),
        ("fold-2-dev", ("fold-2", "validation")),
        ("train_test", None),
        ("latest", None),
        ("extra", None),
    ],
)
def test_what_parts_are_called(part, expected):
    assert role_of(part) == expected


def own_pkl(path, corpus, **split):
    """A pickle of the corpus under own names, with parts given as ranges of its clips."""
    content = pyskl_content(corpus)
    for number, annotation in enumerate(content["annotations"]):
        annotation["frame_dir"] = f"v{number}"
    content["split"] = {part: [f"v{number}" for number in numbers] for part, numbers in split.items()}
    return write_pickle(path, content)


@pytest.mark.parametrize(
    ("split", "name", "sizes"),
    [
        ({"train": range(48), "val": range(48, 72)}, "file", (48, 0, 24)),
        ({"train": range(48), "test": range(48, 72)}, "file", (48, 0, 24)),
        ({"train": range(36), "val": range(36, 48), "test": range(48, 72)}, "file", (36, 12, 24)),
        ({"train1": range(48), "test1": range(48, 72)}, "1", (48, 0, 24)),
        ({"sub1_train": range(48), "sub1_val": range(48, 72)}, "sub1", (48, 0, 24)),
        ({"xsub_train": range(48), "xsub_val": range(48, 72)}, "NTU60_CS", None),
    ],
)
def test_parts_of_a_pickle(tmp_path, corpus, split, name, sizes):
    clips = load(own_pkl(tmp_path / "a.pkl", corpus, **split))
    if sizes is None:
        with pytest.raises(DataError, match=r"belongs to NTU RGB\+D"):
            protocol(clips, name)
        name, sizes = "xsub", (48, 0, 24)
    found = protocol(clips, name)
    assert (len(found.train), len(found.validation), len(found.test)) == sizes
    assert bool(found.validation.size) == any("validation part" in note for note in found.notes)


def test_what_a_split_does_not_use_is_said(tmp_path, corpus):
    path = own_pkl(
        tmp_path / "a.pkl",
        corpus,
        train1=range(40),
        test1=range(48, 60),
        train2=range(30),
        test2=range(60, 72),
    )
    clips = load(path)
    assert available(clips) == ("1", "2")
    assert any("not used by this split: test2 (12 clips)" in note for note in protocol(clips, "1").notes)
    assert any("8 clips are in no part" in note for note in protocol(clips, "1").notes)
    own = protocol(load(path, split="train1:test2"), "file")
    assert (len(own.train), len(own.test)) == (40, 12)
    three = protocol(load(path, split="train2:test1:test2"), "file")
    assert (len(three.train), len(three.validation), len(three.test)) == (30, 12, 12)
    for text, words in (
        ("train1", "expected TRAIN:TEST"),
        ("a:b:c:d", "expected TRAIN:TEST"),
        (
            "train1:nothing",
            "'nothing' is neither a part of .*it has train1, test1, train2, test2.* nor a file",
        ),
    ):
        with pytest.raises(DataError, match=words):
            load(path, split=text)


def test_a_file_of_names_per_part(tmp_path):
    clips = make_clips()
    (tmp_path / "train.txt").write_text("".join(f"{name}\n" for name in clips.names[:30]))
    (tmp_path / "test.txt").write_text("\n".join(clips.names[30:]) + "\n\n")
    split = protocol(with_split(clips, f"{tmp_path}/train.txt:{tmp_path}/test.txt"), "file")
    assert split.test.tolist() == list(range(30, 48))
    (tmp_path / "test.txt").write_text("clip001\nclip999\n")
    with pytest.raises(DataError, match="names 1 clips without annotation, first clip999"):
        with_split(clips, f"{tmp_path}/train.txt:{tmp_path}/test.txt")
    (tmp_path / "test.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="cannot be read as a list of clip names"):
        with_split(clips, f"{tmp_path}/train.txt:{tmp_path}/test.txt")


def test_parts_of_a_ragged_file(tmp_path, corpus):
    number = np.arange(72) % 3
    text = np.array(["train", "test", "val"])[number]
    for changes in (
        {"split": number},
        {"split": text},
        {part: np.flatnonzero(number == value) for value, part in enumerate(("train", "test", "validation"))},
    ):
        clips = load(write_ragged(tmp_path / "a.npz", corpus, **changes))
        for name in ("file", "split", "own"):
            found = protocol(clips, name)
            assert found.test.tolist() == list(range(1, 72, 3))
            assert found.validation.tolist() == list(range(2, 72, 3))
    for changes, words in (
        ({"split": number + 1}, "'split' should hold 0 .train., 1 .test."),
        ({"split": number[:5]}, "'split' has shape"),
        ({"train": np.array([72]), "test": np.array([1])}, "'train' should hold clip numbers from 0 to 71"),
    ):
        with pytest.raises(DataError, match=words):
            load(write_ragged(tmp_path / "a.npz", corpus, **changes))


@pytest.mark.parametrize("name", ["loso", "leave-one-subject-out", "kfold:3", "3-fold", "KFold3"])
def test_folds_by_subject(name):
    clips = make_clips(clips=60)
    subject = 1 + np.arange(60) % 7
    subject[3] = 0
    clips = replace(clips, subject=subject)
    folds = protocols(clips, name)
    loso = name.startswith("l")
    assert len(folds) == (7 if loso else 3)
    assert [fold.fold for fold in folds][:2] == (["subject 1", "subject 2"] if loso else ["1 of 3", "2 of 3"])
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == [index for index in range(60) if index != 3]
    for fold in folds:
        assert fold.protocol == ("loso" if loso else "kfold:3")
        assert not set(subject[fold.train]) & set(subject[fold.test])
        assert sorted([*fold.train, *fold.test]) == [index for index in range(60) if index != 3]
        assert any("1 clips are in no part: their subject is unknown" in note for note in fold.notes)
    with pytest.raises(DataError, match=f"has {len(folds)} folds"):
        protocol(clips, name)


def test_folds_that_cannot_be():
    clips = make_clips()
    for name, words in (
        ("kfold:5", "kfold:5 needs 2 to 4 folds; 4 subjects are known"),
        ("kfold:1", "needs 2 to 4 folds"),
        ("kfold:999999", "needs 2 to 4 folds"),
    ):
        with pytest.raises(DataError, match=words):
            protocols(clips, name)
    with pytest.raises(DataError, match="loso needs 2 subjects or more; 0 subjects are known"):
        protocols(replace(clips, subject=np.zeros_like(clips.subject)), "loso")


def test_one_split_is_a_list_of_one():
    clips = make_clips()
    (only,) = protocols(clips, "xview")
    np.testing.assert_array_equal(only.test, protocol(clips, "xview").test)
    assert only.fold == ""


def test_parts_survive_a_selection():
    half = np.arange(48)
    clips = replace(
        make_clips(),
        splits={"file": (half[:20], half[30:])},
        validation={"file": half[20:30]},
        parts={"train": half[:20]},
    )
    chosen = clips.select(np.array([40, 25, 3]))
    assert [part.tolist() for part in chosen.splits["file"]] == [[2], [0]]
    assert chosen.validation["file"].tolist() == [1]
    assert chosen.parts["train"].tolist() == [2]


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ([0, 1, 2, 3, 4, 5, 6], [7], "the test part has 1 clip"),
        ([0], [1, 2, 3, 4, 5, 6], "the training part has 1 clip"),
        ([0, 3, 6, 9, 12], [15, 18, 21, 24, 27], "all clips are of one class"),
        ([0], [3], "all clips are of one class"),
        ([0, 1, 3, 4, 6, 7], [2, 5, 8, 11, 14, 17], "never in training"),
        ([0, 1, 2, 3, 4, 5], [6, 7, 9, 10, 12], "never in test"),
        ([0, 1, 2, 3, 4, 5], [5, 6, 7, 8, 9], "1 clips both in training and test"),
    ],
)
def test_small_numbers_are_remarked_on(train, test, words):
    clips = replace(make_clips(), splits={"file": (np.array(train), np.array(test))})
    split = protocol(clips, "file")
    assert any(words in line for line in split.warnings)
    assert len(set(remarks(clips, split))) == len(remarks(clips, split))


def test_validation_clips_are_not_tested():
    half = np.arange(48)
    clips = replace(make_clips(), splits={"file": (half[:20], half[25:])}, validation={"file": half[18:30]})
    warnings = " ".join(protocol(clips, "file").warnings)
    assert "2 clips both in training and validation" in warnings
    assert "5 clips both in validation and test" in warnings


def test_everything_that_is_to_be_said_in_one_list(tmp_path, corpus):
    path = write_ragged(tmp_path / "a.npz", corpus, label=np.where(corpus.label == 0, 13, corpus.label))
    clips = load(path, drop_bad=True)
    said = remarks(clips, protocol(clips, "xview"))
    assert any("clips left out (6 with a label out of range" in line for line in said)
    assert any("no clip has label 0" in line for line in said)
