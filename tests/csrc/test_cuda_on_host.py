"""CUDA kernels, run on the CPU by a small stand-in for the CUDA runtime: all but contrastive's and the subtrees'.

It shows that their indices, barriers and sums are right, not that they are fast or that a GPU agrees: the tests
marked `cuda` are for that.
"""

from __future__ import annotations

import ctypes

import pytest
import torch
from torch import Tensor

from skelbench.ops import JointMaps, View, reference
from skelbench.ops.augment import draw
from skelbench.ops.clips import RaggedClips
from skelbench.ops.pv_dbow import _chances
from skelbench.ops.views import STREAMS, channel_count
from tests.csrc.conftest import Host, Integer, Pointer, names, structure
from tests.ops.test_augment import assert_follows_the_definition
from tests.ops.test_bag import problem as bag_problem
from tests.ops.test_bag import with_gradients
from tests.ops.test_pv_dbow import corpus
from tests.ops.test_ragged import make_clips
from tests.ops.test_streams import assert_as_plain_torch, maps_of, packed, times_of, view_of

Clips = structure(
    *names("offsets frames bodies start", Pointer), *names("count length max_bodies columns", Integer)
)
Weight = structure(("data", Pointer), *names("units feature_stride unit_stride", Integer))
Batch = structure(
    ("joints", Pointer),
    ("columns", Integer),
    *names("offsets frames bodies start index", Pointer),
    ("count", Integer),
    *names("shear reverse begin views", Pointer),
)
Views = structure(*names("offsets frames bodies start", Pointer))


PVDBOW = structure(
    *names("words indptr", Pointer),
    *names("documents vocabulary dimensions", Integer),
    *names("cumulative keep vectors table", Pointer),
    *names("rate next_rate", ctypes.c_double),
    *names("negative epoch seed block", Integer),
)
Bags = structure(
    ("rows", Pointer),
    *names("bags tokens entries dimensions", Integer),
    ("weight", Pointer),
    ("repeats", Integer),
    ("known", Pointer),
    ("dropout", ctypes.c_double),
    *names("seed first", Integer),
)
Skeleton = structure(
    *names("joints root origins marks pairs", ctypes.c_int32),
    ("origin", ctypes.c_uint8 * 4),
    ("marked", ctypes.c_uint8 * 16),
    *names("left right", ctypes.c_uint8 * 4),
    *names("mirrored parent order", ctypes.c_uint8 * 256),
)
Resampled = structure(
    ("joints", Pointer),
    ("rows", Integer),
    *names("offsets frames bodies times", Pointer),
    *names("count sampled places", Integer),
    *names("maps limbs mirror noise hidden axis out present", Pointer),
    ("up", ctypes.c_int32),
    ("scale", ctypes.c_float),
    *names("channels streams", ctypes.c_int32),
    ("stream", ctypes.c_uint8 * 6),
    ("skeleton", Skeleton),
)
# What the launchers of both are lent: pointers.
Two, Three = (structure(*names(each, Pointer)) for each in ("a b", "a b c"))


def clips_of(run: Host, clips: RaggedClips, offsets: Tensor | None = None) -> ctypes.Structure:
    pointers = (clips.offsets if offsets is None else offsets, clips.frames, clips.bodies, clips.start)
    columns = clips.joints.shape[1] * 3
    return Clips(*(run.at(x) for x in pointers), len(clips), clips.length, clips.max_bodies, columns)


def assert_close(x: Tensor, truth: Tensor) -> None:
    assert not x.isnan().any()
    assert (x.double() - truth).abs().max() <= 1e-6 * truth.abs().max() + 1e-30


SHAPES = [
    # clips, length, max_bodies, joints, width
    (1, 1, 1, 1, 1),
    (7, 9, 2, 5, 70),
    (130, 12, 2, 25, 40),
    (70, 5, 1, 31, 33),  # more numbers in a row than a tile has
    (400, 3, 1, 2, 5),
]


