"""Both views against a loop over clips written from the definition."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from skelbench import ops
from skelbench.ops.augment import augment, draw
from skelbench.ops.clips import RaggedClips
from tests.ops.places import PLACES, needs_extension
from tests.ops.test_ragged import make_clips


def assert_follows_the_definition(
    data: RaggedClips, index: torch.Tensor, shear: torch.Tensor, reverse: torch.Tensor, views: RaggedClips
) -> None:
    """A shear is right within the rounding of its three products; the second view is a copy, bit for bit."""
    batch, joints = len(index), data.joints.shape[1]
    assert len(views) == 2 * batch
    assert (
        views.offsets.tolist()
        == (views.frames * views.bodies).cumsum(0).roll(1).index_fill(0, torch.tensor(0), 0).tolist()
    )
    for b, i in enumerate(index.tolist()):
        frames, bodies, first = int(data.frames[i]), int(data.bodies[i]), int(data.offsets[i])
        clip = data.joints[first : first + frames * bodies].view(frames, bodies, joints, 3)

        def rows(v: int, shape: torch.Size = clip.shape) -> torch.Tensor:
            begin = int(views.offsets[v])
            return views.joints[begin : begin + shape[0] * shape[1]].view(shape)

        eps = torch.finfo(clip.dtype).eps
        bound = 2 * eps * (clip.double().abs() @ shear[b].double().abs())
        assert ((rows(b).double() - clip.double() @ shear[b].double()).abs() <= bound).all()
        assert torch.equal(rows(batch + b), clip.flip(0) if reverse[b] else clip)
        start = int(data.start[i])
        assert views.start[b] == start
        assert views.start[batch + b] == (data.length - start - frames if reverse[b] else start)
    assert int(views.frames.mul(views.bodies).sum()) == len(views.joints)


def test_reference_follows_the_definition() -> None:
    data = make_clips(7)
    index = torch.tensor([3, 0, 6, 3, 2])
    shear, _ = draw(5, torch.Generator().manual_seed(1))
    reverse = torch.tensor([True, False, True, False, True])
    assert_follows_the_definition(data, index, shear, reverse, augment(data, index, shear, reverse))


@needs_extension
@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize(
    ("clips", "length", "max_bodies", "joints"),
    [(1, 1, 1, 1), (5, 3, 2, 1), (40, 31, 2, 25), (60, 20, 3, 12)],
)
def test_op_follows_the_definition(
    device: str, level: str, clips: int, length: int, max_bodies: int, joints: int
) -> None:
    data = make_clips(clips, length, max_bodies, joints, dtype=torch.float32)
    generator = torch.Generator().manual_seed(2)
    index = torch.randint(clips, (2 * clips,), generator=generator)
    shear, reverse = draw(2 * clips, generator)
    with ops.use_isa(level):
        views = augment(data.to(device), *(x.to(device) for x in (index, shear, reverse)))
    views = views.to("cpu")
    assert_follows_the_definition(data, index, shear, reverse, views)


@needs_extension
def test_any_number_of_threads_gives_the_same_bits() -> None:
    data = make_clips(50, 40, 2, 25, dtype=torch.float32)
    shear, reverse = draw(50, torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(augment(data, torch.arange(50), shear, reverse).joints)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@needs_extension
@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    ("field", "value"), [("index", 4), ("index", -1), ("frames", 10), ("offsets", 10_000)]
)
def test_cuda_names_the_place_that_does_not_fit(field: str, value: int) -> None:
    data = make_clips(4, dtype=torch.float32).to("cuda")
    index = torch.tensor([0, 2], device="cuda")
    (index if field == "index" else getattr(data, field))[1 if field == "index" else 2] = value
    shear, reverse = (x.cuda() for x in draw(2, torch.Generator().manual_seed(0)))
    with pytest.raises(RuntimeError, match="place 1 of the batch"):
        augment(data, index, shear, reverse)


@needs_extension
def test_opcheck_and_compile() -> None:
    data = make_clips(6, dtype=torch.float32)
    index = torch.tensor([4, 4, 1])
    shear, reverse = draw(3, torch.Generator().manual_seed(0))
    arguments = (*data.tensors, index, shear, reverse, 9, 2)
    torch.library.opcheck(torch.ops.skelbench.augment, arguments)

    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        compiled = torch.compile(lambda *a: augment(data, *a).joints * 2, fullgraph=True, backend="aot_eager")
        arguments = (index, shear, reverse)
        assert torch.equal(compiled(*arguments), augment(data, *arguments).joints * 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("frames", 10, "frames"),
        ("start", 9, "start"),
        ("bodies", 3, "3"),
        ("offsets", 10_000, "rows of joints"),
    ],
)
def test_bad_clip_is_an_error(dtype: torch.dtype, field: str, value: int, message: str) -> None:
    data = make_clips(4, dtype=dtype)
    broken = getattr(data, field).clone()
    broken[2] = value
    shear, reverse = draw(1, torch.Generator().manual_seed(0))
    with pytest.raises((ValueError, RuntimeError), match=message):
        augment(replace(data, **{field: broken}), torch.tensor([2]), shear, reverse)


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bad", [4, -1])
def test_index_out_of_range_is_an_error(dtype: torch.dtype, bad: int) -> None:
    data = make_clips(4, dtype=dtype)
    shear, reverse = draw(1, torch.Generator().manual_seed(0))
    with pytest.raises((ValueError, RuntimeError), match="there are 4 clips"):
        augment(data, torch.tensor([bad]), shear, reverse)


def test_wrong_shape_is_named() -> None:
    data = make_clips(4)
    shear, reverse = draw(2, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"shear must be .* \(1, 3, 3\)"):
        augment(data, torch.tensor([0]), shear, reverse[:1])
