"""The origin, and the optional alignment of the body."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelbench.data import DataError, Skeleton, load, preprocess
from skelbench.data.skeletons import skeleton_from
from tests.conftest import make_clips


def with_joints(clips, joints):
    return replace(clips, joints=joints.astype(np.float32))


def test_the_first_root_is_the_origin(corpus):
    centred = preprocess(corpus)
    for index in range(len(corpus)):
        before, after = corpus.clip(index), centred.clip(index)
        first = next(frame for frame in before[:, 0] if frame.any())
        expected = before - first[corpus.skeleton.root]
        expected[~before.any(axis=(2, 3))] = 0
        np.testing.assert_array_equal(after, expected)
    assert (before.any(axis=(2, 3)) == after.any(axis=(2, 3))).all()


def test_centring_twice_changes_nothing(corpus):
    once = preprocess(corpus)
    assert preprocess(once).joints is once.joints


def test_a_first_body_that_comes_late(corpus):
    index = int(np.flatnonzero(corpus.bodies == 2)[0])
    joints = corpus.joints.copy()
    clip = joints[corpus.offsets[index] : corpus.offsets[index + 1]].reshape(-1, 2, 25, 3)
    clip[:5, 0] = 0
    after = preprocess(with_joints(corpus, joints)).clip(index)
    np.testing.assert_array_equal(after[5, 0, 1], 0)
    np.testing.assert_array_equal(after[:5, 0], 0)
    np.testing.assert_array_equal(after[0, 1], clip[0, 1] - clip[5, 0, 1])
    # Its root is zero where it comes, and that is not a joint which was not found.
    once = preprocess(with_joints(corpus, joints))
    assert preprocess(once).joints is once.joints
    clip[:, 0] = 0
    # A body that is never there is no body: the other one is the first.
    after = preprocess(with_joints(corpus, joints)).clip(index)
    np.testing.assert_array_equal(
        after[:, 1], np.where(clip[:, 1].any((1, 2))[:, None, None], clip[:, 1] - clip[0, 1, 1], 0)
    )
    clip[:] = 0
    untouched = preprocess(with_joints(corpus, joints))
    np.testing.assert_array_equal(untouched.clip(index), clip)
    assert any("1 clips have nobody in any frame" in note for note in untouched.notes)


def test_alignment_undoes_a_rotation(corpus):
    rng = np.random.default_rng(0)
    rotations = np.linalg.qr(rng.normal(size=(len(corpus), 3, 3)))[0]
    rotations *= np.sign(np.linalg.det(rotations))[:, None, None]
    joints = corpus.joints.astype(np.float64).copy()
    for index, rotation in enumerate(rotations):
        joints[corpus.offsets[index] : corpus.offsets[index + 1]] @= rotation
    aligned, turned = preprocess(corpus, "body"), preprocess(with_joints(corpus, joints), "body")
    # The median is taken by coordinate, so the two agree as far as the first frames agree among themselves.
    difference = np.abs(aligned.joints - turned.joints).max(axis=(1, 2))
    assert np.median(difference) < 0.05
    for clips in (aligned, turned):
        first = np.array([clips.clip(i)[0, 0] for i in range(len(clips))])
        spine = first[:, 20] - first[:, 0]
        across = first[:, 8] - first[:, 4]
        assert np.median(spine[:, 1] / np.linalg.norm(spine, axis=1)) > 0.99
        assert np.median(across[:, 0] / np.linalg.norm(across, axis=1)) > 0.97


def test_alignment_keeps_distances_and_zeros(corpus):
    centred, aligned = preprocess(corpus), preprocess(corpus, "body")
    np.testing.assert_allclose(
        np.linalg.norm(aligned.joints, axis=2), np.linalg.norm(centred.joints, axis=2), atol=1e-5
    )
    np.testing.assert_array_equal(aligned.joints.any(axis=(1, 2)), corpus.joints.any(axis=(1, 2)))


def test_one_rotation_for_all_bodies(corpus):
    index = int(np.flatnonzero(corpus.bodies == 2)[0])
    before, after = preprocess(corpus).clip(index), preprocess(corpus, "body").clip(index)
    points, turned = before.reshape(-1, 3).astype(float), after.reshape(-1, 3).astype(float)
    rotation = np.linalg.lstsq(points, turned, rcond=None)[0]
    np.testing.assert_allclose(points @ rotation, turned, atol=1e-4)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-4)
    assert np.linalg.det(rotation) > 0


def test_the_median_over_all_frames_is_not_that_of_the_first_ones():
    """Someone who faces the camera for ten frames, and then turns round for twenty."""
    names = ("hip_center", "neck", "left_shoulder", "right_shoulder")
    skeleton = skeleton_from(names, ((1, 0), (2, 1), (3, 1)))
    body = np.array([[0, 0, 0], [0, 1, 0], [-0.3, 1, 0], [0.3, 1, 0]], dtype=np.float32)
    back = body * np.array([-1, 1, -1], dtype=np.float32)
    joints = np.concatenate([np.tile(body, (10, 1, 1)), np.tile(back, (20, 1, 1))])
    clips = replace(
        make_clips(clips=1, joints=4),
        joints=joints,
        offsets=np.array([0, 30]),
        skeleton=skeleton,
        length=30,
    )
    np.testing.assert_allclose(preprocess(clips, "body").joints, joints, atol=1e-6)
    turned = joints * np.array([-1, 1, -1], dtype=np.float32)
    np.testing.assert_allclose(preprocess(clips, "body-median").joints, turned, atol=1e-6)


def test_a_pose_that_defines_no_axes_is_counted(corpus):
    joints = corpus.joints.copy()
    rows = joints[corpus.offsets[4] : corpus.offsets[5]]
    rows[:, 8] = rows[:, 4]
    clips = with_joints(corpus, joints)
    aligned = preprocess(clips, "body")
    assert aligned.notes == (
        f"1 clips were not aligned (no spine or shoulder line to go by): {corpus.names[4]}",
    )
    np.testing.assert_array_equal(aligned.clip(4), preprocess(clips).clip(4))


def test_skeletons_without_shoulders(corpus):
    clips = replace(corpus, skeleton=Skeleton(("a", "b"), ((1, 0),), 0))
    with pytest.raises(DataError, match=r"needs joints named as left and right shoulder.*a, b"):
        preprocess(clips, "body")
    with pytest.raises(DataError, match="choose none, body or body-median"):
        preprocess(clips, "yaw")


@pytest.mark.parametrize(
    "file", ["nw_ucla.npz", "ui_prmd_2sensors.npz", "hdm05_11.npz", "sbu_interaction.npz"]
)
def test_real_data_stand_upright(real_data, file):
    clips = load(real_data(file))
    skeleton = clips.skeleton
    aligned = preprocess(clips, "body")
    assert not any("not aligned" in note for note in aligned.notes)
    first = np.array([aligned.clip(i)[:10, 0].mean(axis=0) for i in range(len(clips))])
    np.testing.assert_allclose(aligned.joints[aligned.offsets[:-1], skeleton.root], 0, atol=1e-6)
    spine = first[:, skeleton.neck] - first[:, skeleton.hip]
    across = first[:, skeleton.right_shoulder] - first[:, skeleton.left_shoulder]
    assert np.median(spine[:, 1] / np.linalg.norm(spine, axis=1)) > 0.99
    assert np.median(across[:, 0] / np.linalg.norm(across, axis=1)) > 0.95


def test_roles_by_name():
    found = skeleton_from(["Hip_Center", "Spine", "ShoulderLeft", "R Shoulder", "neck"], [(1, 0)])
    assert (found.root, found.hip, found.left_shoulder, found.right_shoulder, found.neck) == (1, 0, 2, 3, 4)
    plain = skeleton_from(["0", "1", "2"], [(0, 1), (2, 1)])
    assert (plain.root, plain.hip) == (1, None)
