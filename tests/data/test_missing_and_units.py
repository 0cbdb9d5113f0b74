"""Joints that were not found, and coordinates of other units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelbench.data import DataError, load, preprocess
from skelbench.data.missing import filled
from skelbench.data.skeletons import COCO_17, COCO_17_EDGES, skeleton_from
from skelbench.data.units import METRES
from tests.conftest import make_clips
from tests.data.conftest import write_ragged


def standing(clips=24, joints=17, seed=0):
    """Own data of COCO's joints, 3 m in front of the camera."""
    made = make_clips(clips=clips, joints=joints, seed=seed)
    return replace(
        made,
        joints=made.joints * np.float32(1.6) + np.float32([0.5, 0.4, 3]),
        skeleton=skeleton_from(COCO_17, COCO_17_EDGES),
    )


def ragged(path, clips, **changes):
    """A ragged npz of clips of one body."""
    arrays = {
        "x": clips.joints[:, None],
        "offsets": clips.offsets,
        "label": clips.label,
        "names": clips.names,
        "class_names": np.array(clips.class_names),
        "joint_names": np.array(clips.skeleton.joint_names),
        "edges": np.array(clips.skeleton.edges),
        **changes,
    }
    np.savez(path, **arrays)
    return path


def with_gaps(clips, value):
    """Missing: joint 3 in two frames and 5 in the first of clip 0; 9 throughout clip 1; the hips first in clip 2."""
    joints = clips.joints.copy()
    joints[[2, 3], 3] = value
    joints[0, 5] = value
    begin, end = clips.offsets[1:3]
    joints[begin:end, 9] = value
    joints[end, 11:13] = value
    return replace(clips, joints=joints)


@pytest.mark.parametrize("value", [0, np.nan])
def test_missing_joints_are_filled(tmp_path, value):
    clips = standing()
    found = load(ragged(tmp_path / "a.npz", with_gaps(clips, value)))
    clip, true = found.clip(0)[:, 0], clips.clip(0)[:, 0]
    np.testing.assert_allclose(clip[2, 3], true[1, 3] * 2 / 3 + true[4, 3] / 3, atol=1e-5)
    np.testing.assert_array_equal(clip[0, 5], true[1, 5])
    # Never seen: where its parent, the left elbow, is.
    np.testing.assert_array_equal(found.clip(1)[:, 0, 9], clips.clip(1)[:, 0, 7])
    count = 3 + len(clips.clip(1)) + 2
    assert f"{count} joints in 3 clips were not found (zero or NaN) and were filled" in found.notes[0]
    # The origin is the middle of the hips of the first frame that has them.
    centred = preprocess(found).clip(2)
    np.testing.assert_allclose(centred[1, 0, [11, 12]].mean(axis=0), 0, atol=1e-6)
    rest = np.arange(3, 24)
    np.testing.assert_array_equal(found.select(rest).joints, clips.select(rest).joints)


@pytest.mark.parametrize("value", [0, np.nan])
def test_missing_joints_drop_their_clips(tmp_path, value):
    found = load(ragged(tmp_path / "a.npz", with_gaps(standing(), value)), missing="drop")
    assert [(record.name, record.reason) for record in found.dropped] == [
        (f"clip00{number}", "joints that were not found") for number in range(3)
    ]
    assert "these clips were left out: clip000, clip001, clip002" in found.notes[0]


def test_missing_joints_kept(tmp_path):
    path = ragged(tmp_path / "a.npz", with_gaps(standing(), 0))
    found = load(path, missing="keep")
    np.testing.assert_array_equal(found.clip(0)[2, 0, 3], 0)
    assert "kept as they are" in found.notes[0]
    centred = preprocess(found)
    np.testing.assert_allclose(centred.clip(2)[1, 0, [11, 12]].mean(axis=0), 0, atol=1e-6)
    assert any("1 clips have no root joint in their first frame" in note for note in centred.notes)
    with pytest.raises(DataError, match="3 with NaN or infinite coordinates"):
        load(ragged(tmp_path / "b.npz", with_gaps(standing(), np.nan)), missing="keep")
    with pytest.raises(DataError, match="choose fill, drop, keep"):
        load(path, missing="guess")
    every = standing().joints.copy()
    every[:, 2] = 0
    with pytest.raises(DataError, match="every clip has missing joints"):
        load(ragged(tmp_path / "c.npz", replace(standing(), joints=every)), missing="drop")


