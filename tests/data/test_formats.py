"""One corpus through every format: the same clips come back, bit for bit, with what is known of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skelbench.data import Clips, DataError, load, load_recordings, ntu, preprocess, protocol, save
from skelbench.data.formats import EXPORTS
from skelbench.data.formats.csv_long import write_long_csv
from skelbench.data.formats.ctrgcn_npz import write_ctrgcn
from skelbench.data.formats.hdf5 import write_hdf5
from skelbench.data.formats.nctvm_npy import write_nctvm
from skelbench.data.formats.pyskl_pkl import write_pyskl
from skelbench.data.formats.ragged_npz import write_ragged
from skelbench.data.formats.ucla_json import write_ucla
from skelbench.data.skeletons import KINECT_20, KINECT_20_EDGES, skeleton_from
from skelbench.data.synthetic.raw import skeleton_text
from tests.conftest import make_clips
from tests.data.conftest import pyskl_content, write_pickle


def written(form: str, clips: Clips, folder: Path) -> Path:
    """`clips` in a format; the path to load."""
    if form == "prepared":
        save(clips, folder / "prepared")
        return folder / "prepared"
    paths = EXPORTS[form](clips, folder)
    return paths[0].parent if form == "nctvm" else paths[0]


def assert_same(found: Clips, expected: Clips) -> None:
    """The same clips under the same names, in any order."""
    assert sorted(found.names.tolist()) == sorted(expected.names.tolist())
    place = {name: index for index, name in enumerate(found.names.tolist())}
    order = np.array([place[name] for name in expected.names.tolist()])
    for index, other in enumerate(order.tolist()):
        np.testing.assert_array_equal(found.clip(other), expected.clip(index))
    for key in ("label", "bodies", "subject", "camera", "setup", "replication"):
        np.testing.assert_array_equal(getattr(found, key)[order], getattr(expected, key), err_msg=key)
    for key in ("class_names", "skeleton", "max_bodies", "length", "synthetic", "dataset", "unit"):
        assert getattr(found, key) == getattr(expected, key), key


ALL = ("prepared", *EXPORTS)


def need(form: str) -> None:
    if form == "hdf5":
        pytest.importorskip("h5py", reason="the extra hdf5 is not installed")


@pytest.fixture(scope="module")
def ntu_corpus(corpus) -> Clips:
    """The corpus as NTU RGB+D would be."""
    return replace(
        corpus, synthetic=False, dataset=ntu.NTU_60, class_names=ntu.class_names(60), length=ntu.LENGTH
    )


@pytest.mark.parametrize("form", ALL)
def test_ntu_through_every_format(form, ntu_corpus, tmp_path):
    need(form)
    found = load(written(form, ntu_corpus, tmp_path))
    assert_same(found, ntu_corpus)
    assert len(protocol(found, "xview").test) > 0
    # Nothing is held in two ways: what was read writes the same again.
    again = load(written(form, found, tmp_path / "again"))
    assert_same(again, found)


@pytest.mark.parametrize("form", ALL)
def test_made_up_data_stay_made_up(form, corpus, tmp_path):
    need(form)
    expected = replace(corpus, length=ntu.LENGTH) if form == "csv" else corpus
    path = written(form, corpus, tmp_path)
    found = load(path)
    assert found.synthetic
    assert found.dataset == "synthetic"
    assert not protocol(found, "xview").official
    if form == "csv":
        # The form has no place for the length of a padded row.
        expected = replace(expected, length=found.length)
    if form == "nctvm":
        found = replace(found, class_names=corpus.class_names)
    assert_same(found, expected)
    if path.is_file() and form == "pyskl":
        assert "synthetic-S001C001P001R001A001" in str(path.read_bytes())


@pytest.mark.parametrize("form", ["prepared", "pyskl", "ragged", "hdf5", "csv"])
def test_own_data_through_every_format(form, tmp_path):
    need(form)
    half = np.arange(48)
    clips = replace(
        make_clips(bodies=2),
        parts={"train": half[:30], "val": half[30:36], "test": half[36:]},
        splits={"file": (half[:30], half[36:])},
        validation={"file": half[30:36]},
        dataset="tiny",
    )
    found = load(written(form, clips, tmp_path))
    expected = clips
    if form == "csv":
        # Bones have no place in the form.
        expected = replace(clips, skeleton=skeleton_from(clips.skeleton.joint_names, ()))
    assert_same(found, expected)
    split = protocol(found, "file")
    assert (len(split.train), len(split.validation), len(split.test)) == (30, 6, 12)
    assert found.names[split.validation].tolist() == clips.names[30:36].tolist()


# --- bodies


def comes_and_goes() -> list[np.ndarray]:
    """Clips (T, 2, 25, 3): two people; a body that is never there; an id that changes; one that comes late; a copy."""
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 1, (25, 3)) * [0.1, 0.4, 0.1]
    walk = np.cumsum(rng.normal(0, 0.02, (30, 1, 3)), axis=0)
    one = pose + walk + [0, 0, 3]
    other = pose * [1.1, 0.9, 1] - walk / 2 + [0.8, 0, 3]
    # Of as many digits as a text file gives back.
    both = (np.round(np.stack([one, other], axis=1) * 4096) / 4096).astype(np.float32)
    never, changed, late, copy = (both.copy() for _ in range(4))
    never[:, 1] = 0
    changed[14:, 0], changed[:14, 1] = 0, 0
    late[:18, 1] = 0
    copy[:, 1] = copy[:, 0]
    return [both, never, changed, late, copy, never[:, ::-1].copy()]


BODIES = (2, 1, 1, 2, 1, 1)


def arrays_of(blocks: list[np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    return {
        "x": np.concatenate(blocks),
        "offsets": np.cumsum([0, *map(len, blocks)]),
        "label": np.arange(len(blocks)) % 2,
        "names": np.array(names),
        "class_names": np.array(["a", "b"]),
        "joint_names": np.array(ntu.NTU_25.joint_names),
        "edges": np.array(ntu.NTU_25.edges),
    }


def test_one_definition_of_a_body(tmp_path):
    """Padded forms of the same blocks, none of them tidy: the same bodies, the same bits."""
    blocks = comes_and_goes()
    names = [f"clip{number}" for number in range(len(blocks))]
    np.savez(tmp_path / "ragged.npz", **arrays_of(blocks, names))
    label = np.arange(len(blocks)) % 2
    annotations = [
        {"frame_dir": name, "label": int(what), "keypoint": block.transpose(1, 0, 2, 3)}
        for name, what, block in zip(names, label, blocks, strict=True)
    ]
    write_pickle(tmp_path / "own.pkl", annotations)
    padded = np.zeros((len(blocks), 60, 2, 25, 3), dtype=np.float32)
    for row, block in zip(padded, blocks, strict=True):
        row[: len(block)] = block
    rows = padded.reshape(len(blocks), 60, 150)
    np.savez(tmp_path / "own.npz", x_train=rows[:4], y_train=label[:4], x_test=rows[4:], y_test=label[4:])
    (tmp_path / "npy").mkdir()
    np.save(tmp_path / "npy" / "train_data_joint.npy", padded.transpose(0, 4, 1, 3, 2))
    write_pickle(tmp_path / "npy" / "train_label.pkl", (names, label.tolist()))
    with open(tmp_path / "own.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["clip", "frame", "body", "joint", "x", "y", "z", "label"])
        for name, what, block in zip(names, label, blocks, strict=True):
            for frame, body in np.argwhere(block.any(axis=(2, 3))).tolist():
                for joint, xyz in enumerate(block[frame, body]):
                    table.writerow([name, frame, f"id{body}", joint, *map(str, xyz), what])
    found = [load(tmp_path / name) for name in ("ragged.npz", "own.pkl", "own.npz", "npy", "own.csv")]
    for clips in found:
        assert tuple(clips.bodies) == BODIES, clips.source
        for index in range(len(blocks)):
            np.testing.assert_array_equal(clips.clip(index), found[0].clip(index), err_msg=clips.source)
        assert clips.max_bodies == 2
        assert any("1 clips: a body that appears after another has left" in note for note in clips.notes)
    merged = found[0].clip(2)
    np.testing.assert_array_equal(merged[:14, 0], blocks[2][:14, 0])
    np.testing.assert_array_equal(merged[14:, 0], blocks[2][14:, 1])
    # A folder that an earlier version wrote holds second bodies that are never there.
    untidy = found[0]
    packed = np.concatenate([block.reshape(-1, 25, 3) for block in blocks])
    offsets = np.cumsum([0, *(2 * len(block) for block in blocks)])
    save(replace(untidy, joints=packed, offsets=offsets, bodies=np.full(6, 2)), tmp_path / "old")
    again = load(tmp_path / "old")
    assert tuple(again.bodies) == BODIES
    np.testing.assert_array_equal(again.joints, untidy.joints)
    assert any("4 clips had bodies" in note for note in again.notes)


def test_raw_recordings_are_the_same_people(tmp_path):
    """The tracker's ids in .skeleton files: `prepare`, `load_recordings` and padded forms agree."""
    pytest.importorskip("skelbench.data._skeleton_file", reason="the extension is not built")
    from skelbench.prepare.pipeline import prepare

    blocks = comes_and_goes()[:4]
    names = [f"S001C{1 + number % 2:03d}P001R001A{number:03d}" for number in range(1, 5)]
    names.sort()
    (tmp_path / "raw").mkdir()
    for name, block in zip(names, blocks, strict=True):
        frames = [
            [(70 + body, block[t, body]) for body in range(2) if block[t, body].any()] for t in range(30)
        ]
        (tmp_path / "raw" / f"{name}.skeleton").write_text(skeleton_text(frames))
    prepared = prepare(tmp_path / "raw", tmp_path / "out").clips
    assert prepared.bodies.tolist() == [2, 1, 1, 2]
    recorded = load_recordings(sorted((tmp_path / "raw").iterdir()))
    assert_same(replace(recorded, class_names=prepared.class_names), prepared)
    for form in ("ctrgcn", "pyskl", "ragged", "csv"):
        assert_same(load(written(form, prepared, tmp_path / form)), prepared)


