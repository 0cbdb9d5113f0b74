"""Both views against a loop over clips written from the definition."""

from __future__ import annotations

import pytest
import torch

from skelbench.ops.augment import augment, draw
from tests.ops.test_ragged import make_clips


def test_views_follow_the_definition() -> None:
    data = make_clips(7)
    index = torch.tensor([3, 0, 6, 3, 2])
    shear, reverse = draw(5, torch.Generator().manual_seed(1))
    reverse = torch.tensor([True, False, True, False, True])
    views = augment(data.joints, data.offsets, data.frames, data.bodies, index, shear, reverse, 9, 2)
    assert len(views) == 10
    for b, i in enumerate(index.tolist()):
        T, m = int(data.frames[i]), int(data.bodies[i])
        first = int(data.offsets[i])
        clip = data.joints[first : first + T * m].view(T, m, 5, 3)

        def rows(v: int, T: int = T, m: int = m) -> torch.Tensor:
            begin = int(views.offsets[v])
            return views.joints[begin : begin + T * m].view(T, m, 5, 3)

        torch.testing.assert_close(rows(b), clip @ shear[b].double())
        assert views.start[b] == 0
        assert torch.equal(rows(5 + b), clip.flip(0) if reverse[b] else clip)
        assert views.start[5 + b] == (9 - T if reverse[b] else 0)
    assert int(views.frames.mul(views.bodies).sum()) == len(views.joints)


def test_draw_per_clip_and_per_batch() -> None:
    shear, reverse = draw(4000, torch.Generator().manual_seed(0))
    assert shear.shape == (4000, 3, 3)
    assert reverse.dtype == torch.bool
    off = shear[:, ~torch.eye(3, dtype=torch.bool)]
    assert (shear.diagonal(dim1=1, dim2=2) == 1).all()
    assert off.min() >= -1
    assert off.max() <= 1
    assert abs(float(off.mean())) < 0.02  # 24,000 draws of variance 1/3: five standard errors
    assert abs(float(off.var()) - 1 / 3) < 0.02
    assert abs(float(reverse.float().mean()) - 0.5) < 0.04
    shear, reverse = draw(9, torch.Generator().manual_seed(0), per_clip=False)
    assert (shear == shear[0]).all()
    assert (reverse == reverse[0]).all()


def test_index_out_of_range_is_an_error() -> None:
    data = make_clips(4)
    shear, reverse = draw(1, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="there are 4 clips"):
        augment(data.joints, data.offsets, data.frames, data.bodies, torch.tensor([4]), shear, reverse, 9, 2)
