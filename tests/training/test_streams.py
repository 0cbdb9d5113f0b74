"""The input of rows on resampled clips: each step against plain numpy in float64, and what must not change anything."""

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
from skelbench.training.augmentation import plain_times
from skelbench.training.dataset import PackedDataset
from skelbench.training.joints import JointMaps
from skelbench.training.plan import Augmentation, Plan
from skelbench.training.streams import MOTION, Axes, StreamInput, level, resample, stack
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
MAPS = JointMaps.of(PERSON, CPU)
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


def clip_of(clips: RaggedClips, index: int) -> np.ndarray:
    begin, frames, bodies = (int(part[index]) for part in (clips.offsets, clips.frames, clips.bodies))
    rows = clips.joints[begin : begin + frames * bodies].double().numpy()
    return rows.reshape(frames, bodies, JOINTS, 3)


def random_positions(seed=0, count=4, bodies=2, frames=9):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, bodies, frames, JOINTS, 3, generator=generator), torch.ones(
        count, bodies, frames, dtype=torch.bool
    )


def turned(clips: RaggedClips, angle: float) -> RaggedClips:
    """Every clip turned about y by `angle` and moved along the floor."""
    turn = augmentation.rotations(torch.tensor([[0, angle, 0]], dtype=torch.float64))[0]
    there = (clips.joints != 0).flatten(1).any(1)[:, None, None]
    moved = clips.joints.double() @ turn.mT + torch.tensor([1.5, 0.0, -0.7], dtype=torch.float64)
    return replace(clips, joints=torch.where(there, moved, 0).float())


def test_resampling_is_linear_between_a_clips_own_frames():
    clips, times = packed(bodies=(1, 2, 1)), torch.rand(3, 5).sort(1).values
    found, present = resample(clips, times, bodies=2)
    assert found.shape == (3, 2, 5, JOINTS, 3)
    for index in range(3):
        clip = clip_of(clips, index)
        places = times[index].double().numpy() * (len(clip) - 1)
        for body in range(2):
            if body >= clip.shape[1]:
                assert not present[index, body].any()
                assert not found[index, body].any()
                continue
            assert present[index, body].all()
            wanted = np.stack(
                [
                    np.interp(places, np.arange(len(clip)), column)
                    for column in clip[:, body].reshape(len(clip), -1).T
                ],
                1,
            )
            np.testing.assert_allclose(found[index, body].flatten(1), wanted, atol=1e-5)


def test_a_body_that_is_away_is_never_mixed_with_one_that_is_there():
    clips = packed()
    found, present = resample(
        clips, torch.tensor([[0.0, 1, 1]] * 2 + [[2.5 / 11, 4.0 / 11, 5.5 / 11]]), bodies=2
    )
    clip = clip_of(clips, 2)
    assert present[2, 1].tolist() == [True, False, True]
    np.testing.assert_allclose(found[2, 1, 0], clip[2, 1], atol=1e-6)
    np.testing.assert_allclose(found[2, 1, 2], clip[6, 1], atol=1e-6)
    assert not found[2, 1, 1].any()


def test_bodies_beyond_the_places_are_left_out():
    found, _ = resample(packed(), plain_times(3, 4), bodies=1)
    assert found.shape[1] == 1
    np.testing.assert_allclose(found[1, 0, 0], clip_of(packed(), 1)[0, 0])


@pytest.mark.parametrize("up", [0, 1, 2])
def test_levelling_turns_the_first_bodys_left_side_to_x_and_keeps_lengths(up):
    positions, present = random_positions()
    present[:, 0, 0] = False
    found = level(positions, present, up, MAPS)
    heights = found[..., 1]
    torch.testing.assert_close(heights, positions[..., up])
    torch.testing.assert_close(found.norm(dim=-1), positions.norm(dim=-1))
    pairs = torso_pairs(PERSON)
    assert sorted(pairs) == [(3, 5), (7, 9)]
    order = {0: [1, 0, 2], 1: [0, 1, 2], 2: [0, 2, 1]}[up]
    for clip in range(len(positions)):
        body = positions[clip, 0, 1:].double().numpy()[..., order]
        across = sum(body[:, a] - body[:, b] for a, b in pairs)[:, [0, 2]]
        x, z = (across / np.linalg.norm(across, axis=1, keepdims=True)).sum(0)
        angle = math.atan2(z, x)
        turn = np.array(
            [[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]]
        )
        np.testing.assert_allclose(
            found[clip], positions[clip].double().numpy()[..., order] @ turn.T, atol=1e-5
        )


