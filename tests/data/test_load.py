"""Every format gives the same clips back, and what cannot be used is named."""

from __future__ import annotations

import datetime
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from skelbench.data import DataError, load, protocol, save
from tests.data.conftest import padded, pyskl_content, ragged_arrays, write_ctrgcn, write_pickle, write_ragged


def assert_same_clips(found, expected, indices=None, dtype=np.float32):
    indices = range(len(expected)) if indices is None else indices
    assert len(found) == len(indices)
    for position, index in enumerate(indices):
        np.testing.assert_array_equal(
            found.clip(position), expected.clip(index).astype(dtype).astype(np.float32)
        )
        assert found.label[position] == expected.label[index]


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_without_a_path_the_synthetic_corpus():
    clips = load()
    assert clips.synthetic
    assert clips.dataset == "synthetic"


# --- ragged npz


@pytest.mark.parametrize(
    ("file", "clips", "dataset", "joints", "bodies", "length"),
    [
        ("nw_ucla.npz", 1482, "NW-UCLA", 20, 1, 201),
        ("ui_prmd_2sensors.npz", 3979, "UI-PRMD", 12, 1, 97),
        ("hdm05_11.npz", 288, "HDM05", 31, 1, 226),
        ("sbu_interaction.npz", 282, "SBU Interaction", 15, 2, 46),
    ],
)
def test_real_data(real_data, file, clips, dataset, joints, bodies, length):
    path = real_data(file)
    found = load(path)
    assert (len(found), found.dataset, found.joints.shape[1]) == (clips, dataset, joints)
    assert (found.max_bodies, found.length, found.frames.max()) == (bodies, length, length)
    assert len(np.unique(found.names)) == clips
    with np.load(path) as arrays:
        middle = clips // 2
        begin, end = arrays["offsets"][middle : middle + 2]
        np.testing.assert_array_equal(found.clip(middle), arrays["x"][begin:end])
        assert found.label[middle] == arrays["label"][middle]


def test_ui_prmd_names_are_made_unique_by_their_view(real_data):
    clips = load(real_data("ui_prmd_2sensors.npz"))
    assert clips.names[0] == "m01_s01_e01_v1"
    assert any("view was appended" in note for note in clips.notes)


def test_ragged(tmp_path, corpus):
    clips = load(write_ragged(tmp_path / "mine.npz", corpus))
    assert_same_clips(clips, corpus)
    np.testing.assert_array_equal(clips.bodies, corpus.bodies)
    assert clips.dataset == "mine"
    assert clips.length == corpus.frames.max()
    assert clips.skeleton == corpus.skeleton
    # Uncompressed members are mapped, not read.
    one_body = load(write_ragged(tmp_path / "one.npz", corpus, x=ragged_arrays(corpus)["x"][:, :1]))
    assert isinstance(one_body.joints.base, np.memmap)


def test_ragged_with_ntu_names_is_ntu(tmp_path, corpus):
    clips = load(
        write_ragged(tmp_path / "a.npz", corpus, names=corpus.names, subject=None, view=None, rep=None)
    )
    assert clips.dataset == "NTU RGB+D"
    assert clips.length == 300
    for key in ("setup", "camera", "subject", "replication"):
        np.testing.assert_array_equal(getattr(clips, key), getattr(corpus, key))


