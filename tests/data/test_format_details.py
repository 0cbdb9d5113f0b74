"""Formats of one data set, of recordings without labels, and of tables: what each reads, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from skelbench.data import DataError, load, load_recordings, preprocess, protocol
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
from tests.data.test_formats import assert_same


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