def test_a_skeleton_without_sides_is_not_turned():
    plain = JointMaps.of(Skeleton(("a", "b"), ((1, 0),), 0), CPU)
    positions, present = torch.randn(2, 1, 3, 2, 3), torch.ones(2, 1, 3, dtype=torch.bool)
    assert torch.equal(level(positions, present, 1, plain), positions)


def test_a_clip_whose_directions_cancel_out_is_not_turned():
    positions, present = random_positions(count=1, frames=2)
    positions[:, :, 1] = positions[:, :, 0] * torch.tensor([-1.0, 1, -1])
    assert torch.equal(level(positions, present, 1, MAPS), positions)


def streams_in_numpy(x: np.ndarray, stream: str) -> np.ndarray:
    """One clip, float64 (M, T, J, 3), every body in every frame."""
    root = x[0, :, PERSON.root]
    motion = np.zeros_like(x)
    motion[:, :-1] = MOTION * np.diff(x, axis=1)
    relative = x - root[:, None]
    if stream == "position":
        return x - root[0]
    if stream == "joint":
        relative[0, :, PERSON.root] = root - root[0]
        return relative
    if stream == "bone":
        bones = np.zeros_like(x)
        for child, parent in EDGES:
            bones[:, :, child] = x[:, :, child] - x[:, :, parent]
        return bones
    if stream == "motion":
        return motion

    def three(v):
        return [np.linalg.norm(v, axis=-1), np.hypot(v[..., 0], v[..., 2]), v[..., 1]]

    marks = [np.linalg.norm(x - x[:1, :, mark : mark + 1], axis=-1) for mark in (2, 4, 6, 8, 10)]
    return np.stack(three(relative) + three(motion) + marks, -1)


@pytest.mark.parametrize("stream", ALL)
def test_a_stream_is_what_it_says(stream):
    positions, present = random_positions()
    found = stack(positions, present, (stream,), MAPS)
    for clip in range(len(positions)):
        np.testing.assert_allclose(
            found[clip], streams_in_numpy(positions[clip].double().numpy(), stream), atol=2e-5
        )
    present[0, 1, 3] = False
    assert not stack(positions, present, (stream,), MAPS)[0, 1, 3].any()


def test_motion_does_not_bridge_an_absence():
    positions, present = random_positions()
    present[0, 1, 3] = False
    found = stack(positions, present, ("motion",), MAPS)
    assert not found[0, 1, 2].any()
    assert found[0, 1, 1].any()


def test_streams_stand_side_by_side_and_the_shape_says_so():
    clips = make_clips(bodies=2)
    data = PackedDataset(clips, CPU)
    source = StreamInput(clips.skeleton, Plan(ALL, 6), Axes(1, 1.0), 2, CPU)
    batch = source.plain(data.batch(torch.arange(5)))
    shape = source.shape(3)
    # A chain of five joints has one end, so one landmark.
    assert shape.channels == 4 * 3 + 6 + 1
    assert batch.shape == (5, 2, 6, 5, shape.channels)
    for place, stream in enumerate(ALL[:4]):
        alone = StreamInput(clips.skeleton, Plan((stream,), 6), Axes(1, 1.0), 2, CPU)
        assert torch.equal(alone.plain(data.batch(torch.arange(5))), batch[..., 3 * place : 3 * place + 3])


@pytest.mark.parametrize("angle", [0.4, -2.5, math.pi])
def test_no_stream_depends_on_yaw_or_place(angle):
    clips = packed()
    source = StreamInput(PERSON, Plan(ALL, 8), Axes(1, 0.2), 2, CPU)
    before, after = source.plain(clips), source.plain(turned(clips, angle))
    torch.testing.assert_close(after, before, atol=2e-3, rtol=1e-3)


def test_invariants_do_not_depend_on_yaw_even_without_levelling():
    positions, present = random_positions()
    turn = augmentation.rotations(torch.tensor([[0.0, 1.1, 0.0]]))[0]
    before, after = (stack(x, present, ("invariant",), MAPS) for x in (positions, positions @ turn.mT))
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    tilted = stack(
        positions @ augmentation.rotations(torch.tensor([[0.5, 0, 0]]))[0].mT, present, ("invariant",), MAPS
    )
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
        StreamInput(named.skeleton, Plan(ALL, 8), a, 1, CPU).plain(
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
    assert MAPS.paths[4].nonzero().flatten().tolist() == [1, 3, 4]


# --- views