def test_an_origin_is_no_missing_joint(tmp_path):
    """Data that were centred before: the root is zero in the first frame of every clip, or in every frame."""
    clips = standing()
    once = preprocess(replace(clips, skeleton=replace(clips.skeleton, root=0, centred=True)))
    every = replace(clips, joints=clips.joints - clips.joints[:, :1])
    for moved in (once, every):
        found = load(ragged(tmp_path / "a.npz", moved, unit="metre"))
        np.testing.assert_array_equal(found.joints, moved.joints)
        assert found.notes == ()


def test_published_data_stay_as_they_are(tmp_path, corpus, real_data):
    joints = corpus.joints.copy()
    joints[3, 7] = 0
    path = write_ragged(tmp_path / "a.npz", replace(corpus, joints=joints), names=corpus.names)
    found = load(path)
    np.testing.assert_array_equal(found.joints, joints)
    assert (
        "1 joints in 1 clips were not found (zero or NaN); kept as they are as in the published data"
        in found.notes[0]
    )
    assert load(path, missing="fill").joints[3, 7].any()
    ucla = load(real_data("nw_ucla.npz"))
    with np.load(real_data("nw_ucla.npz")) as arrays:
        np.testing.assert_array_equal(ucla.joints, arrays["x"][:, 0])
    assert any("12 joints in" in note for note in ucla.notes)


def test_nothing_to_fill_from():
    clip = np.zeros((4, 1, 3, 3), dtype=np.float32)
    clip[:, 0, 0] = [np.nan, 1, 1]
    skeleton = skeleton_from(["a", "b", "c"], [(1, 2), (2, 1)])
    assert np.isnan(filled(clip, skeleton)[:, 0, 0]).any()
    # A body of NaN alone has nobody to be told by.
    np.testing.assert_array_equal(filled(np.full((4, 1, 3, 3), np.nan, np.float32), skeleton), np.nan)


# --- units


@pytest.mark.parametrize("unit", list(METRES))
def test_stated_units_are_brought_to_metres(tmp_path, unit):
    clips = standing()
    scaled = replace(clips, joints=clips.joints / np.float32(METRES[unit]))
    found = load(ragged(tmp_path / "a.npz", scaled, unit=f"{unit}, y up"))
    np.testing.assert_allclose(found.joints, clips.joints, rtol=1e-5)
    assert found.unit == ("metre, y up" if unit == "metre" else "metre")
    assert [note for note in found.notes if "as the file states" in note] == [
        note for note in found.notes if unit != "metre"
    ]


@pytest.mark.parametrize(("unit", "kind"), [("centimetre", np.float32), ("millimetre", np.int16)])
def test_units_are_guessed_from_the_size_of_a_body(tmp_path, unit, kind):
    clips = standing()
    x = (clips.joints / METRES[unit]).astype(kind)[:, None]
    path = ragged(tmp_path / "a.npz", clips, x=x)
    found = load(path)
    assert found.unit == "metre"
    np.testing.assert_allclose(found.joints, clips.joints, atol=1e-3)
    assert f"coordinates were brought from {unit}s to metres (a guess: no unit is stated" in found.notes[0]
    kept = load(path, unit="keep")
    np.testing.assert_array_equal(kept.joints, x[:, 0].astype(np.float32))
    assert kept.unit == "unknown"
    told = load(path, unit="inch")
    np.testing.assert_allclose(told.joints, x[:, 0] * np.float32(0.0254), rtol=1e-5)
    with pytest.raises(DataError, match="unit 'parsec': choose metre"):
        load(path, unit="parsec")


def test_units_that_cannot_be(tmp_path):
    clips = standing()
    huge = replace(clips, joints=clips.joints * np.float32(4000))
    path = ragged(tmp_path / "a.npz", huge, unit="inch/2.54 px")
    assert any(
        "the unit is 'inch/2.54 px'" in note and "not brought to metres" in note for note in load(path).notes
    )
    path = ragged(tmp_path / "b.npz", huge)
    assert any("no unit is stated" in note and "not brought to metres" in note for note in load(path).notes)
    path = ragged(tmp_path / "c.npz", replace(clips, joints=clips.joints * np.float32(1000)), unit="m")
    assert any(
        "said to be the metre" in note and "looks like the millimetre" in note for note in load(path).notes
    )


