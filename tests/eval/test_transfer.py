"""`--evaluate transfer:DATA`: joints are matched by name, and what does not fit is left out with a reason."""

from dataclasses import replace

import numpy as np
import pytest

import skelbench.data
from skelbench.data.clips import DataError
from skelbench.data.joint_mapping import onto, parts
from skelbench.data.skeletons import NTU_25, skeleton_from
from skelbench.eval import run
from tests.conftest import config_of, make_clips
from tests.eval.test_protocols import QUICK, found_of


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny"
    skelbench.data.save(make_clips(clips=72), path)
    return path


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The same movements, of people who are called otherwise, in centimetres and with z up."""
    clips = make_clips(clips=48, seed=5)
    names = ("pelvis", "torso", "neck", "head", "left_elbow")
    skeleton = skeleton_from(names, ((1, 0), (2, 1), (3, 2), (4, 2)))
    path = tmp_path_factory.mktemp("other") / "other"
    skelbench.data.save(replace(clips, joints=clips.joints[..., [0, 2, 1]], skeleton=skeleton), path)
    return path


def test_transfer_reads_the_joints_by_their_names(other, tmp_path):
    skeleton = skeleton_from(
        ("hip_center", "spine", "shoulder_center", "head", "l_elbow", "l_wrist"),
        ((1, 0), (2, 1), (3, 2), (4, 2), (5, 4)),
    )
    clips = make_clips(clips=48, joints=6)
    path = tmp_path / "own"
    skelbench.data.save(replace(clips, skeleton=skeleton), path)
    results = run(
        config_of(
            data=path,
            out=tmp_path / "run",
            variants=("tcn-ntxent", "conmlp-ntxent"),
            evaluate=(f"transfer:{other}",),
            **QUICK,
        )
    )
    assert not [line for line in results.info.caveats if "left out" in line]
    for variant in ("tcn-ntxent", "conmlp-ntxent"):
        found = found_of(results, variant, f"transfer:{other}")
        assert found.n_test == 24
        assert "l_wrist" in found.words
    assert found_of(results, "tcn-ntxent", f"transfer:{other}").top1 > 0.5


def test_another_skeleton_altogether_is_left_out_with_a_reason(data, other, tmp_path):
    results = run(
        config_of(
            data=data,
            out=tmp_path / "run",
            variants=("random-tcn",),
            evaluate=(f"transfer:{other}", "knn"),
            **QUICK,
        )
    )
    assert [item.protocol for item in results.evaluations] == ["knn"]
    (caveat,) = [line for line in results.info.caveats if "transfer:" in line]
    assert "have a counterpart by name" in caveat


def test_parts_are_found_under_the_names_of_each_data_set():
    kinect = ("hip_center", "spine", "shoulder_center", "head", "l_shoulder", "l_elbow", "r_ankle")
    asf = ("root", "lowerback", "thorax", "head", "lclavicle", "lhumerus", "rtibia")
    ntu = parts(NTU_25.joint_names)
    for names in (kinect, asf):
        assert list(parts(names).items()) == list(zip(parts(kinect), range(7), strict=True))
        assert set(parts(names)) <= set(ntu)
    assert ntu["left hand"] == 7
    assert ntu["hips"] == 0


def test_a_joint_that_is_missing_lies_at_its_nearest_neighbour():
    clips = make_clips(clips=6, joints=7)
    names = ("pelvis", "head", "l_shoulder", "l_elbow", "r_shoulder", "r_elbow", "r_knee")
    clips = replace(clips, skeleton=skeleton_from(names, ()))
    mapped, missing = onto(clips, NTU_25)
    assert mapped.skeleton == NTU_25
    place = {name: number for number, name in enumerate(NTU_25.joint_names)}
    for here, there in (("left_wrist", 3), ("left_hand_tip", 3), ("right_knee", 6), ("spine_base", 0)):
        np.testing.assert_array_equal(mapped.joints[:, place[here]], clips.joints[:, there])
    assert "left_hand_tip" in missing
    assert "right_knee" not in missing
    few = replace(clips, skeleton=skeleton_from([f"marker {n}" for n in "abcdefg"], ()))
    with pytest.raises(DataError, match="0 of its joints have a counterpart by name"):
        onto(few, NTU_25)
