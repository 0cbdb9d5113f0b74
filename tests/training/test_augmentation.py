"""The views of resampled clips: what is drawn keeps to its strengths, and follows the generator alone."""

import numpy as np
import pytest
import torch

from skelbench.ops import View
from skelbench.training import augmentation
from skelbench.training.augmentation import draw_times, draw_view, plain_times
from skelbench.training.plan import Augmentation, Plan
from skelbench.training.streams import Axes, StreamInput
from tests.training.test_streams import ALL, JOINTS, MAPS, PERSON, STRONG, packed


def drawn(strengths: Augmentation, count=200) -> View:
    """Views of clips of two people in four frames."""
    return draw_view(count, 2, 4, strengths, torch.Generator().manual_seed(0), MAPS)


def test_no_strength_draws_nothing():
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    view = draw_view(3, 1, 7, Augmentation(), generator, MAPS)
    assert all(getattr(view, name) is None for name in View.__dataclass_fields__)
    assert torch.equal(draw_times(3, 7, Augmentation(), generator), plain_times(3, 7))
    assert torch.equal(generator.get_state(), state)


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


def test_bones_of_both_sides_are_scaled_alike():
    limbs = drawn(Augmentation(limb=0.5)).limbs
    assert limbs.shape == (200, JOINTS)
    torch.testing.assert_close(limbs, limbs[:, list(MAPS.mirrored)])
    assert (limbs - 1).abs().max() == pytest.approx(0.5, abs=0.02)


def test_shares_are_those_of_the_strengths():
    view = drawn(Augmentation(mirror=0.3, drop=0.4, axis=0.2), count=4000)
    # Five standard errors.
    assert view.mirror.float().mean() == pytest.approx(0.3, abs=0.037)
    # The probability is uniform up to the strength, one for each clip.
    assert view.hidden.shape == (4000, 2, JOINTS)
    assert view.hidden.float().mean() == pytest.approx(0.2, abs=0.015)
    assert (view.axis >= 0).float().mean() == pytest.approx(0.2, abs=0.032)
    assert view.axis.unique().tolist() == [-1, 0, 1, 2]


def test_noise_has_the_deviation_that_it_says():
    noise = drawn(Augmentation(noise=0.1), count=2000).noise
    assert noise.shape == (2000, 2, 4, JOINTS, 3)
    deviation = noise.flatten(1).std(1)
    assert deviation.max() == pytest.approx(0.1, rel=0.25)
    assert deviation.mean() == pytest.approx(0.05, rel=0.1)


def test_joints_hidden_from_outside_are_hidden_besides_those_drawn():
    clips = packed(frames=(9, 7, 12), bodies=(1, 1, 1), places=1)
    source = StreamInput(PERSON, Plan(("joint",), 6, Augmentation(drop=0.5)), Axes(1, 0.2), 1)
    hidden = torch.zeros(3, 1, JOINTS, dtype=torch.bool)
    hidden[1, 0, 4] = True
    before, after = (source.view(clips, torch.Generator().manual_seed(2), given) for given in (None, hidden))
    changed = (before != after).flatten(-1).any(-1).any(2)[:, 0]
    assert changed.nonzero().tolist() == [[1, 4]]


@pytest.mark.parametrize("name", [field for field in Augmentation.__dataclass_fields__])
def test_every_strength_makes_views_that_differ(name):
    clips, value = packed(frames=(9, 7, 12), bodies=(1, 1, 1)), 0.5 if name == "crop" else 0.9
    plan = Plan(("position",), 10, Augmentation(**{name: value}))
    source = StreamInput(PERSON, plan, Axes(1, 0.2), 1)
    generator = torch.Generator().manual_seed(1)
    views = [source.view(clips, generator) for _ in range(8)]
    assert any(not torch.equal(views[0], view) for view in views)
    assert torch.isfinite(views[0]).all()


def test_views_follow_the_generator_and_leave_torchs_random_state():
    clips = packed()
    source = StreamInput(PERSON, Plan(ALL, 8, STRONG), Axes(1, 0.2), 2)
    state = torch.get_rng_state()
    views = [source.view(clips, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    # A body that is absent stays zero whatever is drawn.
    assert not views[0][0, 1].any()
