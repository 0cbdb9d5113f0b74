"""SGD that never forms the first layer's gradient takes the steps of torch's, and keeps the same state."""

import copy

import pytest
import torch

from skelbench import ops
from skelbench.models.conmlp import ConMLP, InputShape
from skelbench.models.ragged_input import FactoredSGD
from tests.ops.test_ragged import make_clips

pytestmark = pytest.mark.skipif(not ops.built, reason="the extension is not built")
HYPER = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}


def pair():
    """The same encoder with our optimizer and with torch's."""
    torch.manual_seed(0)
    ours = ConMLP(InputShape(9, 2, 5, 3)).eval()
    theirs = copy.deepcopy(ours)
    return (ours, FactoredSGD(ours, **HYPER)), (theirs, torch.optim.SGD(theirs.parameters(), **HYPER))


def learn(model, optimizer, *batches):
    loss = sum(model(clips).square().mean() for clips in batches)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def assert_same(ours, theirs):
    for (name, a), b in zip(ours[0].named_parameters(), theirs[0].parameters(), strict=True):
        torch.testing.assert_close(a, b, msg=lambda text, name=name: f"{name}: {text}")
        states = (optimizer.state[x]["momentum_buffer"] for (_, optimizer), x in ((ours, a), (theirs, b)))
        torch.testing.assert_close(*states)


def test_the_steps_are_torchs_and_no_gradient_is_formed():
    ours, theirs = pair()
    schedules = [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5) for _, optimizer in (ours, theirs)]
    for seed in range(3):
        clips = make_clips(20, seed=seed, dtype=torch.float32)
        for (model, optimizer), schedule in zip((ours, theirs), schedules, strict=True):
            learn(model, optimizer, clips)
            schedule.step()
    assert_same(ours, theirs)
    assert ours[0].first.weight.grad is None
    assert ours[0].first.factors == []


def test_a_layer_that_is_used_twice_gets_the_sum():
    ours, theirs = pair()
    batches = [make_clips(20, seed=seed, dtype=torch.float32) for seed in (1, 2)]
    for model, optimizer in (ours, theirs):
        learn(model, optimizer, *batches)
    assert_same(ours, theirs)


def test_gradients_that_were_dropped_are_not_stepped_along():
    ours, theirs = pair()
    first, second = (make_clips(20, seed=seed, dtype=torch.float32) for seed in (1, 2))
    for model, optimizer in (ours, theirs):
        model(first).sum().backward()
        optimizer.zero_grad()
        learn(model, optimizer, second)
    assert_same(ours, theirs)


def test_either_optimizer_goes_on_from_the_others_state():
    ours, theirs = pair()
    clips = make_clips(20, dtype=torch.float32)
    for model, optimizer in (ours, theirs):
        learn(model, optimizer, clips)
    states = [copy.deepcopy(optimizer.state_dict()) for _, optimizer in (ours, theirs)]
    ours[1].load_state_dict(states[1])
    theirs[1].load_state_dict(states[0])
    for model, optimizer in (ours, theirs):
        learn(model, optimizer, clips)
    assert_same(ours, theirs)


def test_joints_that_need_a_gradient_take_the_usual_way():
    ours, theirs = pair()
    clips = make_clips(20, dtype=torch.float32)
    clips.joints.requires_grad_()
    for model, optimizer in (ours, theirs):
        learn(model, optimizer, clips)
    assert_same(ours, theirs)
    assert ours[0].first.weight.grad is not None
