"""Encoders of streams: published sizes, shapes, gradients everywhere, and what must not change a representation."""

import pytest
import torch
from torch import nn

from skelbench.data.skeletons import NTU_25
from skelbench.models.ctr_gcn import CTRGCN
from skelbench.models.frame_mlp import FrameMLP
from skelbench.models.graph_tcn import GraphTCN
from skelbench.models.graphs import MultiScaleTemporal, mean_over_people, mix_joints, partitions
from skelbench.models.heads import Centred, Flat, ProjectionMLP, StreamDecoder
from skelbench.models.sgn import SGN
from skelbench.models.sit_mlp import SiTMLP
from skelbench.models.stgcn import STGCN
from skelbench.models.stream_shape import StreamShape
from skelbench.models.tcn import TCN

# Kinect v1, as NW-UCLA numbers its joints.
KINECT_20 = tuple(enumerate((0, 1, 2, 2, 4, 5, 6, 2, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18), start=1))
ENCODERS = (TCN, GraphTCN, FrameMLP, SiTMLP, SGN, STGCN, CTRGCN)


def ntu(channels=3, frames=64) -> StreamShape:
    return StreamShape(2, frames, 25, channels, 60, NTU_25.edges)


def ucla(channels=3, frames=64) -> StreamShape:
    return StreamShape(1, frames, 20, channels, 10, KINECT_20)


def size(encoder, shape) -> int:
    """Parameters of an encoder and a linear classifier."""
    module = encoder(shape)
    return sum(p.numel() for p in module.parameters()) + (module.width + 1) * shape.classes


@pytest.mark.parametrize(
    ("encoder", "on_ntu", "on_ucla"),
    [(SiTMLP, 652_132, 626_122), (CTRGCN, 1_446_672, 1_426_892)],
    ids=["sit-mlp", "ctr-gcn"],
)
def test_published_sizes(encoder, on_ntu, on_ucla):
    assert size(encoder, ntu()) == on_ntu
    assert size(encoder, ucla()) == on_ucla


def test_sgn_has_its_published_size():
    assert size(SGN, ntu(frames=20)) == 691_048


def test_stgcn_has_three_million():
    """By the paper's section 4.1: ten units, three partitions, nine frames, learned importance of every bone."""
    widths, total = (64,) * 4 + (128,) * 3 + (256,) * 3, 2 * (2 * 25 * 3)
    inputs = 3
    for number, outputs in enumerate(widths):
        total += 3 * 25 * 25 + (inputs + 1) * 3 * outputs + (9 * outputs + 1) * outputs + 4 * outputs
        if number and inputs != outputs:
            total += (inputs + 1) * outputs + 2 * outputs
        inputs = outputs
    assert size(STGCN, ntu()) == total + 257 * 60
    assert 3.05e6 < total < 3.15e6