@pytest.mark.parametrize(("batch", "length", "max_bodies", "joints", "width"), SHAPES)
def test_layers(run: Host, batch: int, length: int, max_bodies: int, joints: int, width: int) -> None:
    clips = make_clips(batch, length, max_bodies, joints, dtype=torch.float32)
    g = torch.Generator().manual_seed(0)
    features, rows = clips.features, clips.joints.shape[0]
    x, padded = clips.joints, reference.pad(clips).double()
    weight, bias = torch.randn(width, features, generator=g), torch.randn(width, generator=g)
    grad = torch.randn(batch, width, generator=g)
    where = clips_of(run, clips)

    # The linear layer keeps its weight (unit, feature), the decoder (feature, unit).
    turned = weight.t().contiguous()
    for data, strides in ((weight, (1, features)), (turned, (width, 1))):
        w = Weight(run.at(data), width, *strides)
        scratch = torch.full((run("project_scratch", where, width),), 255, dtype=torch.uint8)
        out = torch.full((batch, width), torch.nan)
        assert run("project", where, rows, x, w, bias, scratch, out) == 0
        assert_close(out, padded @ weight.t().double() + bias)

        gradient = torch.full_like(data, torch.nan)
        assert run("outer", where, rows, x, grad, Weight(run.at(gradient), width, *strides)) == 0
        truth = grad.double().t() @ padded
        assert_close(gradient, truth if data is weight else truth.t())

        offsets = torch.full((batch,), -1)
        found = torch.zeros(2, dtype=torch.int64)
        assert run("place", clips_of(run, clips, offsets), offsets, found) == 0
        counts = clips.frames * clips.bodies
        assert torch.equal(offsets, counts.cumsum(0) - counts)
        assert found.tolist() == [int(counts.sum()), batch]
        offset = torch.randn(features, generator=g)
        decoded = torch.full((int(counts.sum()), joints, 3), torch.nan)
        assert run("expand", clips_of(run, clips, offsets), len(decoded), grad, w, offset, decoded) == 0
        doubles = (grad.double(), weight.t().double(), offset.double())
        assert_close(decoded, reference.ragged_decode(*doubles, clips))

    sums = torch.full((features,), torch.nan)
    assert run("sum", where, rows, x, sums) == 0
    assert_close(sums, padded.sum(0))


def test_place_finds_the_first_clip_that_does_not_fit(run: Host) -> None:
    clips = make_clips(1500, dtype=torch.float32)
    clips.bodies[1203] = 3
    clips.frames[1404] = 0
    offsets, found = torch.empty(1500, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)
    assert run("place", clips_of(run, clips), offsets, found) == 0
    assert int(found[1]) == 1203


@pytest.mark.parametrize(
    ("clips", "length", "max_bodies", "joints"), [(1, 1, 1, 1), (40, 31, 2, 25), (900, 4, 3, 2)]
)
def test_augment(run: Host, clips: int, length: int, max_bodies: int, joints: int) -> None:
    data = make_clips(clips, length, max_bodies, joints, dtype=torch.float32)
    generator = torch.Generator().manual_seed(2)
    index = torch.randint(clips, (2 * clips,), generator=generator)
    shear, reverse = (x.contiguous() for x in draw(2 * clips, generator))
    described = [torch.full((4 * clips,), -1) for _ in range(4)]
    begin, found = torch.full((2 * clips + 1,), -1), torch.zeros(2, dtype=torch.int64)
    batch = Batch(run.at(data.joints), joints * 3, run.at(data.offsets), run.at(data.frames))
    batch.bodies, batch.start = run.at(data.bodies), run.at(data.start)
    batch.index, batch.count = run.at(index), 2 * clips
    batch.shear, batch.reverse = run.at(shear), run.at(reverse)
    views_at = Views(*(run.at(x) for x in described))

    def describe() -> int:
        return run("describe", batch, clips, len(data.joints), length, max_bodies, views_at, begin, found)

    assert describe() == 0
    rows, bad = found.tolist()
    assert bad == 2 * clips
    joints_out = torch.full((2 * rows, joints, 3), torch.nan)
    batch.begin, batch.views = run.at(begin), run.at(joints_out)
    assert run("views", batch, rows) == 0
    views = RaggedClips(joints_out, *described, length, max_bodies)
    assert_follows_the_definition(data, index, shear, reverse, views)

    index[clips] = clips
    assert describe() == 0
    assert int(found[1]) == clips


