"""The full sampler sees every clip once an epoch; the released one only the first few."""

import torch

from skelbench.training.sampling import Sampler


def sampler(clips, batch, sampling="full", classes=10):
    indices = torch.arange(100, 100 + clips)
    return Sampler(indices, batch, sampling, classes, torch.Generator().manual_seed(0))


def test_an_epoch_is_one_pass_over_all_clips():
    epoch = list(sampler(70, 16).epoch())
    assert torch.equal(torch.cat(epoch).sort().values, torch.arange(100, 170))
    assert [len(batch) for batch in epoch] == [16, 16, 16, 16, 6]


def test_a_lone_last_clip_joins_the_batch_before_it():
    assert [len(batch) for batch in sampler(33, 16).epoch()] == [16, 17]


def test_epochs_differ_and_a_seed_repeats_them():
    first, second = sampler(50, 50), sampler(50, 50)
    one, two = (torch.cat(list(first.epoch())) for _ in range(2))
    assert not torch.equal(one, two)
    assert torch.equal(one, torch.cat(list(second.epoch())))


def test_a_batch_larger_than_the_split_is_the_split():
    assert [len(batch) for batch in sampler(20, 512).epoch()] == [20]


def test_the_released_sampler_sees_as_many_clips_as_there_are_classes():
    released = sampler(500, 256, "conmlp60", classes=60)
    for _ in range(20):
        (batch,) = released.epoch()
        assert len(batch) == 256
        assert int(batch.max()) < 100 + 60
    assert released.coverage == 60


def test_the_full_sampler_covers_everything():
    full = sampler(70, 16)
    assert full.coverage == 0
    list(full.epoch())
    assert full.coverage == 70
