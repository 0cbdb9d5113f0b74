"""The input of rows on resampled clips: what a plan says of it, and what must not change anything.

The op that makes the streams is held against its definition in tests/ops/test_streams.py.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from skelbench.data.clips import Skeleton
from skelbench.data.joints import landmarks, mirrored, parents, torso_pairs
from skelbench.data.skeletons import NTU_25, skeleton_from
from skelbench.ops import RaggedClips
from skelbench.training import augmentation
from skelbench.training.dataset import PackedDataset
from skelbench.training.plan import Augmentation, Plan
from skelbench.training.streams import Axes, StreamInput, joint_maps
from tests.conftest import make_clips

NAMES = (
    "pelvis",
    "spine",
    "head",
    "l_shoulder",
    "l_hand",
    "r_shoulder",
    "r_hand",
    "l_hip",
    "l_foot",
    "r_hip",
    "r_foot",
)
EDGES = ((1, 0), (2, 1), (3, 1), (4, 3), (5, 1), (6, 5), (7, 0), (8, 7), (9, 0), (10, 9))
PERSON = skeleton_from(NAMES, EDGES)
JOINTS = len(NAMES)
CPU = torch.device("cpu")
MAPS = joint_maps(PERSON)
STRONG = Augmentation(0.5, 0.3, 0.9, 0.5, 0.8, 0.2, 0.15, 0.15, 0.5, 0.1, 0.3, 0.3)
ALL = ("position", "joint", "bone", "motion", "invariant")


def packed(seed=0, frames=(7, 1, 12), bodies=(1, 2, 2), places=2) -> RaggedClips:
    """Random clips; the second body of the last one is away in frames 3 to 5."""
    rng = np.random.default_rng(seed)
    rows = [
        rng.normal(size=(t * m, JOINTS, 3)).astype(np.float32) for t, m in zip(frames, bodies, strict=True)
    ]
    if bodies[-1] == 2:
        rows[-1][[7, 9, 11]] = 0
    offsets = np.cumsum([0] + [len(clip) for clip in rows])[:-1]
    tensors = [torch.tensor(values) for values in (offsets, frames, bodies)]
    return RaggedClips(
        torch.from_numpy(np.concatenate(rows)),
        *tensors,
        torch.zeros(len(frames), dtype=torch.int64),
        12,
        places,
    )


def turned(clips: RaggedClips, angle: float) -> RaggedClips:
    """Every clip turned about y by `angle` and moved along the floor."""
    turn = augmentation.rotations(torch.tensor([[0, angle, 0]], dtype=torch.float64))[0]
    there = (clips.joints != 0).flatten(1).any(1)[:, None, None]
    moved = clips.joints.double() @ turn.mT + torch.tensor([1.5, 0.0, -0.7], dtype=torch.float64)
    return replace(clips, joints=torch.where(there, moved, 0).float())


def test_streams_stand_side_by_side_and_the_shape_says_so():
    clips = make_clips(bodies=2)
    data = PackedDataset(clips, CPU)
    source = StreamInput(clips.skeleton, Plan(ALL, 6), Axes(1, 1.0), 2)
    batch = source.plain(data.batch(torch.arange(5)))
    shape = source.shape(3)
    # A chain of five joints has one end, so one landmark.
    assert shape.channels == 4 * 3 + 6 + 1
    assert batch.shape == (5, 2, 6, 5, shape.channels)
    for place, stream in enumerate(ALL[:4]):
        alone = StreamInput(clips.skeleton, Plan((stream,), 6), Axes(1, 1.0), 2)
        assert torch.equal(alone.plain(data.batch(torch.arange(5))), batch[..., 3 * place : 3 * place + 3])


@pytest.mark.parametrize("angle", [0.4, -2.5, math.pi])
def test_no_stream_depends_on_yaw_or_place(angle):
    clips = packed()
    source = StreamInput(PERSON, Plan(ALL, 8), Axes(1, 0.2), 2)
    before, after = source.plain(clips), source.plain(turned(clips, angle))
    torch.testing.assert_close(after, before, atol=2e-3, rtol=1e-3)


def test_invariants_do_not_depend_on_yaw_even_without_levelling():
    # Names that tell no sides: nothing is turned.
    plain = skeleton_from([f"joint{number}" for number in range(JOINTS)], EDGES)
    assert torso_pairs(plain) == []
    clips = packed()
    source = StreamInput(plain, Plan(("invariant",), 8), Axes(1, 0.2), 2)
    before, after = source.plain(clips), source.plain(turned(clips, 1.1))
    torch.testing.assert_close(after, before, atol=2e-3, rtol=1e-3)
    tilt = augmentation.rotations(torch.tensor([[0.5, 0, 0]]))[0]
    tilted = source.plain(replace(clips, joints=clips.joints @ tilt.mT))
    assert (tilted - before).abs().max() > 0.1


def test_the_unit_of_the_coordinates_and_the_vertical_do_not_matter(tiny_clips):
    named = replace(
        tiny_clips,
        skeleton=skeleton_from(
            ("hip_center", "spine", "neck", "head", "l_hand"), ((1, 0), (2, 1), (3, 2), (4, 2))
        ),
    )
    every = np.arange(len(named))
    axes = Axes.of(named, every)
    millimetres = replace(named, joints=named.joints[..., [0, 2, 1]] * np.float32(1000))
    other = Axes.of(millimetres, every)
    assert (axes.up, other.up) == (1, 2)
    assert other.unit == pytest.approx(1000 * axes.unit, rel=1e-5)
    batches = [
        StreamInput(named.skeleton, Plan(ALL, 8), a, 1).plain(
            PackedDataset(clips, CPU).batch(torch.arange(9))
        )
        for clips, a in ((named, axes), (millimetres, other))
    ]
    torch.testing.assert_close(*batches, atol=1e-3, rtol=1e-4)


def test_axes_of_a_skeleton_without_spine_or_bones():
    clips = make_clips()
    bare = replace(clips, skeleton=Skeleton(clips.skeleton.joint_names, (), 0))
    assert Axes.of(bare, np.arange(8)) == Axes(1, 1.0)


# --- joints by name


def test_left_and_right_by_name():
    for names, wanted in (
        (NAMES, [0, 1, 2, 5, 6, 3, 4, 9, 10, 7, 8]),
        (("root", "lfemur", "rfemur", "lowerback", "lclavicle", "rclavicle"), [0, 2, 1, 3, 5, 4]),
        (("Left_Hand", "right_hand", "hand_l", "hand_r", "lonely"), [1, 0, 3, 2, 4]),
    ):
        found = mirrored(skeleton_from(names, ((1, 0),)))
        assert found == wanted
    ntu = mirrored(NTU_25)
    assert [ntu[joint] for joint in ntu] == list(range(25))
    assert ntu[21] == 23
    assert ntu[0] == 0


def test_landmarks_by_name_then_ends_then_fewer():
    assert landmarks(PERSON) == [2, 4, 6, 8, 10]
    assert landmarks(NTU_25) == [3, 7, 11, 15, 19]
    wrists = skeleton_from(("pelvis", "head", "l_wrist", "r_wrist", "l_ankle", "r_ankle"), ((1, 0),))
    assert landmarks(wrists) == [1, 2, 3, 4, 5]
    star = Skeleton(("a", "b", "c", "d"), ((1, 0), (2, 0), (3, 2)), 0)
    assert landmarks(star) == [1, 3]


def test_parents_and_paths():
    assert parents(PERSON) == [0, 0, 1, 1, 3, 1, 5, 0, 7, 0, 9]
    circle = Skeleton(("a", "b", "c"), ((1, 0), (2, 1), (0, 2)), 0)
    assert parents(circle) == [0, 0, 1]


def test_joints_of_a_skeleton_as_the_op_wants_them():
    assert MAPS.origin == PERSON.origin
    assert MAPS.torso == ((3, 5), (7, 9))
    assert MAPS.landmarks == (2, 4, 6, 8, 10)
    bare = joint_maps(Skeleton(("a", "b"), ((1, 0),), 0))
    assert bare.torso == ()
    assert bare.mirrored == (0, 1)
