"""The views of resampled clips: each transform against plain numpy in float64, and what must not change anything."""

import numpy as np
import pytest
import torch

from skelbench.data.joints import mirrored
from skelbench.training import augmentation
from skelbench.training.augmentation import draw_times, plain_times
from skelbench.training.plan import Augmentation, Plan
from skelbench.training.streams import Axes, StreamInput
from tests.training.test_streams import (
    ALL,
    CPU,
    EDGES,
    JOINTS,
    MAPS,
    PERSON,
    STRONG,
    packed,
    random_positions,
)


def test_no_strength_changes_nothing():
    positions, _ = random_positions()
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(augmentation.augment(positions, Augmentation(), generator, MAPS), positions)
    assert torch.equal(draw_times(3, 7, Augmentation(), generator), plain_times(3, 7))


def test_sampling_times_stay_in_order_and_within_the_clip():
    generator = torch.Generator().manual_seed(0)
    for strengths in (STRONG, Augmentation(stagger=1.0), Augmentation(crop=0.3)):
        times = draw_times(500, 16, strengths, generator)
        assert times.min() >= 0
        assert times.max() <= 1
        assert (times.diff() >= 0).all()
        shown = times[:, -1] - times[:, 0]
        if strengths.crop < 1 and not strengths.stagger:
            assert shown.min() >= strengths.crop - 1e-6
            assert shown.max() > strengths.crop + 0.5 * (1 - strengths.crop)


def test_a_rotation_is_one_about_each_axis_in_turn():
    angles = np.array([0.3, -0.8, 1.2])
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    found = augmentation.rotations(torch.from_numpy(angles)[None])[0]
    np.testing.assert_allclose(found, about_z @ about_y @ about_x, atol=1e-12)


def test_maps_keep_to_their_strengths():
    generator = torch.Generator().manual_seed(0)
    turns = augmentation.draw_maps(200, Augmentation(yaw=0.8), generator)
    torch.testing.assert_close(turns @ turns.mT, torch.eye(3).expand(200, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(turns[:, 1], torch.tensor([0.0, 1, 0]).expand(200, 3))
    assert torch.atan2(turns[:, 0, 2], turns[:, 0, 0]).abs().max() == pytest.approx(0.8, abs=0.02)
    shears = augmentation.draw_maps(200, Augmentation(shear=0.2), generator) - torch.eye(3)
    assert not shears.diagonal(dim1=1, dim2=2).any()
    assert 0.19 < shears.abs().max() <= 0.2
    scales = augmentation.draw_maps(200, Augmentation(stretch=0.15), generator)
    torch.testing.assert_close(scales, torch.diag_embed(scales.diagonal(dim1=1, dim2=2)))
    assert 0.85 <= scales.diagonal(dim1=1, dim2=2).min() < 0.87


def test_bones_are_scaled_one_by_one_down_the_tree():
    positions, _ = random_positions()
    factors = 0.5 + torch.rand(len(positions), JOINTS)
    found = augmentation.scale_bones(positions, factors, MAPS.parents, MAPS.paths).double().numpy()
    before = positions.double().numpy()
    np.testing.assert_allclose(found[..., 0, :], before[..., 0, :])
    for child, parent in EDGES:
        bone = before[..., child, :] - before[..., parent, :]
        scaled = bone * factors.numpy()[:, None, None, child, None]
        np.testing.assert_allclose(found[..., child, :] - found[..., parent, :], scaled, atol=1e-5)


def test_bones_of_both_sides_are_scaled_alike():
    positions, _ = random_positions()
    found = augmentation.augment(positions, Augmentation(limb=0.5), torch.Generator().manual_seed(0), MAPS)
    scale = [
        (found[..., child, :] - found[..., parent, :]).norm(dim=-1)
        / (positions[..., child, :] - positions[..., parent, :]).norm(dim=-1)
        for child, parent in ((4, 3), (6, 5))
    ]
    torch.testing.assert_close(*scale, atol=1e-3, rtol=1e-3)
    assert (scale[0] - 1).abs().max() > 0.05


def test_mirroring_exchanges_the_sides_of_the_chosen_clips_and_undoes_itself():
    positions, _ = random_positions()
    chosen = torch.tensor([True, False, True, False])
    found = augmentation.mirror(positions, chosen, MAPS.mirrored)
    assert torch.equal(found[1], positions[1])
    for joint, partner in enumerate(mirrored(PERSON)):
        wanted = positions[0, :, :, partner].double().numpy() * np.array([-1, 1, 1])
        np.testing.assert_array_equal(found[0, :, :, joint].double(), wanted)
    assert torch.equal(augmentation.mirror(found, chosen, MAPS.mirrored), positions)


def test_hidden_joints_lie_at_their_own_bodys_root():
    positions, _ = random_positions()
    hidden = torch.rand(len(positions), 2, JOINTS) < 0.5
    hidden[0, 1, 4] = True
    found = augmentation.hide(positions, hidden, PERSON.root)
    assert torch.equal(found[0, 1, :, 4], positions[0, 1, :, PERSON.root])
    kept = ~hidden[:, :, None, :, None].expand_as(positions)
    assert torch.equal(found[kept], positions[kept])


def test_one_axis_is_flattened():
    positions, _ = random_positions(count=3)
    found = augmentation.flatten_axis(positions, torch.tensor([2, -1, 0]))
    assert not found[0, ..., 2].any()
    assert torch.equal(found[1], positions[1])
    assert torch.equal(found[2, ..., 1:], positions[2, ..., 1:])


def test_noise_has_the_deviation_that_it_says():
    positions = torch.zeros(2000, 1, 4, JOINTS, 3)
    found = augmentation.augment(positions, Augmentation(noise=0.1), torch.Generator().manual_seed(0), MAPS)
    deviation = found.flatten(1).std(1)
    assert deviation.max() == pytest.approx(0.1, rel=0.25)
    assert deviation.mean() == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("name", [field for field in Augmentation.__dataclass_fields__])
def test_every_strength_makes_views_that_differ(name):
    clips, value = packed(frames=(9, 7, 12), bodies=(1, 1, 1)), 0.5 if name == "crop" else 0.9
    plan = Plan(("position",), 10, Augmentation(**{name: value}))
    source = StreamInput(PERSON, plan, Axes(1, 0.2), 1, CPU)
    generator = torch.Generator().manual_seed(1)
    views = [source.view(clips, generator) for _ in range(8)]
    assert any(not torch.equal(views[0], view) for view in views)
    assert torch.isfinite(views[0]).all()


def test_views_follow_the_generator_and_leave_torchs_random_state():
    clips = packed()
    source = StreamInput(PERSON, Plan(ALL, 8, STRONG), Axes(1, 0.2), 2, CPU)
    state = torch.get_rng_state()
    views = [source.view(clips, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    # A body that is absent stays zero whatever is drawn.
    assert not views[0][0, 1].any()