@pytest.mark.parametrize(
    ("encoder", "shape", "least", "most"),
    [
        (TCN, ucla(11, 24), 130_000, 140_000),
        (TCN, ntu(11, 24), 170_000, 400_000),
        (GraphTCN, ucla(20, 32), 310_000, 320_000),
        (FrameMLP, ucla(20, 32), 610_000, 630_000),
        (FrameMLP, ntu(20, 32), 650_000, 1_000_000),
    ],
)
def test_small_encoders_stay_small(encoder, shape, least, most):
    assert least < size(encoder, shape) < most


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_parameter_and_every_input_counts(encoder):
    torch.manual_seed(0)
    shape = StreamShape(2, 8, 20, 3, 4, KINECT_20)
    module = encoder(shape)
    streams = torch.randn(5, 2, 8, 20, 3, requires_grad=True)
    # Weights that begin at zero hide what is behind them.
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    found = module(streams)
    assert found.shape == (5, module.width)
    (found * torch.randn_like(found)).sum().backward()
    # Before a normalisation, a bias changes nothing but rounding.
    silent = {name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()}
    assert not silent
    assert streams.grad is not None
    assert (streams.grad.abs().sum((0, 4)) > 0).all()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_clip_is_represented_without_the_others(encoder):
    torch.manual_seed(0)
    module = encoder(StreamShape(1, 8, 20, 3, 4, KINECT_20)).eval()
    streams = torch.randn(6, 1, 8, 20, 3)
    with torch.inference_mode():
        torch.testing.assert_close(module(streams)[2:4], module(streams[2:4]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_an_encoder_exports_for_any_number_of_clips(encoder):
    """None has an op of its own: `torch.export` takes it as it is."""
    torch.manual_seed(0)
    module = encoder(StreamShape(2, 8, 20, 3, 4, KINECT_20)).eval()
    clips = torch.export.Dim("clips")
    exported = torch.export.export(
        module, (torch.randn(3, 2, 8, 20, 3),), dynamic_shapes=({0: clips},), strict=False
    )
    streams = torch.randn(5, 2, 8, 20, 3)
    torch.testing.assert_close(exported.module()(streams), module(streams), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", [SiTMLP, SGN, STGCN, CTRGCN])
def test_an_absent_person_does_not_count(encoder):
    """Two people are two samples, whose mean is the clip's; the second place is left out where it is empty."""
    torch.manual_seed(0)
    module = encoder(StreamShape(2, 8, 20, 3, 4, KINECT_20)).eval()
    streams = torch.randn(3, 2, 8, 20, 3)
    streams[0, 1] = 0
    features = torch.arange(6.0)[:, None]
    assert mean_over_people(features, streams).flatten().tolist() == [0, 2.5, 4.5]
    assert torch.isfinite(module(torch.zeros_like(streams))).all()


@pytest.mark.parametrize("encoder", [TCN, FrameMLP, SGN])
def test_a_tiny_training_learns(encoder):
    torch.manual_seed(0)
    shape = StreamShape(1, 8, 5, 2, 2, ((1, 0), (2, 1), (3, 2), (4, 3)))
    label = torch.arange(32) % 2
    streams = torch.randn(32, 1, 8, 5, 2) + label[:, None, None, None, None].float()
    model = nn.Sequential(module := encoder(shape), nn.Linear(module.width, 2))
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        loss = nn.functional.cross_entropy(model(streams), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_partitions_are_self_inward_and_outward():
    parts = partitions(StreamShape(1, 4, 3, 3, 2, ((1, 0), (2, 0))))
    assert torch.equal(parts[0], torch.eye(3))
    # The parent 0 receives from both children; both children receive from it, half each so that a column sums to one.
    assert parts[1].tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert parts[2].tolist() == [[0, 0, 0], [0.5, 0, 0], [0.5, 0, 0]]


def test_mixing_joints_is_a_matrix_per_head():
    clips, matrices = (
        torch.randn(2, 3, 4, 5, 6, dtype=torch.float64),
        torch.randn(3, 6, 6, dtype=torch.float64),
    )
    wanted = torch.einsum("huv,bhdtv->bhdtu", matrices, clips)
    torch.testing.assert_close(mix_joints(clips, matrices), wanted)


@pytest.mark.parametrize(("frames", "stride"), [(8, 1), (8, 2), (7, 2)])
def test_the_multi_scale_convolution_strides_over_time_alone(frames, stride):
    found = MultiScaleTemporal(6, 8, stride)(torch.randn(2, 6, frames, 5))
    assert found.shape == (2, 8, -(-frames // stride), 5)


def test_pairs_of_frames_need_an_even_number():
    with pytest.raises(ValueError, match="frames: 9 cannot be taken 2 at a time"):
        GraphTCN(ucla(frames=9))


def test_heads():
    representation = torch.randn(4, 6)
    assert ProjectionMLP(6, 5, 3)(representation).shape == (4, 3)
    assert StreamDecoder(6, (1, 7, 5, 3))(representation).shape == (4, 1, 7, 5, 3)
    shape = StreamShape(2, 3, 4, 5, 2, ())
    flat = Flat(shape)
    streams = torch.randn(3, 2, 3, 4, 5)
    assert flat(streams).shape == (3, flat.width)
    mean = flat(streams).mean(0)
    assert Centred(flat, mean)(streams).mean(0).abs().max() < 1e-6
