"""ConMLP has the published size and layout."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from skelbench.models.conmlp import ConMLP, Decoder, InputShape, ProjectionHead
from skelbench.ops.clips import RaggedClips

NTU = InputShape(length=300, max_bodies=2, joints=25, classes=60)


def clips(frames, length=300, bodies=1, joints=25):
    """One ragged clip per entry of `frames`."""
    counts = torch.tensor(frames)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), (counts * bodies).cumsum(0)])
    return RaggedClips(
        joints=torch.randn(int(offsets[-1]), joints, 3),
        offsets=offsets[:-1],
        frames=counts,
        bodies=torch.full_like(counts, bodies),
        start=torch.zeros_like(counts),
        length=length,
        max_bodies=2,
    )


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_those_of_the_released_encoder_with_its_head():
    encoder = ConMLP(NTU)
    assert count(encoder) + count(ProjectionHead(encoder.width)) == 11_619_456


def test_macs_are_counted_as_published():
    encoder, head = ConMLP(NTU).eval(), ProjectionHead(256)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        head(encoder(clips([83])))
    assert counter.get_total_flops() == 2 * 11_618_304


def test_padding_does_not_change_a_representation():
    torch.manual_seed(0)
    encoder, batch = ConMLP(NTU).eval(), clips([5, 300, 17])
    alone = RaggedClips(
        batch.joints, batch.offsets[2:], batch.frames[2:], batch.bodies[2:], batch.start[2:], 300, 2
    )
    torch.testing.assert_close(encoder(batch)[2:], encoder(alone))


def test_decoder_answers_at_the_frames_present():
    torch.manual_seed(0)
    target = clips([4, 9], bodies=2)
    decoded = Decoder(NTU, 256)(torch.randn(2, 256), target)
    assert decoded.shape == (2 * (4 + 9), 25, 3)


def test_projection_rows_have_unit_length():
    projected = ProjectionHead(256)(torch.randn(7, 256))
    torch.testing.assert_close(projected.norm(dim=1), torch.ones(7))
