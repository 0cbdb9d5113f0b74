"""The end-to-end graph model: its sums, its dropouts, and that it learns."""

import pytest
import torch

from skelbench.graph2vec import poses
from skelbench.graph2vec.batches import LabelBatches
from skelbench.models.wl_bag import WLBagGRU
from skelbench.training.sequence import SequenceSettings, train_sequence_classifier
from tests.conftest import make_clips, one_thread

_one_thread = pytest.fixture(one_thread, autouse=True)


def small(**changes):
    torch.manual_seed(0)
    edges = torch.tensor([(0, 1), (1, 2)])
    options = {"labellings": 2, "iterations": 1, "table": 1024, "dim": 8, "hidden": 8} | changes
    return WLBagGRU(edges, 3, 4, **options)


def test_rows_keep_labellings_apart_and_equal_labels_together():
    model = small()
    labels = torch.zeros(1, 1, 2, 3, dtype=torch.int64)
    rows = model.rows(labels).reshape(2, 2, 3)  # labelling, depth, node
    assert (rows[:, 0] == rows[:, 0, :1]).all()
    assert len(rows[:, 0, 0].unique()) == 2
    assert (rows[:, 1, 0] == rows[:, 1, 2]).all()  # the path's ends
    assert (rows[:, 1, 0] != rows[:, 1, 1]).all()
    assert rows.max() < 1024


def test_order_of_nodes_does_not_matter_but_their_joints_do():
    model = small().eval()
    labels = torch.randint(50, (2, 5, 2, 3))
    logits = model(labels)
    assert logits.shape == (2, 4)
    torch.testing.assert_close(model(labels.flip(3)), logits)  # a path read backwards
    assert not torch.allclose(model(labels[..., [1, 0, 2]]), logits)


def test_rare_and_unknown_tokens_are_left_out():
    model = small(iterations=0).eval()
    often = torch.arange(6).reshape(1, 1, 2, 3)
    rare = often + 100
    kept = model.keep_known([often.expand(3, 4, -1, -1), torch.cat([rare.expand(1, 4, -1, -1)])], floor=2)
    assert kept == 6
    assert torch.equal(model(rare), model(rare + 5000))  # nothing of either is known
    assert not torch.equal(model(often), model(rare))
    assert WLBagGRU.load_state_dict(small(iterations=0), model.state_dict()).missing_keys == []


def test_token_dropout_only_in_training():
    model = small(token_dropout=0.5, dropout=0.0)
    labels = torch.randint(50, (1, 5, 2, 3))
    model.train()
    assert not torch.equal(model(labels), model(labels))
    model.eval()
    assert torch.equal(model(labels), model(labels))


def test_gradients_reach_tokens_that_occur_and_depth_weights():
    model = small(dropout=0.0, token_dropout=0.0)
    labels = torch.randint(50, (2, 5, 2, 3))
    model(labels).square().sum().backward()
    touched = model.embedding.grad.abs().sum(dim=1) > 0
    assert torch.equal(touched.nonzero().flatten(), model.rows(labels).unique())
    assert (model.depth_weight.grad != 0).all()


def test_it_learns_clips_it_has_not_seen():
    clips = make_clips(96)
    pose = poses(clips)
    label = torch.from_numpy(clips.label)
    train, test = (torch.nonzero(torch.from_numpy(clips.camera) == c).flatten() for c in (1, 2))
    batches = [LabelBatches(pose, part, (("position", 0.5),), windows=8, window=3) for part in (train, test)]
    torch.manual_seed(0)
    model = WLBagGRU(batches[0].edges, batches[0].nodes, 3, iterations=1, table=1 << 12, dim=16, hidden=16)
    settings = SequenceSettings(epochs=25, batch_size=16, learning_rate=0.01)
    result = train_sequence_classifier(model, batches[0], label[train], batches[1], settings)
    assert (result.logits.argmax(1) == label[test]).float().mean() > 0.75  # chance is 1/3


@pytest.mark.parametrize(
    ("option", "message"), [({"table": 1000}, "power of two"), ({"token_dropout": 1.0}, "token_dropout")]
)
def test_settings_that_cannot_be(option, message):
    with pytest.raises(ValueError, match=message):
        small(**option)
