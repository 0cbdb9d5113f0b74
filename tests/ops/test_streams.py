"""Streams of resampled clips: plain torch against a loop written from the definition, the op against plain torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from skelbench import ops
from skelbench.ops import JointMaps, RaggedClips, View, reference_streams, resampled_streams
from skelbench.ops.views import MOTION, STREAMS, channel_count
from tests.ops.places import PLACES, needs_extension

Array = NDArray[np.float64]
# A person: pelvis, spine, head, and shoulder, hand, hip, foot of both sides.
MAPS = JointMaps(
    root=0,
    origin=(7, 9),
    mirrored=(0, 1, 2, 5, 6, 3, 4, 9, 10, 7, 8),
    parents=(0, 0, 1, 1, 3, 1, 5, 0, 7, 0, 9),
    landmarks=(2, 4, 6, 8, 10),
    torso=((3, 5), (7, 9)),
)


def maps_of(joints: int, seed: int) -> JointMaps:
    """A skeleton of any number of joints, numbered in any order."""
    if joints == MAPS.joints:
        return MAPS
    rng = np.random.default_rng(seed)
    name = rng.permutation(joints)
    parents, mirrored = list(range(joints)), list(range(joints))
    for place in range(1, joints):
        parents[name[place]] = int(name[rng.integers(place)])
    for a, b in zip(name[1::2], name[2::2], strict=False):
        mirrored[a], mirrored[b] = int(b), int(a)
    some = [int(joint) for joint in rng.integers(joints, size=12)]
    pairs = ((some[0], some[1]), (some[2], some[3])) if joints > 2 else ()
    return JointMaps(some[4], tuple(some[5:7]), tuple(mirrored), tuple(parents), tuple(some[7:11]), pairs)


def packed(count: int, bodies: int, maps: JointMaps, seed: int = 0, longest: int = 12) -> RaggedClips:
    """Random clips of people who face somewhere; in every seventh row nobody is there."""
    g = torch.Generator().manual_seed(seed)
    frames = torch.randint(1, longest + 1, (count,), generator=g)
    people = torch.randint(1, bodies + 1, (count,), generator=g)
    rows = int((frames * people).sum())
    joints = torch.randn(rows, maps.joints, 3, generator=g)
    for left, right in maps.torso:
        joints[:, left] += torch.tensor([1.0, 2.0, 1.5])
        joints[:, right] -= torch.tensor([1.0, 2.0, 1.5])
    joints[5::7] = 0
    offsets = (frames * people).cumsum(0) - frames * people
    return RaggedClips(joints, offsets, frames, people, torch.zeros_like(frames), longest, bodies)


def times_of(count: int, sampled: int, seed: int = 0) -> Tensor:
    """Ascending times; some hit frames exactly."""
    times = torch.rand(count, sampled, generator=torch.Generator().manual_seed(seed)).sort(1).values
    times[:, -1] = 1
    times[::2] = torch.linspace(0, 1, sampled)
    return times


def view_of(count: int, places: int, sampled: int, joints: int, seed: int = 0, parts: str = "mlsnha") -> View:
    """A random view of these parts, by their first letters (s: the sides)."""
    g = torch.Generator().manual_seed(seed)
    return View(
        maps=torch.randn(count, 3, 3, generator=g) if "m" in parts else None,
        limbs=0.5 + torch.rand(count, joints, generator=g) if "l" in parts else None,
        mirror=torch.rand(count, generator=g) < 0.5 if "s" in parts else None,
        noise=torch.randn(count, places, sampled, joints, 3, generator=g) / 9 if "n" in parts else None,
        hidden=torch.rand(count, places, joints, generator=g) < 0.3 if "h" in parts else None,
        axis=torch.randint(-1, 3, (count,), generator=g) if "a" in parts else None,
    )


def of_clip(view: View, clip: int) -> dict[str, Array]:
    """The parts of a view of one clip."""
    parts = {name: getattr(view, name) for name in View.__dataclass_fields__}
    return {name: part[clip].double().numpy() for name, part in parts.items() if part is not None}


def by_definition(
    clips: RaggedClips,
    times: Tensor,
    maps: JointMaps,
    places: int,
    up: int,
    unit: float,
    view: View,
    clip: int,
) -> tuple[dict[str, Array], NDArray[np.bool_]]:
    """The streams (M, T, J, channels) of one clip, by name, and who is there (M, T): loops in float64."""
    begin, frames, bodies = (int(part[clip]) for part in (clips.offsets, clips.frames, clips.bodies))
    rows = clips.joints[begin : begin + frames * bodies].double().numpy().reshape(frames, bodies, -1, 3)
    sampled, joints = times.shape[1], maps.joints
    x, there = np.zeros((places, sampled, joints, 3)), np.zeros((places, sampled), dtype=bool)
    for m in range(min(bodies, places)):
        for t in range(sampled):
            at = times[clip, t].numpy() * np.float32(frames - 1)
            first = int(at)
            share = float(at - np.float32(first))
            parts = [(1 - share, first), (share, min(first + 1, frames - 1))]
            parts = [(weight, frame) for weight, frame in parts if weight and rows[frame, m].any()]
            there[m, t] = bool(parts)
            for weight, frame in parts:
                x[m, t] += weight / sum(weight for weight, _ in parts) * rows[frame, m]
    x = x[..., {0: [1, 0, 2], 1: [0, 1, 2], 2: [0, 2, 1]}[up]] / unit
    x = x @ yaw(x[0], there[0], maps).T
    # The view.
    drawn = of_clip(view, clip)
    x = x @ drawn.get("maps", np.eye(3)).T
    moved = x.copy()
    for joint in range(joints):
        at_joint = joint
        while (parent := maps.parents[at_joint]) != at_joint and "limbs" in drawn:
            moved[:, :, joint] += (drawn["limbs"][at_joint] - 1) * (x[:, :, at_joint] - x[:, :, parent])
            at_joint = parent
    if drawn.get("mirror", 0):
        moved = moved[:, :, list(maps.mirrored)] * [-1, 1, 1]
    moved = moved + drawn.get("noise", 0)
    for m, joint in zip(*np.nonzero(drawn.get("hidden", np.zeros((places, joints)))), strict=True):
        moved[m, :, joint] = moved[m, :, maps.root]
    if drawn.get("axis", -1) >= 0:
        moved[..., int(drawn["axis"])] = 0
    found = streams_of(moved, there, maps)
    return {name: stream * there[..., None, None] for name, stream in found.items()}, there


def yaw(body: Array, there: NDArray[np.bool_], maps: JointMaps) -> Array:
    """The turn about y after which the left side of a body (T, J, 3) lies along x."""
    if not maps.torso:
        return np.eye(3)
    lines = [body[:, left] - body[:, right] for left, right in maps.torso]
    across = np.sum(lines, axis=0)[there][:, [0, 2]]
    x, z = (across / np.linalg.norm(across, axis=1, keepdims=True)).sum(0)
    if np.hypot(x, z) <= 0.01 * len(body):
        return np.eye(3)
    cos, sin = np.array([x, z]) / np.hypot(x, z)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def streams_of(x: Array, there: NDArray[np.bool_], maps: JointMaps) -> dict[str, Array]:
    """Every stream of positions (M, T, J, 3)."""
    root = x[0][:, list(maps.origin)].mean(1)
    joint = x - root[None, :, None]
    joint[0, :, maps.root] = root - root[0]
    steps = np.zeros_like(x)
    steps[:, :-1] = MOTION * np.diff(x, axis=1) * (there[:, 1:] & there[:, :-1])[..., None, None]

    def three(v: Array) -> list[Array]:
        return [np.linalg.norm(v, axis=-1), np.hypot(v[..., 0], v[..., 2]), v[..., 1]]

    marks = [np.linalg.norm(x - x[:1, :, mark : mark + 1], axis=-1) for mark in maps.landmarks]
    return {
        "levelled": x,
        "position": x - root[0],
        "joint": joint,
        "bone": x - x[:, :, list(maps.parents)],
        "motion": steps,
        "invariant": np.stack(three(x - root[None, :, None]) + three(steps) + marks, -1),
    }


def plain(
    clips: RaggedClips, times: Tensor, maps: JointMaps, view: View, **options: Any
) -> tuple[Tensor, Tensor]:
    """Plain torch in float64."""
    wide = replace(clips, joints=clips.joints.double())
    given = {"places": 2, "up": 1, "unit": 1.0} | options
    return reference_streams.resampled_streams(wide, times, maps, STREAMS, view=view, **given)


@pytest.mark.parametrize("parts", ["", "mlsnha", *"mlsnha"])
@pytest.mark.parametrize(("joints", "up", "places"), [(11, 1, 2), (11, 0, 1), (5, 2, 3), (1, 1, 2)])
def test_plain_torch_follows_the_definition(parts: str, joints: int, up: int, places: int) -> None:
    maps = maps_of(joints, seed=1)
    clips, times = packed(9, 2, maps), times_of(9, 7)
    view = view_of(9, places, 7, joints, parts=parts)
    found, present = plain(clips, times, maps, view, places=places, up=up, unit=0.3)
    for clip in range(9):
        wanted, there = by_definition(clips, times, maps, places, up, 0.3, view, clip)
        np.testing.assert_array_equal(present[clip], there)
        stacked = np.concatenate([wanted[name] for name in STREAMS], -1)
        np.testing.assert_allclose(found[clip], stacked, atol=1e-9 * abs(stacked).max() + 1e-12)


def assert_as_plain_torch(
    found: tuple[Tensor, Tensor],
    clips: RaggedClips,
    times: Tensor,
    maps: JointMaps,
    view: View,
    **options: Any,
) -> None:
    """All streams, with at most twice the error of plain torch in float32, or some roundings of the largest number."""
    exact, present = plain(clips, times, maps, view, **options)
    given = {"places": 2, "up": 1, "unit": 1.0} | options
    eager, _ = reference_streams.resampled_streams(clips, times, maps, STREAMS, view=view, **given)
    assert torch.equal(found[1], present)
    assert not found[0].isnan().any()
    rounding = torch.finfo(torch.float32).eps * (exact.abs().max() if exact.numel() else 0)
    error, allowed = ((x - exact).abs().max() if exact.numel() else 0 for x in (found[0], eager))
    assert error <= 2 * allowed + 32 * rounding


@needs_extension
@pytest.mark.parametrize(("device", "level"), PLACES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_op_gives_what_plain_torch_gives(device: str, level: str, data: st.DataObject) -> None:
    count, sampled = data.draw(st.integers(0, 20), "clips"), data.draw(st.integers(1, 40), "frames")
    places, up = data.draw(st.integers(1, 3), "places"), data.draw(st.integers(0, 2), "up")
    maps = maps_of(
        data.draw(st.sampled_from([1, 2, 5, 11, 25]), "joints"), data.draw(st.integers(0, 9), "tree")
    )
    parts = "".join(data.draw(st.sets(st.sampled_from("mlsnha")), "parts"))
    clips, times = packed(count, 2, maps, longest=30), times_of(count, sampled)
    view = view_of(count, places, sampled, maps.joints, parts=parts)
    with ops.use_isa(level):
        found = resampled_streams(
            clips.to(device),
            times.to(device),
            maps,
            STREAMS,
            places=places,
            up=up,
            unit=0.2,
            view=view.to(device),
        )
    assert_as_plain_torch(
        (found[0].cpu(), found[1].cpu()), clips, times, maps, view, places=places, up=up, unit=0.2
    )


@needs_extension
@pytest.mark.parametrize(("device", "level"), PLACES)
def test_some_streams_stand_side_by_side(device: str, level: str) -> None:
    clips, times = packed(20, 2, MAPS).to(device), times_of(20, 9).to(device)
    with ops.use_isa(level):
        every = resampled_streams(clips, times, MAPS, STREAMS, places=2).channels.split([3] * 5 + [11], -1)
        some = resampled_streams(clips, times, MAPS, ("invariant", "bone"), places=2).channels
    assert some.shape[-1] == channel_count(("invariant", "bone"), 5)
    assert torch.equal(some, torch.cat([every[5], every[3]], -1))


def test_a_body_that_is_away_is_never_mixed_with_one_that_is_there() -> None:
    clips = packed(1, 1, MAPS, seed=4)
    clips = replace(clips, joints=torch.ones(12, 11, 3), frames=torch.tensor([12]))
    clips.joints[3:6] = 0
    times = torch.tensor([[2.5, 3.0, 3.7, 4.0, 5.5, 6.0]]) / 11
    channels, present = resampled_streams(clips, times, MAPS, ("levelled",), places=1)
    assert present[0, 0].tolist() == [True, False, False, False, True, True]
    torch.testing.assert_close(channels.norm(dim=-1)[0, 0, :, 0], 3**0.5 * present[0, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_clip_whose_directions_cancel_out_is_not_turned(dtype: torch.dtype) -> None:
    clips = packed(1, 1, MAPS)
    body = torch.randn(11, 3, dtype=dtype)
    clips = replace(clips, joints=torch.stack([body, body * torch.tensor([-1.0, 1, -1])]).to(dtype))
    clips = replace(clips, frames=torch.tensor([2]), bodies=torch.tensor([1]), offsets=torch.tensor([0]))
    channels, _ = resampled_streams(clips, torch.tensor([[0.0, 1.0]]), MAPS, ("levelled",), places=1)
    assert torch.equal(channels[0, 0], clips.joints)


@needs_extension
def test_any_number_of_threads_gives_the_same_bits() -> None:
    clips, times, view = packed(100, 2, MAPS), times_of(100, 24), view_of(100, 2, 24, 11)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(resampled_streams(clips, times, MAPS, STREAMS, places=2, view=view).channels)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def arguments(clips: RaggedClips, times: Tensor, view: View) -> tuple[Any, ...]:
    """What the face hands to torch.ops for every stream of MAPS."""
    torso = [joint for pair in MAPS.torso for joint in pair]
    lists = MAPS.origin, MAPS.mirrored, MAPS.parents, MAPS.landmarks, torso, range(len(STREAMS))
    parts = [getattr(view, name) for name in View.__dataclass_fields__]
    return *clips.tensors[:4], times, MAPS.root, *map(list, lists), 2, 1, 1.0, *parts


@needs_extension
def test_opcheck_and_compile() -> None:
    clips, times, view = packed(6, 2, MAPS), times_of(6, 5), view_of(6, 2, 5, 11)
    for seen in (view, View()):
        torch.library.opcheck(torch.ops.skelbench.resampled_streams, arguments(clips, times, seen))

    def of(times: Tensor, noise: Tensor) -> Tensor:
        seen = replace(view, noise=noise)
        return resampled_streams(clips, times, MAPS, STREAMS, places=2, view=seen).channels * 2

    compiled = torch.compile(of, fullgraph=True, backend="aot_eager")
    assert view.noise is not None
    assert torch.equal(compiled(times, view.noise), of(times, view.noise))