@pytest.mark.parametrize("key", ["x", "label", "names", "class_names", "joint_names", "edges"])
def test_ragged_missing_key(tmp_path, corpus, key):
    with pytest.raises(DataError, match=f"missing: {key}") as error:
        load(write_ragged(tmp_path / "a.npz", corpus, **{key: None}))
    assert "a.npz" in one_line(error)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": np.zeros(5, dtype=np.int16)}, r"'label' has shape \(5,\)"),
        ({"names": np.array(["a"])}, "'names' must be 72 strings"),
        ({"view": np.ones(3, dtype=np.int16)}, "'view' has shape"),
        ({"subject": np.ones(72)}, "expected integers"),
        ({"offsets": np.array([0, 5, 3])}, "never fall"),
        ({"offsets": np.array([0, 5])}, "'offsets' ends at 5"),
        ({"x": np.zeros((4, 2, 20, 3), dtype=np.float32)}, "expected .frames, bodies, 25, 3."),
        ({"x": np.zeros((4, 2, 25, 3), dtype=np.complex64)}, "expected floating point"),
        ({"edges": np.array([[0, 25]])}, "outside 0..24"),
        ({"names": np.array(["a"] * 72, dtype=object)}, "'names' cannot be read"),
    ],
)
def test_ragged_of_wrong_shape(tmp_path, corpus, changes, words):
    with pytest.raises(DataError, match=words) as error:
        load(write_ragged(tmp_path / "a.npz", corpus, **changes))
    assert "a.npz" in one_line(error)


# --- clips that cannot be used


def spoilt(tmp_path, corpus):
    """Clip 0: label out of range; 1: NaN throughout; 2: infinite; 6: the name of clip 3; the last one: no frames."""
    arrays = ragged_arrays(corpus)
    arrays["label"][0] = 12
    arrays["x"][arrays["offsets"][1] : arrays["offsets"][2], 0, :, 1] = np.nan
    arrays["x"][arrays["offsets"][3] - 1, 0, 24, 2] = np.inf
    arrays["names"][6] = arrays["names"][3]  # both of camera 1
    arrays["offsets"][-2] = arrays["offsets"][-1]
    return write_ragged(tmp_path / "bad.npz", corpus, **arrays)


def test_bad_clips_are_named(tmp_path, corpus):
    with pytest.raises(DataError, match="5 of 72 clips cannot be used") as error:
        load(spoilt(tmp_path, corpus))
    message = one_line(error)
    assert "1 with a label out of range 0..11 (12)" in message
    assert "2 with NaN or infinite coordinates" in message
    assert "1 with nobody in any frame" in message
    assert "1 with a name that another clip has" in message
    assert "clip0, clip1, clip2, clip3, clip71" in message
    assert "--drop-bad" in message


def test_bad_clips_are_dropped_on_request(tmp_path, corpus):
    clips = load(spoilt(tmp_path, corpus), drop_bad=True)
    assert len(clips) == 67
    assert {(record.name, record.reason) for record in clips.dropped} >= {
        ("clip0", "a label out of range"),
        ("clip2", "NaN or infinite coordinates"),
        ("clip71", "nobody in any frame"),
    }
    assert any("5 clips left out" in note for note in clips.notes)
    assert np.isfinite(clips.joints).all()


def test_nothing_left(tmp_path, corpus):
    path = write_ragged(tmp_path / "a.npz", corpus, label=np.full(72, -1))
    with pytest.raises(DataError, match="none of the 72 clips"):
        load(path, drop_bad=True)


# --- NTU npz


@pytest.mark.parametrize("one_hot", [True, False])
@pytest.mark.parametrize("name", ["NTU60_CV.npz", "NTU60_XView.npz"])
def test_ctrgcn(tmp_path, corpus, name, one_hot):
    clips = load(write_ctrgcn(tmp_path / name, corpus, one_hot=one_hot))
    train, test = np.flatnonzero(corpus.camera > 1), np.flatnonzero(corpus.camera == 1)
    assert_same_clips(clips, corpus, [*train, *test])
    assert clips.names[0] == "train-000000"
    assert clips.names[-1] == f"test-{len(test) - 1:06d}"
    assert (clips.dataset, clips.length, clips.max_bodies, clips.classes) == ("NTU RGB+D", 300, 2, 60)
    split = protocol(clips, "NTU60_CV")
    np.testing.assert_array_equal(split.train, np.arange(len(train)))
    np.testing.assert_array_equal(split.test, np.arange(len(train), len(clips)))
    assert "official split" in split.notes[0]