def skeleton_of(maps: JointMaps) -> ctypes.Structure:
    left, right = ([pair[side] for pair in maps.torso] for side in (0, 1))
    lists = maps.origin, maps.landmarks, left, right, maps.mirrored, maps.parents, maps.order
    sizes = maps.joints, maps.root, len(maps.origin), len(maps.landmarks), len(maps.torso)
    arrays = (kind(*given) for (_, kind), given in zip(Skeleton._fields_[5:], lists, strict=True))
    return Skeleton(*sizes, *arrays)


def resampled(run: Host, clips: RaggedClips, times: Tensor, maps: JointMaps, view: View, places: int):
    """The launcher's batch of every stream, and its results."""
    count, sampled = times.shape
    channels = channel_count(STREAMS, len(maps.landmarks))
    out = torch.full((count, places, sampled, maps.joints, channels), torch.nan)
    present = torch.zeros(count, places, sampled, dtype=torch.bool)
    parts = (getattr(view, name) for name in View.__dataclass_fields__)
    batch = Resampled(
        run.at(clips.joints), len(clips.joints), *(run.at(x) for x in (*clips.tensors[1:4], times)), count, sampled,
        places, *(part if part is None else run.at(part) for part in parts), run.at(out), run.at(present), 2, 5.0,
        channels, len(STREAMS), (ctypes.c_uint8 * 6)(*range(6)), skeleton_of(maps),
    )  # fmt: skip
    return batch, (out, present)


@pytest.mark.parametrize(
    ("count", "sampled", "joints", "places", "parts"),
    [(1, 1, 1, 1, ""), (7, 24, 11, 2, "mlsnha"), (5, 9, 25, 3, "lsh"), (3, 300, 5, 1, "mna")],
)
def test_streams(
    run: Host, same_bits, count: int, sampled: int, joints: int, places: int, parts: str
) -> None:
    maps, view = maps_of(joints, 3), view_of(count, places, sampled, joints, parts=parts)
    clips, times = packed(count, 2, maps, longest=40), times_of(count, sampled)
    batch, found = resampled(run, clips, times, maps, view, places)
    scratch = torch.full((run("streams_scratch", batch),), torch.nan)
    assert run("resampled_streams", batch, scratch) == 0
    assert_as_plain_torch(found, clips, times, maps, view, places=places, up=2, unit=0.2)
    same_bits(("streams", count, sampled, joints), *found)


@pytest.mark.parametrize("field", ["frames", "offsets", "times", "axis"])
def test_streams_stop_at_a_value_that_does_not_fit(run: Host, field: str) -> None:
    maps, view = maps_of(5, 3), view_of(3, 1, 4, 5)
    clips, times = packed(3, 2, maps), times_of(3, 4)
    assert view.axis is not None
    {"times": times, "axis": view.axis, "frames": clips.frames, "offsets": clips.offsets}[field][1] = 50
    batch, _ = resampled(run, clips, times, maps, view, 1)
    scratch = torch.empty(run("streams_scratch", batch))
    assert run("resampled_streams", batch, scratch) != 0
    assert "stopped the device" in run.fault()


@pytest.fixture(scope="module")
def same_bits():
    """Holds tensors to the bits that they had under this key when the threads took their turns in another order."""
    first: dict[object, list[Tensor]] = {}

    def hold(key: object, *tensors: Tensor) -> None:
        expected = first.setdefault(key, [x.clone() for x in tensors])
        assert all(torch.equal(x, y) for x, y in zip(tensors, expected, strict=True))

    return hold


def pointers(run: Host, *tensors: Tensor) -> ctypes.Structure:
    return (Two if len(tensors) == 2 else Three)(*(run.at(x) for x in tensors))