def test_a_body_of_nan_alone_is_bad_data(tmp_path):
    block = comes_and_goes()[0]
    spoilt = block.copy()
    spoilt[5:9, 1] = np.nan
    np.savez(tmp_path / "a.npz", **arrays_of([spoilt, block], ["a", "b"]))
    with pytest.raises(DataError, match=r"1 with NaN or infinite coordinates.: a;"):
        load(tmp_path / "a.npz")
    assert load(tmp_path / "a.npz", drop_bad=True).names.tolist() == ["b"]


def test_frames_without_a_body_at_the_ends(tmp_path):
    block = comes_and_goes()[1][:, :1].copy()
    block[:3], block[-4:], block[10] = 0, 0, 0
    np.savez(tmp_path / "a.npz", **arrays_of([block, block[3:-4]], ["a", "b"]))
    clips = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(clips.clip(0), clips.clip(1))
    assert any("1 clips begin or end in frames without a body: 7 frames" in note for note in clips.notes)
    assert not clips.clip(0)[7].any()


# --- what a format cannot hold, and formats of one data set


def test_ucla_json(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"a{action:02d}_s01_e00_v{view:02d}" for view in (1, 2, 3) for action in (1, 8, 12)]
    clips = make_clips(clips=9, joints=20)
    clips = replace(
        clips,
        joints=(clips.joints + rng.normal(0, 1, clips.joints.shape)).astype(np.float32),
        names=np.array(names),
        label=np.array([0, 6, 9] * 3),
        skeleton=skeleton_from(KINECT_20, KINECT_20_EDGES),
    )
    write_ucla(clips, tmp_path)
    for folder in (tmp_path, tmp_path / "all_sqe"):
        found = load(folder)
        assert (found.dataset, found.classes, found.class_names[6]) == ("NW-UCLA", 10, "donning")
        order = np.argsort(names)
        np.testing.assert_array_equal(found.joints, clips.select(order).joints)
        np.testing.assert_array_equal(found.label, clips.label[order])
    assert set(found.camera[protocol(found, "xview").test]) == {3}
    path = tmp_path / "all_sqe" / "a12_s01_e00_v01.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "label": 9}))
    with pytest.raises(DataError, match="clip a12_s01_e00_v01 has label 8, its name says 9"):
        load(tmp_path)


