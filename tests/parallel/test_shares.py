"""Random numbers do not depend on how many processes a batch is divided among."""

import pytest
import torch
from torch import nn

from skelbench.parallel.shares import Share, clips_before, part_sizes

CLIPS = 7


def everything(rows, generator):
    """What models and views draw for some rows: dropout of every kind, and uniform, normal and whole numbers."""
    count = len(rows)
    found = [
        nn.Dropout(0.4)(rows),
        nn.Dropout1d(0.4)(rows),
        nn.Dropout(0.3)(rows.mT.contiguous().mT),
        nn.Dropout(0.3).eval()(rows),
        torch.rand(count, 3, generator=generator),
        torch.randn((count, 2), generator=generator),
        torch.randint(9, (count,), generator=generator),
        torch.randint(2, 9, (count, 2), generator=generator),
        torch.empty(count, 2).uniform_(-1, 1),
        torch.empty(count).normal_(),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(8)
        lstm = nn.LSTM(5, 4, 3, dropout=0.5, batch_first=True)
        gru = nn.GRU(5, 4, 2, dropout=0.5, batch_first=True, bidirectional=True)
    outputs, state = gru(rows)
    found += [lstm(rows)[0], lstm(rows)[1][1].transpose(0, 1), outputs, state.transpose(0, 1)]
    # One for all rows.
    return found, [torch.rand((), generator=generator), torch.rand(())]


@pytest.mark.parametrize("sizes", [(4, 3), (3, 2, 2), (2, 2, 2, 1)])
@pytest.mark.parametrize(("views", "bodies"), [(1, 1), (2, 1), (2, 3)])
def test_a_process_draws_what_one_process_draws_for_its_rows(sizes, views, bodies):
    rows = torch.randn(views * CLIPS * bodies, 6, 5, generator=torch.Generator().manual_seed(1))

    def drawn(some):
        generator = torch.Generator().manual_seed(3)
        torch.manual_seed(5)
        with torch.no_grad():
            return *everything(some, generator), torch.get_rng_state(), generator.get_state()

    whole, scalars, *states = drawn(rows)
    for rank in range(len(sizes)):
        share = Share(rank, sizes)

        def kept(values, own=share.own):
            return values.unflatten(0, (views, CLIPS, bodies))[:, own].flatten(0, 2)

        with share.drawn_for_all(views):
            found, same, *after = drawn(kept(rows))
            assert clips_before() == sum(sizes[:rank])
        assert clips_before() == 0
        for ours, theirs in zip(found, whole, strict=True):
            torch.testing.assert_close(ours, kept(theirs))
        torch.testing.assert_close(same, scalars)
        assert all(map(torch.equal, after, states))


def test_rows_at_other_places_are_drawn_as_their_own_process_draws_them():
    whole = torch.rand(CLIPS, 2, generator=torch.Generator().manual_seed(0))
    places = torch.tensor([6, 0, 3, 3])
    with Share(1, (4, 3)).drawn_for_all(places=places):
        found = torch.rand(4, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(found, whole[places])


def test_gradients_flow_through_dropout():
    rows = torch.ones(4, 6, 5, requires_grad=True)
    torch.manual_seed(0)
    with Share(0, (4, 3)).drawn_for_all():
        dropped = nn.Dropout(0.5)(rows)
        dropped.sum().backward()
    assert torch.equal(rows.grad, dropped.detach())
    assert set(rows.grad.unique().tolist()) == {0.0, 2.0}


def test_shares_are_consecutive_and_even():
    assert part_sizes(10, 4) == (3, 3, 2, 2)
    assert part_sizes(2, 4) == (1, 1, 0, 0)
    share = Share(2, (3, 3, 2, 2))
    assert (share.own, share.total, share.whole) == (slice(6, 8), 10, False)
    places = share.places(2, torch.device("cpu"))
    order = [row for size, begin in zip(share.sizes, (0, 3, 6, 8), strict=True) for view in (0, 10)
             for row in range(view + begin, view + begin + size)]  # fmt: skip
    assert [order[place] for place in places] == list(range(20))