def test_ctrgcn_of_120_classes_with_the_actor_twice(tmp_path, corpus):
    train = np.flatnonzero(corpus.camera > 1)
    x = padded(corpus, train).reshape(len(train), 300, 2, 25, 3)
    alone = corpus.bodies[train] == 1
    x[alone, :, 1] = x[alone, :, 0]
    path = write_ctrgcn(
        tmp_path / "NTU120_CSet.npz", corpus, classes=120, x_train=x.reshape(len(train), 300, 150)
    )
    clips = load(path)
    np.testing.assert_array_equal(clips.bodies[: len(train)], corpus.bodies[train])
    assert_same_clips(clips.select(np.arange(len(train))), corpus, train)
    assert clips.dataset == "NTU RGB+D 120"
    assert tuple(clips.splits) == ("xset",)


def test_ctrgcn_of_unknown_name(tmp_path, corpus):
    clips = load(write_ctrgcn(tmp_path / "data.npz", corpus))
    assert tuple(clips.splits) == ("file",)
    with pytest.raises(DataError, match="has no protocol xview; it has file"):
        protocol(clips, "xview")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_test": None}, "missing: y_test"),
        ({"y_test": np.zeros((24, 60))}, "row 0 of 'y_test' is not one-hot"),
        ({"y_test": np.zeros(3, dtype=int)}, r"'y_test' has shape \(3,\)"),
        ({"y_test": np.full(24, 0.5)}, "not whole numbers"),
        ({"x_test": np.zeros((24, 300, 60), dtype=np.float32)}, "expected floats"),
        ({"x_test": np.zeros((24, 300, 150), dtype=np.float32)}, "24 with nobody in any frame"),
    ],
)
def test_ctrgcn_that_is_wrong(tmp_path, corpus, changes, words):
    with pytest.raises(DataError, match=words) as error:
        load(write_ctrgcn(tmp_path / "NTU60_CV.npz", corpus, **changes))
    one_line(error)


# --- PYSKL


@pytest.mark.parametrize("pickle_protocol", [2, 4, 5])
def test_pyskl(tmp_path, corpus, pickle_protocol):
    clips = load(write_pickle(tmp_path / "ntu60_3danno.pkl", pyskl_content(corpus), pickle_protocol))
    assert_same_clips(clips, corpus, dtype=np.float16)
    np.testing.assert_array_equal(clips.names, corpus.names)
    np.testing.assert_array_equal(clips.subject, corpus.subject)
    split = protocol(clips, "xview")
    np.testing.assert_array_equal(clips.camera[split.test], 1)
    assert len(split.train) == 2 * len(split.test)


def test_older_pyskl_list(tmp_path, corpus):
    clips = load(write_pickle(tmp_path / "ntu60_xsub_train.pkl", pyskl_content(corpus)["annotations"]))
    assert len(clips) == len(corpus)
    assert not clips.splits
    assert set(clips.class_names) >= {"A001", "A060"}


def test_pyskl_of_ordered_dicts_and_numpy_scalars(tmp_path, corpus):
    content = pyskl_content(corpus)
    content["annotations"] = [OrderedDict(a, label=np.int64(a["label"])) for a in content["annotations"]]
    assert len(load(write_pickle(tmp_path / "a.pkl", content))) == len(corpus)


class Harmful:
    def __reduce__(self):
        return os.system, ("touch harmed",)


@pytest.mark.parametrize("content", [Harmful(), {"split": datetime.date(2020, 1, 1)}, [np.load]])
def test_pickles_of_anything_else_are_refused(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="only numpy arrays and plain containers are read") as error:
        load(write_pickle(tmp_path / "a.pkl", content))
    one_line(error)
    assert not (tmp_path / "harmed").exists()


