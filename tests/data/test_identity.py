"""Which data set a file holds, what its classes are called, and whether labels and names agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelbench.data import DataError, load, ntu, protocol, remarks
from tests.data.conftest import pyskl_content, write_ctrgcn, write_pickle, write_ragged


def renamed(content: dict, form: str = "rec{}") -> list[dict]:
    return [dict(a, frame_dir=form.format(number)) for number, a in enumerate(content["annotations"])]


# --- evidence


def test_own_kinect_data_in_ntus_forms_are_not_ntu(tmp_path, corpus):
    own = write_pickle(tmp_path / "mine.pkl", renamed(pyskl_content(corpus)))
    one_hot = write_ctrgcn(tmp_path / "pkummd_xsub.npz", corpus, classes=51)
    numbers = write_ctrgcn(tmp_path / "my_falls.npz", corpus, one_hot=False)
    ragged = write_ragged(tmp_path / "ours.npz", corpus)
    for path, classes in ((own, 12), (one_hot, 51), (numbers, 12), (ragged, 12)):
        clips = load(path)
        assert (clips.dataset, clips.classes) == (path.stem, classes)
        assert "A001" not in clips.class_names
        assert clips.length == clips.frames.max()
    assert any("39 of 51 classes have no clip" in note for note in load(one_hot).notes)
    split = protocol(load(one_hot), "xsub")
    assert not split.official
    assert not any("official" in note for note in split.notes)


@pytest.mark.parametrize(("width", "dataset"), [(60, ntu.NTU_60), (120, ntu.NTU_120)])
def test_class_width_is_evidence(tmp_path, corpus, width, dataset):
    clips = load(write_ctrgcn(tmp_path / "data.npz", corpus, classes=width))
    assert (clips.dataset, clips.class_names) == (dataset, ntu.class_names(width))


def test_counts_are_evidence(tmp_path, corpus, monkeypatch):
    monkeypatch.setitem(ntu.OFFICIAL_COUNTS, (ntu.NTU_60, "xview"), (48, 24))
    clips = load(write_ctrgcn(tmp_path / "data.npz", corpus, one_hot=False))
    assert (clips.dataset, clips.classes) == (ntu.NTU_60, 60)
    assert protocol(clips, "xview").official
    monkeypatch.undo()
    assert load(tmp_path / "data.npz").dataset == "data"


def test_a_public_name_is_no_claim_on_the_official_split(tmp_path, corpus):
    clips = load(write_ctrgcn(tmp_path / "NTU60_CV.npz", corpus, one_hot=False))
    assert (clips.dataset, clips.classes) == (ntu.NTU_60, 60)
    assert not protocol(clips, "xview").official
    assert any("18,908 test clips fewer" in line for line in remarks(clips, protocol(clips, "xview")))


def test_made_up_data_are_never_official(corpus, monkeypatch):
    monkeypatch.setitem(ntu.OFFICIAL_COUNTS, ("synthetic", "xview"), (48, 24))
    assert not protocol(corpus, "xview").official
    assert protocol(replace(corpus, synthetic=False), "xview").official


def test_a_prefix_in_one_name_marks_all(tmp_path, corpus):
    content = pyskl_content(corpus)
    content["annotations"][5]["frame_dir"] = "synthetic-" + content["annotations"][5]["frame_dir"]
    clips = load(write_pickle(tmp_path / "a.pkl", content["annotations"]))
    assert clips.synthetic
    assert clips.dataset == "synthetic"
    np.testing.assert_array_equal(clips.names, corpus.names)


# --- labels


def test_labels_that_begin_at_one(tmp_path, corpus):
    content = pyskl_content(corpus)
    for annotation in content["annotations"]:
        annotation["label"] += 1
    named = write_pickle(tmp_path / "named.pkl", content)
    first = corpus.names[0]
    with pytest.raises(
        DataError, match=f"72 of 72 clips contradict.*{first} has label 1, its name says 0.*subtract 1"
    ):
        load(named)
    with pytest.raises(DataError, match=r"run from 1 to 12 without a 0.*clip33 has label 12.*subtract 1"):
        load(write_ragged(tmp_path / "ragged.npz", corpus, label=corpus.label + 1))
    train, test = (np.arange(48) % 60 + 1, np.arange(24) + 37)
    with pytest.raises(DataError, match=r"run from 1 to 60 without a 0.*subtract 1"):
        load(write_ctrgcn(tmp_path / "NTU60_CV.npz", corpus, y_train=train, y_test=test))
    # Where nothing tells how many classes there are, they are the names of the classes.
    own = load(write_pickle(tmp_path / "own.pkl", renamed(content)))
    assert own.class_names == tuple(f"class {number}" for number in range(1, 13))
    np.testing.assert_array_equal(own.label, corpus.label)
    assert any("labels run from 1 to 12 without a 0" in note for note in own.notes)


def test_one_wrong_label_is_named(tmp_path, corpus):
    label = corpus.label.copy()
    label[7] = 3 if label[7] != 3 else 4
    for path in (
        write_ragged(tmp_path / "a.npz", corpus, names=corpus.names, label=label),
        write_pickle(tmp_path / "a.pkl", pyskl_content(replace(corpus, label=label))),
    ):
        with pytest.raises(
            DataError, match=f"1 of 72 clips contradict their names; the first: clip {corpus.names[7]}"
        ):
            load(path)


def test_labels_that_number_a_choice_of_actions(tmp_path, corpus):
    chosen = corpus.select(np.flatnonzero(np.isin(corpus.label, [4, 7, 9])))
    content = pyskl_content(chosen)
    for annotation in content["annotations"]:
        annotation["label"] = {4: 0, 7: 1, 9: 2}[annotation["label"]]
    clips = load(write_pickle(tmp_path / "a.pkl", content["annotations"]))
    assert clips.class_names == ("A005", "A008", "A010")
    assert any("number the 3 actions present" in note for note in clips.notes)


def test_labels_of_known_data_are_held_against_their_names(tmp_path, real_data):
    with np.load(real_data("sbu_interaction.npz")) as file:
        arrays = dict(file)
    arrays["label"][11] = (arrays["label"][11] + 1) % 8
    np.savez(tmp_path / "sbu.npz", **arrays)
    with pytest.raises(DataError, match=f"1 of 282 clips contradict.*clip {arrays['names'][11]}"):
        load(tmp_path / "sbu.npz")


@pytest.mark.parametrize("label", [np.array([0, 0, 2] * 24), np.full(72, 5)])
def test_classes_without_clips_are_said(tmp_path, corpus, label):
    clips = load(write_ragged(tmp_path / "a.npz", corpus, label=label))
    assert any("no clip" in note for note in clips.notes)


def test_a_text_that_is_no_class_name(tmp_path, corpus):
    label = np.array(corpus.class_names)[corpus.label]
    clips = load(write_ragged(tmp_path / "a.npz", corpus, label=label))
    np.testing.assert_array_equal(clips.label, corpus.label)
    label[3] = "flying"
    with pytest.raises(DataError, match="clip clip3 has the label 'flying', which is no class name"):
        load(write_ragged(tmp_path / "a.npz", corpus, label=label))