@pytest.mark.parametrize(("dimensions", "negative", "block"), [(40, 5, 4), (1, 1, 1), (64, 32, 16)])
def test_pv_dbow(run: Host, same_bits, dimensions: int, negative: int, block: int) -> None:
    words, indptr, counts = corpus(documents=8, longest=200)
    chances = _chances(counts, 0.02)
    g = torch.Generator().manual_seed(1)
    vectors = torch.randn(8, dimensions, generator=g) / dimensions
    table = torch.randn(len(counts), dimensions, generator=g) / 4
    expected = vectors.clone(), table.clone()
    reference.pv_dbow_train_(*expected, words, indptr, *chances, 0.2, 0.1, negative, 3, 7, block)
    given = vectors.clone(), table.clone()
    where = [run.at(x) for x in (*chances, *given)]
    sizes = (8, len(counts), dimensions)
    problem = PVDBOW(run.at(words), run.at(indptr), *sizes, *where, 0.2, 0.1, negative, 3, 7, block)
    kept_words, kept_count = torch.full_like(words, -1), torch.full((8,), -1)
    kept, longest = pointers(run, kept_words, kept_count), torch.tensor([-1])
    assert run("thin", problem, kept, longest) == 0
    assert int(longest) == int(kept_count.max())
    assert 64 < int(longest) < int(indptr.diff().max())
    samples = torch.full((int(longest) * negative,), -1, dtype=torch.int32)
    before, slope = torch.full((block, 16, dimensions), torch.nan), torch.full((block, 16, 144), torch.nan)
    assert run("train", problem, kept, int(longest), pointers(run, samples, before, slope)) == 0
    torch.testing.assert_close(given, expected, rtol=2e-4, atol=2e-5)
    assert (given[1] - table).abs().max() > 0.05

    inferred, truth = torch.zeros(8, dimensions), torch.zeros(8, dimensions)
    reference.pv_dbow_infer_(truth, given[1], words, indptr, *chances, 0.2, negative, 3, 7)
    problem.vectors = run.at(inferred)
    assert run("infer", problem, kept) == 0
    torch.testing.assert_close(inferred, truth, rtol=2e-4, atol=2e-5)
    assert (inferred[3] == 0).all()
    assert inferred.abs().max() > 0.05
    same_bits(("pv_dbow", dimensions), *given, inferred)


@pytest.mark.parametrize(
    ("bags", "groups", "repeats", "dimensions"), [(40, 3, 40, 64), (9, 1, 1, 1), (5, 2, 7, 150)]
)
def test_bag_sums(run: Host, same_bits, bags: int, groups: int, repeats: int, dimensions: int) -> None:
    rows, table, weight, known = bag_problem(bags, groups, repeats, 30, dimensions)
    out, gradients = (
        torch.full((bags, dimensions), torch.nan),
        (torch.full_like(table, torch.nan), torch.full_like(weight, torch.nan)),
    )
    expected = with_gradients(
        reference.bag_sums, rows, table.double(), weight.double(), known, dropout=0.4, seed=2**40 + 7, first=9
    )
    sizes = (bags, groups * repeats, 30, dimensions)
    problem = Bags(run.at(rows), *sizes, run.at(weight), repeats, run.at(known), 0.4, 2**40 + 7, 9)
    parts = torch.full((bags, groups, dimensions), torch.nan)
    assert run("bag_sums", problem, table, out, parts) == 0
    grad = torch.linspace(-1, 1, out.numel()).view_as(out).contiguous()
    share, total, bound = (
        torch.full((bags, groups), torch.nan),
        torch.zeros(30, dimensions, dtype=torch.int64),
        torch.full((1,), torch.nan),
    )
    assert run("bag_gradients", problem, parts, grad, pointers(run, share, total, bound), *gradients) == 0
    for x, truth in zip((out, *gradients), expected, strict=True):
        assert_close(x, truth)

    same_bits(("bag_sums", bags), out, *gradients)
    # A number that is not finite is not lost.
    grad[0, 0] = torch.inf
    total.zero_()
    assert run("bag_gradients", problem, parts, grad, pointers(run, share, total, bound), *gradients) == 0
    assert gradients[0].isnan().all()
