"""What `--evaluate robust` does to clips: each perturbation by its definition."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from skelbench.data.skeletons import NTU_25
from skelbench.eval.protocols.perturb import PERTURBATIONS, Body, limbs, perturbed
from tests.conftest import make_clips

KINDS = {kind.what: kind for kind in PERTURBATIONS}


@pytest.fixture(scope="module")
def people():
    """NTU's skeleton, one or two people; the second is away in the first frames."""
    clips = make_clips(clips=12, joints=25, bodies=2)
    joints = clips.joints.copy().reshape(-1, 2, 25, 3)
    starts = clips.offsets[:-1] // 2
    joints[starts, 1] = 0
    joints[starts + 1, 1] = 0
    return replace(clips, joints=joints.reshape(-1, 25, 3), skeleton=NTU_25)


@pytest.mark.parametrize("what", KINDS)
def test_every_perturbation_repeats_and_leaves_the_absent_absent(what, people):
    kind, body = KINDS[what], Body(limbs(NTU_25), 1, 0.01)
    for amount in kind.amounts:
        one, two = (perturbed(people, kind, amount, body) for _ in range(2))
        np.testing.assert_array_equal(one.joints, two.joints)
        for index in range(len(people)):
            clip, was = one.clip(index), people.clip(index)
            assert clip.shape[1:] == was.shape[1:]
            assert 1 <= len(clip) <= len(was)
            absent = ~was.any(axis=(2, 3))
            if len(clip) == len(was):
                assert not clip[absent].any()
    whole = perturbed(people, replace(kind, perturb=lambda clip, *_: clip), 1, body)
    np.testing.assert_array_equal(whole.joints, people.joints)


def test_joints_and_limbs_are_lost_throughout(people):
    body = Body(limbs(NTU_25), 1, 0.01)
    for share in KINDS["joints lost, share"].amounts:
        found = perturbed(people, KINDS["joints lost, share"], share, body)
        for index in range(len(people)):
            assert (~found.clip(index).any(axis=(0, 1, 3))).sum() == round(25 * share)
    for number in (1, 2):
        found = perturbed(people, KINDS["limbs lost"], number, body)
        for index in range(len(people)):
            lost = set(np.flatnonzero(~found.clip(index).any(axis=(0, 1, 3))).tolist())
            assert lost in [set().union(*pair) for pair in _choices(body.limbs, number)]


def _choices(found, number):
    from itertools import combinations

    return list(combinations(map(set, found), number))


def test_arms_and_legs_are_found():
    names = NTU_25.joint_names
    found = [{names[joint] for joint in limb} for limb in limbs(NTU_25)]
    assert len(found) == 4
    assert {"left_shoulder", "left_elbow", "left_wrist", "left_hand", "left_hand_tip", "left_thumb"} in found
    assert {"right_hip", "right_knee", "right_ankle", "right_foot"} in found
    # A chain has one end; without bones the hands and feet are alone.
    assert limbs(make_clips().skeleton) == [[1, 2, 3, 4]]
    assert limbs(replace(NTU_25, edges=())) == [[7], [11], [15], [19]]


@pytest.mark.parametrize("what", [name for name in KINDS if name.startswith("frames")])
def test_frames_are_lost_in_order(what, people):
    body = Body([], 1, 0.01)
    for share in KINDS[what].amounts:
        found = perturbed(people, KINDS[what], share, body)
        for index in range(len(people)):
            clip, was = found.clip(index), people.clip(index)
            assert len(clip) == max(1, round((1 - share) * len(was)))
            places = [int(np.flatnonzero((was == frame).all(axis=(1, 2, 3)))[0]) for frame in clip]
            assert places == sorted(places)
            gaps = np.diff([-1, *places, len(was)]) - 1
            if "block" in what:
                assert (gaps > 0).sum() == 1


def test_noise_has_its_size_and_turns_keep_shape_and_vertical(people):
    body = Body([], 1, 0.01)
    there = people.joints.any(axis=(1, 2))
    moved = perturbed(people, KINDS["noise, cm"], 3, body).joints - people.joints
    assert moved[there].std() == pytest.approx(0.03, rel=0.03)
    turned = perturbed(people, KINDS["turned about the vertical, degrees"], 45, body).joints
    np.testing.assert_allclose(turned[..., 1], people.joints[..., 1], atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=-1), np.linalg.norm(people.joints, axis=-1), atol=1e-5
    )
    tilted = perturbed(people, KINDS["tilted, degrees"], 20, body)
    for index in range(len(people)):
        one, two = (torch.from_numpy(clips.clip(index)[0, 0]) for clips in (people, tilted))
        map_, *_ = np.linalg.lstsq(one.numpy(), two.numpy(), rcond=None)
        assert map_[1, 1] == pytest.approx(np.cos(np.radians(20)), abs=1e-3)