def test_one_clip_of_another_unit_is_named(tmp_path):
    clips = standing()
    joints = clips.joints.copy()
    joints[clips.offsets[5] : clips.offsets[6]] *= 1000
    found = load(ragged(tmp_path / "a.npz", replace(clips, joints=joints)))
    assert any(
        "1 clips have bodies more than 20 times larger" in note and "clip005" in note for note in found.notes
    )


def test_flat_data_have_no_guess(tmp_path):
    clips = standing()
    flat = clips.joints * np.float32([500, 500, 0])
    found = load(ragged(tmp_path / "a.npz", replace(clips, joints=flat)))
    np.testing.assert_array_equal(found.joints, flat)
    assert any("not brought to metres" in note for note in found.notes)


# --- skeletons


def test_middles_are_made_from_left_and_right():
    clips = standing()
    assert clips.skeleton.origin == (11, 12)
    assert clips.skeleton.spine == ((11, 12), (5, 6))
    centred = preprocess(clips, "body")
    first = np.array([centred.clip(index)[0, 0] for index in range(len(clips))])
    np.testing.assert_allclose(first[:, 11:13].mean(axis=1), 0, atol=1e-6)
    spine = np.median(
        [c[:10, 0, 5:7].mean(axis=1) - c[:10, 0, 11:13].mean(axis=1) for c in map(centred.clip, range(3))],
        axis=1,
    )
    assert (spine[:, 1] > 0.9 * np.linalg.norm(spine, axis=1)).all()


def test_edges(tmp_path):
    clips = standing()
    chain = [(joint, max(joint - 1, 0)) for joint in range(17)]
    names = np.array([f"j{joint}" for joint in range(17)])
    found = load(ragged(tmp_path / "a.npz", clips, edges=[*chain, (2, 1)], joint_names=names))
    assert found.skeleton.edges == tuple(chain[1:])
    assert (found.skeleton.root, found.skeleton.origin) == (0, (0,))
    assert any("1 bones join a joint with itself (j0)" in note for note in found.notes)
    assert any("1 bones are named twice" in note for note in found.notes)
    for edges, words in (
        ([(joint + 1, joint) for joint in range(1, 17)], "outside 0..16 .17.; they begin at 1: subtract 1"),
        ([(1, -1)], "outside 0..16 .-1."),
        (np.zeros((4, 3), dtype=int), "expected integers .bones, 2."),
        (np.zeros((4, 2)), "expected integers .bones, 2."),
    ):
        with pytest.raises(DataError, match=words):
            load(ragged(tmp_path / "a.npz", clips, edges=edges))


# --- length


def test_long_clips_are_resampled():
    clips = make_clips(clips=6)
    long = np.repeat(clips.joints[:1], 5400, axis=0) + np.arange(5400, dtype=np.float32)[:, None, None] / 1000
    joints = np.concatenate([clips.joints, long])
    offsets = np.append(clips.offsets, len(joints))
    more = {
        key: np.append(getattr(clips, key), 1)
        for key in ("bodies", "label", "subject", "camera", "setup", "replication")
    }
    clips = replace(
        clips, joints=joints, offsets=offsets, names=np.append(clips.names, "long"), length=5400, **more
    )
    found = preprocess(clips)
    assert (found.length, found.frames.max()) == (300, 300)
    np.testing.assert_array_equal(found.frames[:6], clips.frames[:6])
    kept = preprocess(clips.select(np.arange(6))).joints
    np.testing.assert_array_equal(found.joints[: len(kept)], kept)
    last = found.clip(6)
    np.testing.assert_allclose(last[-1, 0, 0], 5.399, atol=1e-3)
    assert "1 clips of more than 300 frames were resampled" in found.notes[0]
    assert "81,000 numbers instead of 4,500" in found.notes[0]
    assert preprocess(clips, length=6000).frames.max() == 5400
    assert preprocess(clips, length=6000).length == 6000
    assert preprocess(clips, length=10).frames.max() == 10
    with pytest.raises(DataError, match="length 0"):
        preprocess(clips, length=0)
