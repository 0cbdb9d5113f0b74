"""Padding-free layers against the padded computation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from skelbench.ops.ragged import RaggedClips, packed_rows, pad, ragged_decode, ragged_linear


def make_clips(
    batch: int, length: int = 9, max_bodies: int = 2, joints: int = 5, seed: int = 0, dtype=torch.float64
) -> RaggedClips:
    """Clips of every kind: one frame, full length, each number of bodies, starts at both ends and between."""
    g = torch.Generator().manual_seed(seed)
    frames = torch.randint(1, length + 1, (batch,), generator=g)
    frames[0], frames[-1] = length, 1
    bodies = torch.randint(1, max_bodies + 1, (batch,), generator=g)
    start = (torch.rand(batch, generator=g) * (length - frames + 1)).long()
    start[1::3] = (length - frames)[1::3]
    counts = frames * bodies
    order = torch.randperm(batch, generator=g)  # clips lie in the dataset in another order than in the batch
    offsets = torch.empty_like(counts)
    offsets[order] = counts[order].cumsum(0) - counts[order] + 3
    x = torch.randn(int(counts.sum()) + 3, joints, 3, generator=g, dtype=torch.float64).to(dtype)
    return RaggedClips(x, offsets, frames, bodies, start, length, max_bodies)


def slow_pad(clips: RaggedClips) -> torch.Tensor:
    out = torch.zeros(
        len(clips), clips.length, clips.max_bodies, *clips.joints.shape[1:], dtype=clips.joints.dtype
    )
    for b in range(len(clips)):
        row = int(clips.offsets[b])
        for t in range(int(clips.frames[b])):
            for m in range(int(clips.bodies[b])):
                out[b, int(clips.start[b]) + t, m] = clips.joints[row]
                row += 1
    return out.flatten(1)


def test_pad_places_every_row() -> None:
    clips = make_clips(7)
    assert torch.equal(pad(clips), slow_pad(clips))


def test_decode_reads_the_rows_that_exist() -> None:
    clips = make_clips(7)
    # A decoder whose output is its bias: what comes back must be the padded row's own column numbers.
    columns = torch.arange(clips.features, dtype=torch.float64)
    decoded = ragged_decode(
        torch.zeros(7, 4, dtype=torch.float64), torch.zeros(clips.features, 4).double(), columns, clips
    )
    inside = slow_pad(RaggedClips(torch.ones_like(clips.joints), *list(vars(clips).values())[1:])).bool()
    assert torch.equal(decoded.flatten(), columns.expand(7, -1)[inside])


def test_packed_rows_are_in_batch_order() -> None:
    clips = make_clips(6)
    expected = [
        int(clips.offsets[b]) + r for b in range(6) for r in range(int(clips.frames[b] * clips.bodies[b]))
    ]
    assert packed_rows(clips).tolist() == expected


def test_linear_is_linear_of_pad() -> None:
    clips = make_clips(7)
    weight = torch.randn(6, clips.features, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(6, dtype=torch.float64, requires_grad=True)
    out, expected = ragged_linear(clips, weight, bias), F.linear(slow_pad(clips), weight, bias)
    torch.testing.assert_close(out, expected)
    grad = torch.randn_like(out)
    torch.testing.assert_close(
        torch.autograd.grad(out, (weight, bias), grad), torch.autograd.grad(expected, (weight, bias), grad)
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("frames", 0, "clip 2 has frames = 0"),
        ("bodies", 3, "clip 2 has bodies = 3"),
        ("start", 9, "clip 2 has start"),
        ("offsets", 10_000, "clip 2 has offsets"),
        ("offsets", -1, "clip 2 has offsets"),
    ],
)
def test_bad_clip_is_named(field: str, value: int, message: str) -> None:
    clips = make_clips(4)
    getattr(clips, field)[2] = value
    with pytest.raises(ValueError, match=message):
        pad(clips)


def test_wrong_weight_is_explained() -> None:
    clips = make_clips(4)
    with pytest.raises(ValueError, match=r"the padded row has 270 numbers"):
        ragged_linear(clips, torch.zeros(6, 271).double(), torch.zeros(6).double())
