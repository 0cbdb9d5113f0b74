"""Padding-free layers against the padded computation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from skelbench import ops
from skelbench.ops import reference
from skelbench.ops.clips import RaggedClips
from skelbench.ops.ragged import packed_rows, pad, ragged_decode, ragged_linear, ragged_linear_sgd_
from tests.ops.places import DEVICES, LEVELS, PLACES, needs_extension


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


SHAPES = [
    # clips, length, max_bodies, joints, width
    (1, 1, 1, 1, 1),
    (1, 9, 2, 5, 16),
    (7, 9, 2, 5, 70),
    (40, 31, 2, 25, 256),
    (30, 30, 3, 12, 5),
    (300, 17, 1, 3, 33),
]


def with_gradients(f: Callable[..., Tensor], grad: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    out = f(*leaves)
    return out.detach(), *torch.autograd.grad(out, leaves, grad.to(out.dtype))


def assert_as_good_as_eager(
    f: Callable[..., Tensor], eager: Callable[..., Tensor], inputs: list[Tensor]
) -> None:
    """Error at most twice that of the padded computation in float32, plus the rounding of one result."""
    truth_out = eager(*(x.double() for x in inputs))
    grad = torch.randn(truth_out.shape, generator=torch.Generator().manual_seed(1)).to(truth_out.device)
    ours = with_gradients(f, grad, *inputs)
    padded = with_gradients(eager, grad, *inputs)
    truth = with_gradients(eager, grad, *(x.double() for x in inputs))
    for x, e, t in zip(ours, padded, truth, strict=True):
        assert x.shape == t.shape
        rounding = torch.finfo(torch.float32).eps * t.abs().max()
        assert (x.double() - t).abs().max() <= 2 * (e.double() - t).abs().max() + rounding


@needs_extension
@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize(("batch", "length", "max_bodies", "joints", "width"), SHAPES)
def test_linear_op_is_exact(
    device: str, level: str, batch: int, length: int, max_bodies: int, joints: int, width: int
) -> None:
    clips = make_clips(batch, length, max_bodies, joints, dtype=torch.float32).to(device)
    g = torch.Generator().manual_seed(3)
    shapes = [(width, clips.features), (width,)]
    inputs = [torch.randn(*shape, generator=g).to(device) for shape in shapes]

    def eager(weight: Tensor, bias: Tensor) -> Tensor:
        return F.linear(reference.pad(clips).to(weight.dtype), weight, bias)

    with ops.use_isa(level):
        assert_as_good_as_eager(lambda w, b: ragged_linear(clips, w, b), eager, inputs)


@needs_extension
@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize(("batch", "length", "max_bodies", "joints", "width"), SHAPES)
def test_decode_op_is_exact(
    device: str, level: str, batch: int, length: int, max_bodies: int, joints: int, width: int
) -> None:
    clips = make_clips(batch, length, max_bodies, joints, dtype=torch.float32).to(device)
    g = torch.Generator().manual_seed(4)
    shapes = [(batch, width), (clips.features, width), (clips.features,)]
    inputs = [torch.randn(*shape, generator=g).to(device) for shape in shapes]

    def eager(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return reference.ragged_decode(hidden, weight, bias, clips)

    with ops.use_isa(level):
        assert_as_good_as_eager(lambda h, w, b: ragged_decode(h, w, b, clips), eager, inputs)


@needs_extension
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("batch", "length", "max_bodies", "joints", "width"), SHAPES)
def test_descent_is_sgd_along_the_padded_gradient(
    level: str, batch: int, length: int, max_bodies: int, joints: int, width: int
) -> None:
    clips = make_clips(batch, length, max_bodies, joints, dtype=torch.float32)
    g = torch.Generator().manual_seed(5)
    weight, buffer = (torch.randn(width, clips.features, generator=g) for _ in range(2))
    grad = torch.randn(batch, width, generator=g)

    def eager(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        product = grad.to(dtype).t() @ reference.pad(clips).to(dtype)
        moved = 0.9 * buffer.to(dtype) + (product + 0.01 * weight.to(dtype))
        return moved, weight.to(dtype) - 0.1 * moved

    truth, padded = eager(torch.float64), eager(torch.float32)
    with ops.use_isa(level):
        ragged_linear_sgd_(clips, grad, weight, buffer, 0.1, 0.9, 0.01)
    for x, e, t in zip((buffer, weight), padded, truth, strict=True):
        rounding = torch.finfo(torch.float32).eps * t.abs().max()
        assert (x.double() - t).abs().max() <= 2 * (e.double() - t).abs().max() + rounding


@needs_extension
def test_descent_explains_what_does_not_fit() -> None:
    clips = make_clips(4, dtype=torch.float32)
    weight, buffer, grad = torch.zeros(6, 270), torch.zeros(6, 270), torch.zeros(4, 6)
    for wrong in (
        (grad[:3], weight, buffer),
        (grad, weight[:, :-1], buffer),
        (grad, weight, buffer.double()),
    ):
        with pytest.raises(ValueError, match=r"must be"):
            ragged_linear_sgd_(clips, *wrong, 0.1, 0.9, 0.0)
    shared = torch.zeros(13, 270)
    for name, tensors in (
        ("weight and momentum_buffer", (grad, shared[:6], shared[5:11])),
        ("momentum_buffer and weight", (grad, shared[1:7], shared[1:7])),
        ("weight and grad", (shared[:6].flatten()[:24].view(4, 6), shared[:6], buffer)),
    ):
        with pytest.raises(ValueError, match=f"{name}|{' and '.join(reversed(name.split(' and ')))}"):
            ragged_linear_sgd_(clips, *tensors, 0.1, 0.9, 0.0)
    clips.bodies[2] = 3
    with pytest.raises(RuntimeError, match="clip 2 has bodies = 3"):
        ragged_linear_sgd_(clips, grad, weight, buffer, 0.1, 0.9, 0.0)


@needs_extension
def test_rows_outside_the_batch_are_not_read() -> None:
    clips = make_clips(6, dtype=torch.float32)
    weight, bias = torch.randn(8, clips.features), torch.randn(8)
    expected = ragged_linear(clips, weight, bias)
    clips.joints[:3] = torch.nan  # make_clips leaves three rows that no clip owns
    assert torch.equal(ragged_linear(clips, weight, bias), expected)


@needs_extension
def test_no_gradient_where_no_clip_has_the_frame() -> None:
    clips = make_clips(3, length=40, dtype=torch.float32)
    clips = replace(clips, frames=clips.frames.clamp(max=2), start=clips.start.clamp(max=20))
    weight = torch.randn(8, clips.features, requires_grad=True)
    grad = torch.autograd.grad(ragged_linear(clips, weight, torch.zeros(8)).sum(), weight)[0]
    absent = (slow_pad(clips) == 0).all(0)
    assert absent.sum() > clips.features // 2
    assert (grad[:, absent] == 0).all()
    assert (grad[:, ~absent] != 0).all()


@needs_extension
def test_any_number_of_threads_gives_the_same_bits() -> None:
    clips = make_clips(60, 50, 2, 25, dtype=torch.float32)
    weight, bias = torch.randn(150, clips.features), torch.randn(150)
    hidden, decoder = torch.randn(60, 96), torch.randn(clips.features, 96)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            linear = with_gradients(
                lambda w, b: ragged_linear(clips, w, b), torch.ones(()).expand(60, 150), weight, bias
            )
            decode = with_gradients(
                lambda h, w, b: ragged_decode(h, w, b, clips),
                torch.ones(()).expand(int((clips.frames * clips.bodies).sum()), 25, 3),
                hidden,
                decoder,
                torch.randn(clips.features, generator=torch.Generator().manual_seed(0)),
            )
            moved, buffer = weight.clone(), torch.zeros_like(weight)
            ragged_linear_sgd_(clips, torch.ones(60, 150), moved, buffer, 0.1, 0.9, 0.01)
            results.append((linear[0], linear[1], *decode, moved, buffer))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@needs_extension
@pytest.mark.parametrize("device", DEVICES)
def test_opcheck(device: str) -> None:
    clips = make_clips(5, dtype=torch.float32).to(device)
    weight = torch.randn(12, clips.features, requires_grad=True, device=device)
    bias = torch.randn(12, requires_grad=True, device=device)
    where = (clips.offsets, clips.frames, clips.bodies, clips.start)
    torch.library.opcheck(torch.ops.skelbench.ragged_linear, (clips.joints, *where, weight, bias, 9, 2))
    if device == "cpu":
        moved, buffer, grad = weight.detach().clone(), torch.zeros_like(weight), torch.randn(5, 12)
        descent = (moved, buffer, grad, clips.joints, *where, 9, 2, 0.1, 0.9, 0.0)
        torch.library.opcheck(torch.ops.skelbench.ragged_linear_sgd_, descent)
    hidden = torch.randn(5, 12, requires_grad=True, device=device)
    decoder = torch.randn(clips.features, 12, requires_grad=True, device=device)
    offset = torch.randn(clips.features, requires_grad=True, device=device)
    torch.library.opcheck(torch.ops.skelbench.ragged_decode, (hidden, decoder, offset, *where[1:], 9, 2))


@needs_extension
@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_repeats_its_bits_and_names_a_clip_that_a_decoder_cannot_read() -> None:
    clips = make_clips(200, 50, 2, 25, dtype=torch.float32).to("cuda")
    weight, bias = torch.randn(150, clips.features, device="cuda"), torch.randn(150, device="cuda")
    grad = torch.randn(200, 150, device="cuda")
    first, again = (
        with_gradients(lambda w, b: ragged_linear(clips, w, b), grad, weight, bias) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    clips.bodies[7] = 3
    with pytest.raises(RuntimeError, match="clip 7 has"):
        ragged_decode(grad, weight.t(), torch.zeros(clips.features, device="cuda"), clips)


@needs_extension
def test_compiles_without_a_graph_break() -> None:
    clips = make_clips(5, dtype=torch.float32)
    fields = list(vars(clips).values())
    weight, bias = torch.randn(12, clips.features), torch.randn(12)
    decoder, offset = torch.randn(clips.features, 12), torch.randn(clips.features)

    def autoencoder(*parameters: Tensor) -> Tensor:
        batch = RaggedClips(*fields)
        hidden = F.gelu(ragged_linear(batch, parameters[0], parameters[1]))
        return ragged_decode(hidden, parameters[2], parameters[3], batch).square().sum()

    parameters = [x.requires_grad_() for x in (weight, bias, decoder, offset)]
    expected = torch.autograd.grad(autoencoder(*parameters), parameters)
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        compiled = torch.compile(autoencoder, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(torch.autograd.grad(compiled(*parameters), parameters), expected)


def test_joints_can_have_a_gradient() -> None:
    clips = make_clips(4, dtype=torch.float32)
    joints = clips.joints.clone().requires_grad_()
    weight = torch.randn(6, clips.features)
    out = ragged_linear(replace(clips, joints=joints), weight, torch.zeros(6))
    expected = torch.autograd.grad(
        reference.ragged_linear(replace(clips, joints=joints), weight, torch.zeros(6)).sum(), joints
    )
    torch.testing.assert_close(torch.autograd.grad(out.sum(), joints), expected)


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
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bad_clip_is_named(field: str, value: int, message: str, dtype: torch.dtype) -> None:
    clips = make_clips(4, dtype=dtype)
    getattr(clips, field)[2] = value
    with pytest.raises((ValueError, RuntimeError), match=message):
        ragged_linear(clips, torch.zeros(6, clips.features, dtype=dtype), torch.zeros(6, dtype=dtype))
    with pytest.raises(ValueError, match=message):
        pad(clips)
    if field != "offsets":  # which a decoder does not read
        with pytest.raises((ValueError, RuntimeError), match=r"clip 2 has|clip 3 has"):
            ragged_decode(
                torch.zeros(4, 6, dtype=dtype),
                torch.zeros(clips.features, 6, dtype=dtype),
                torch.zeros(clips.features, dtype=dtype),
                clips,
            )


def test_wrong_weight_is_explained() -> None:
    clips = make_clips(4)
    with pytest.raises(ValueError, match=r"the padded row has 270 numbers"):
        ragged_linear(clips, torch.zeros(6, 271).double(), torch.zeros(6).double())