def test_pyskl_of_nw_ucla(tmp_path, real_data):
    clips = load(real_data("nw_ucla.npz")).select(np.arange(0, 1482, 40))
    (path,) = write_pyskl(clips, tmp_path)
    found = load(path)
    assert_same(found, replace(clips, length=found.length))
    assert found.dataset == "NW-UCLA"


def test_pyskl_of_2d_keypoints(tmp_path):
    rng = np.random.default_rng(0)
    keypoint = rng.uniform(100, 700, (2, 12, 17, 2)).astype(np.float16)
    score = rng.uniform(0.5, 1, (2, 12, 17)).astype(np.float16)
    score[0, 4, 9] = 0
    keypoint[1, 6:], score[1, 6:] = 0, 0
    content = [
        {
            "frame_dir": f"v{n}",
            "label": n,
            "keypoint": keypoint,
            "keypoint_score": score,
            "img_shape": (1080, 1920),
        }
        for n in range(2)
    ]
    clips = load(write_pickle(tmp_path / "own.pkl", content))
    assert clips.joints.shape[1:] == (17, 3)
    assert not clips.joints[..., 2].any()
    expected = (keypoint.astype(np.float32) - [960, 540]) / 960
    clip = clips.clip(0)
    np.testing.assert_allclose(clip[3, 0, :, :2], expected[0, 3], atol=1e-6)
    np.testing.assert_allclose(clip[4, 0, 9, :2], (expected[0, 3, 9] + expected[0, 5, 9]) / 2, atol=1e-6)
    assert not clip[6:, 1].any()
    assert any("scores are not used" in note for note in clips.notes)
    assert any("2 joints in 2 clips were not found" in note for note in clips.notes)
    assert clips.skeleton.origin == (11, 12)
    assert preprocess(clips, "body").notes[-1:] != ()


BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
    OFFSET 0 90 10
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 60 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
0 90 0 0 0 0 0 0 0
1 90 0 90 0 0 0 0 0
"""


def test_bvh(tmp_path):
    pytest.importorskip("pybvh", reason="the extra bvh is not installed")
    for name in ("walk_1", "walk_2", "jump_1"):
        (tmp_path / f"{name}.bvh").write_text(BVH)
    with pytest.raises(DataError, match=r"BVH files without labels\.csv"):
        load(tmp_path)
    (tmp_path / "labels.csv").write_text(
        "name,label,subject\nwalk_1,walk,1\nwalk_2.bvh,walk,2\njump_1,jump,1\n"
    )
    clips = load(tmp_path)
    assert clips.class_names == ("jump", "walk")
    assert clips.label.tolist() == [0, 1, 1]
    assert clips.subject.tolist() == [1, 1, 2]
    # Centimetres by the size of the body; the whole body turned by 90 degrees about z in the second frame.
    np.testing.assert_allclose(
        clips.clip(0)[1, 0], [[0.01, 0.9, 0], [-0.89, 0.9, 0.1], [-1.49, 0.9, 0.1]], atol=1e-6
    )
    assert clips.skeleton.edges == ((1, 0), (2, 1))
    assert clips.unit == "metre"
    (tmp_path / "walk_2.bvh").write_text(BVH[:150])
    with pytest.raises(DataError, match=r"walk_2\.bvh: not a readable BVH file") as error:
        load(tmp_path)
    assert "\n" not in str(error.value)


def test_own_skeleton_files_with_a_table(tmp_path):
    pytest.importorskip("skelbench.data._skeleton_file", reason="the extension is not built")
    from skelbench.prepare.pipeline import prepare

    raw = tmp_path / "raw"
    raw.mkdir()
    body = np.random.default_rng(0).normal(0, 0.3, (25, 3)).astype(np.float32)
    for name in ("fall-1", "fall-2", "sit-1", "stray"):
        (raw / f"{name}.skeleton").write_text(
            skeleton_text([[(1, body + np.float32(t / 9))] for t in range(15)])
        )
    with pytest.raises(DataError, match="raw NTU files; run"):
        load(raw)
    (raw / "labels.csv").write_text(
        "name;label;subject;split\nfall-1;fall;1;train\nfall-2;fall;2;test\nsit-1;sit;1;train\n"
    )
    with pytest.raises(DataError, match="no line for 1 recordings, the first stray"):
        load(raw)
    outcome = prepare(raw, tmp_path / "out")
    assert [(record.name, record.reason) for record in outcome.lost] == [
        ("stray", "not in the table of labels")
    ]
    (raw / "stray.skeleton").unlink()
    for clips in (outcome.clips, load(tmp_path / "out"), load(raw)):
        assert clips.dataset == "raw"
        assert clips.class_names == ("fall", "sit")
        assert clips.names.tolist() == ["fall-1", "fall-2", "sit-1"]
        assert protocol(clips, "file").test.tolist() == [1]


def test_recordings_without_labels(tmp_path, corpus):
    pytest.importorskip("skelbench.data._skeleton_file", reason="the extension is not built")
    clip = corpus.clip(0)
    text = skeleton_text([[(1, frame[0])] for frame in clip])
    for name in ("mine.skeleton", "yours.skeleton"):
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=r"one recording.*skelbench prepare"):
        load(tmp_path / "mine.skeleton")
    for paths in (
        [tmp_path / "mine.skeleton"],
        [tmp_path / "mine.skeleton", tmp_path / "yours.skeleton"],
        [tmp_path],
    ):
        clips = load_recordings(paths)
        assert set(clips.label.tolist()) == {-1}
        # The file holds seven digits.
        np.testing.assert_allclose(clips.clip(0), preprocess(corpus.select(np.array([0]))).clip(0), atol=1e-6)
    content = pyskl_content(corpus)["annotations"]
    for annotation in content:
        del annotation["label"]
        annotation["frame_dir"] = f"rec-{annotation['frame_dir']}"
    path = write_pickle(tmp_path / "a.pkl", content)
    with pytest.raises(DataError, match="needs 'frame_dir', 'label' and 'keypoint'"):
        load(path)
    assert set(load_recordings([path]).label.tolist()) == {-1}
    with pytest.raises(DataError, match="one file of that format at a time"):
        load_recordings([path, path])


def test_csv_by_hand(tmp_path):
    """What people type: semicolons, joints by number from 1, no clip or body, a joint left out."""
    lines = ["Frame;Joint;X;Y;Z;Label"]
    for frame in range(4):
        lines += [
            f"{frame};{joint};{frame / 10};{joint / 5};2;wave"
            for joint in range(1, 6)
            if (frame, joint) != (2, 3)
        ]
    path = tmp_path / "wave.csv"
    path.write_text("\n".join(lines))
    clips = load(path)
    assert (clips.names.tolist(), clips.class_names, clips.dataset) == (["wave"], ("wave",), "wave")
    np.testing.assert_allclose(clips.clip(0)[2, 0, 2], [0.2, 0.6, 2], atol=1e-6)
    assert any("1 joints in 1 clips were not found" in note for note in clips.notes)
    for spoilt, words in (
        ("0;1;a;0;0;wave", "line 2: expected a whole frame number"),
        ("0;1;0;0;wave", "line 2: 5 entries, the header has 6"),
        ("0;1;0;0;0;sit\n0;2;0;0;0;wave", "line 3: clip wave has label 'wave', before it 'sit'"),
        ("0;1;1;0;0;wave\n0;1;1;0;0;wave", "line 3: clip wave has a joint twice"),
        ("0;1;0;0;0;wave\n999999999999;1;0;0;0;wave", "has frames from 0 to 999999999999"),
    ):
        path.write_text(f"{lines[0]}\n{spoilt}\n")
        with pytest.raises(DataError, match=words):
            load(path)


def test_layouts_that_do_not_fit_are_refused(tmp_path):
    clips = make_clips()
    with pytest.raises(DataError, match="at most two bodies of 25 joints"):
        write_ctrgcn(clips, tmp_path)
    with pytest.raises(DataError, match="one body of 20 joints"):
        write_ucla(clips, tmp_path)
    write_nctvm(clips, tmp_path)
    (tmp_path / "a.csv").write_text("frame,joint,x,y,z\n0,0,1,1,1\n")
    with pytest.raises(DataError, match="has no column label"):
        load(tmp_path / "a.csv")
    write_ragged(clips, tmp_path / "a.npz")
    write_long_csv(clips, tmp_path / "b.csv")


def test_hdf5_of_the_ctrgcn_layout(tmp_path, corpus):
    h5py = pytest.importorskip("h5py", reason="the extra hdf5 is not installed")
    (path, *_) = write_ctrgcn(corpus, tmp_path)
    with np.load(path) as arrays, h5py.File(tmp_path / "xset.h5", "w") as file:
        for key in ("x_train", "y_train", "x_test", "y_test"):
            file.create_dataset(key, data=arrays[key], compression="gzip")
    found, expected = load(tmp_path / "xset.h5"), load(path)
    np.testing.assert_array_equal(found.joints, expected.joints)
    write_hdf5(corpus, tmp_path / "b.h5")
    (tmp_path / "cut.h5").write_bytes((tmp_path / "b.h5").read_bytes()[:5000])
    with pytest.raises(DataError, match=r"cut\.h5"):
        load(tmp_path / "cut.h5")
