"""The sequence classifiers: sizes as reported, every step matters, repeatable training."""

import pytest
import torch

from skelbench.models.recurrent import SequenceClassifier
from skelbench.training.log import TrainingError
from skelbench.training.sequence import SequenceSettings, Vectors, predict, train_sequence_classifier
from tests.conftest import one_thread

_one_thread = pytest.fixture(one_thread, autouse=True)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_lstm_and_gru_differ_by_the_published_difference():
    sizes = {cell: parameters(SequenceClassifier(60, cell)) for cell in ("lstm", "gru")}
    gate = 512 * (128 + 512) + 2 * 512 + 2 * (512 * (512 + 512) + 2 * 512)
    assert sizes["lstm"] == 4 * gate + 512 * 60 + 60
    # The NITAP report has 76.2 M and 74.8 M.
    assert sizes["lstm"] - sizes["gru"] == gate == 1_379_328


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_step_of_the_sequence_counts(cell):
    torch.manual_seed(0)
    model = SequenceClassifier(4, cell, input=3, hidden=8, layers=2).eval()
    sequence = torch.randn(2, 7, 3, requires_grad=True)
    logits = model(sequence)
    assert logits.shape == (2, 4)
    logits[0, 0].backward()
    assert (sequence.grad[0].abs().sum(dim=1) > 0).all()
    assert (sequence.grad[1] == 0).all()


def test_unknown_cell():
    with pytest.raises(ValueError, match="lstm, gru"):
        SequenceClassifier(4, "rnn")


def ramps(count, seed):
    """Rising or falling sequences: their classes differ in order only."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(count) % 2
    slope = torch.where(label == 0, 1.0, -1.0)
    values = slope[:, None] * torch.linspace(-1, 1, 12) + 0.3 * torch.randn(count, 12, generator=generator)
    return Vectors(values[..., None]), label


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_training_learns_order_repeatably_and_leaves_the_random_state(cell):
    (train, label), (test, test_label) = ramps(90, 0), ramps(40, 1)
    settings = SequenceSettings(epochs=12, batch_size=16, learning_rate=0.01, seed=5)
    heard = []

    def run():
        torch.manual_seed(1)
        model = SequenceClassifier(2, cell, input=1, hidden=16, layers=1)
        state = torch.get_rng_state()
        result = train_sequence_classifier(model, train, label, test, settings, heard.append)
        assert torch.equal(torch.get_rng_state(), state)
        return model, result

    model, result = run()
    assert result.logits.shape == (40, 2)
    assert (result.logits.argmax(1) == test_label).float().mean() > 0.95
    assert torch.equal(predict(model, test, batch_size=7).argmax(1), result.logits.argmax(1))
    assert [log.epoch for log in heard] == list(range(1, 13))
    assert heard == result.history
    assert heard[-1].loss < heard[0].loss / 2
    assert torch.equal(run()[1].logits, result.logits)


def test_training_that_cannot_be():
    model = SequenceClassifier(2, input=1, hidden=4)
    train, label = ramps(8, 0)
    with pytest.raises(ValueError, match="8 training clips, but 7 labels"):
        train_sequence_classifier(model, train, label[:7], train)
    with pytest.raises(ValueError, match="0 test clips"):
        train_sequence_classifier(model, train, label, Vectors(train.values[:0]))
    with pytest.raises(
        TrainingError, match="the loss of the classifier is nan in epoch 1: lower --sequence-lr"
    ):
        train_sequence_classifier(
            model, Vectors(train.values * torch.nan), label, train, SequenceSettings(epochs=1)
        )