def test_pyskl_that_is_wrong(tmp_path, corpus):
    content = pyskl_content(corpus)
    for spoil, words in (
        (lambda c: c["annotations"][3].pop("label"), "annotation 3 needs"),
        (
            lambda c: c["annotations"][3].update(keypoint=np.zeros((1, 4, 17, 2), np.float16)),
            "has 17 joints, the clips before it 25",
        ),
        (lambda c: c["annotations"][3].update(label="wave"), "not an integer"),
        (
            lambda c: c["split"]["xview_val"].append("S001C001P001R001A060"),
            "names 1 clips without annotation",
        ),
        (lambda c: c.update(annotations={}), "expected"),
    ):
        changed = pickle.loads(pickle.dumps(content))
        spoil(changed)
        with pytest.raises(DataError, match=words) as error:
            load(write_pickle(tmp_path / "a.pkl", changed))
        one_line(error)


# --- prepared folder


def test_save_and_load(tmp_path, corpus):
    save(corpus, tmp_path / "out")
    clips = load(tmp_path / "out")
    assert isinstance(clips.joints, np.memmap)
    assert clips.content_hash == corpus.content_hash
    assert clips.synthetic
    for key in ("names", "subject", "camera", "setup", "replication"):
        np.testing.assert_array_equal(getattr(clips, key), getattr(corpus, key))
    assert (clips.skeleton, clips.class_names, clips.length) == (
        corpus.skeleton,
        corpus.class_names,
        corpus.length,
    )
    save(corpus.select(np.arange(36)), tmp_path / "out")
    assert len(load(tmp_path / "out")) == 36
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_splits_and_drops_survive_a_folder(tmp_path, corpus):
    clips = load(write_ctrgcn(tmp_path / "NTU60_CV.npz", corpus))
    save(clips, tmp_path / "out")
    split = protocol(load(tmp_path / "out"), "cv")
    np.testing.assert_array_equal(split.test, clips.splits["xview"][1])
    bad = load(spoilt(tmp_path, corpus), drop_bad=True)
    save(bad, tmp_path / "bad")
    assert load(tmp_path / "bad").dropped == bad.dropped


def test_save_leaves_other_folders_alone(tmp_path, corpus):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="is no prepared dataset"):
        save(corpus, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_failed_save_leaves_what_was_there(tmp_path, corpus, monkeypatch):
    save(corpus, tmp_path / "out")

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match=r"No space left on device.*what was written lies in"):
        save(corpus, tmp_path / "out")
    monkeypatch.undo()
    assert load(tmp_path / "out").content_hash == corpus.content_hash


def test_damaged_folders(tmp_path, corpus):
    save(corpus, tmp_path / "out")
    (tmp_path / "out" / "label.npy").unlink()
    with pytest.raises(DataError, match=r"label\.npy: cannot be read"):
        load(tmp_path / "out")
    save(corpus, tmp_path / "out")
    joints = tmp_path / "out" / "joints.npy"
    joints.write_bytes(joints.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"joints\.npy: cannot be read"):
        load(tmp_path / "out")
    save(corpus, tmp_path / "out")
    np.save(tmp_path / "out" / "offsets.npy", corpus.offsets + 1)
    with pytest.raises(DataError, match="do not fit"):
        load(tmp_path / "out")
    (tmp_path / "out" / "meta.json").write_text("{")
    with pytest.raises(DataError, match=r"meta\.json: cannot be read"):
        load(tmp_path / "out")


# --- anything else


def test_what_is_no_data(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "broken.pkl").write_bytes(b"\x80\x04]")
    (tmp_path / "raw" / "empty").mkdir(parents=True)
    (tmp_path / "raw" / "S001C001P001R001A001.skeleton").write_text("0")
    for name, words in (
        ("nothing.npz", "no such file or folder; skelbench reads"),
        ("notes.txt", "of no known format; skelbench reads"),
        ("empty.npz", "an empty file"),
        ("cut.npz", "cut short or damaged"),
        ("other.npz", "an npz with neither"),
        ("broken.pkl", "not a readable pickle"),
        ("raw", "raw NTU files; run `skelbench prepare"),
        ("raw/empty", "a folder without meta.json"),
    ):
        with pytest.raises(DataError, match=words) as error:
            load(tmp_path / name)
        assert name in one_line(error)
