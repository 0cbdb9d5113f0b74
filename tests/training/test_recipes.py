"""Every recipe learns what can be learned from tiny clips, repeats to the bit, and says when it cannot go on."""

import math

import pytest
import torch
from lightning_fabric import Fabric

from skelbench.training.dataset import PackedDataset
from skelbench.training.log import TrainingError
from skelbench.training.probe import linear_probe
from skelbench.training.settings import Settings
from skelbench.training.task import Task, in_batches, top1
from skelbench.variants import choose

SETTINGS = Settings(epochs=30, batch_size=16, lr=0.05, probe_epochs=30)


def task_of(clips, settings=SETTINGS, seed=0, on_epoch=lambda log: None):
    fabric = Fabric(accelerator="cpu", devices=1)
    camera = torch.from_numpy(clips.camera)
    train, test = ((camera == view).nonzero()[:, 0] for view in (1, 2))
    return Task(clips, PackedDataset(clips, fabric.device), train, test, settings, seed, fabric, on_epoch)


@pytest.mark.parametrize("row", choose(["conmlp"]), ids=lambda row: row.key)
def test_a_variant_fits_scores_the_whole_test_split_and_repeats(row, tiny_clips):
    task = task_of(tiny_clips)
    fitted = row.fit(task)
    assert fitted.test_logits.shape == (len(task.test), 3)
    torch.testing.assert_close(fitted.test_logits, in_batches(fitted.inference, fitted.batch, task.test))
    score = top1(fitted.test_logits, task.data.label[task.test])
    assert score == pytest.approx(1 / 3) if row.key == "majority" else score > 0.6
    if fitted.best_on_test is not None:
        assert fitted.best_on_test >= score
    assert torch.equal(row.fit(task_of(tiny_clips)).test_logits, fitted.test_logits)
    if row.key != "majority":
        assert not torch.equal(row.fit(task_of(tiny_clips, seed=1)).test_logits, fitted.test_logits)


@pytest.mark.parametrize(("key", "epochs", "least"), [("graph2vec-gru", 1, 0.0), ("wl-bag-gru", 20, 0.6)])
def test_the_graph_family_fits_scores_the_whole_test_split_and_repeats(key, epochs, least, tiny_clips):
    settings = Settings(sequence_epochs=epochs, sequence_batch_size=8, windows=4)
    (row,) = choose([key])
    task = task_of(tiny_clips, settings)
    fitted = row.fit(task)
    torch.testing.assert_close(fitted.test_logits, in_batches(fitted.inference, fitted.batch, task.test))
    assert top1(fitted.test_logits, task.data.label[task.test]) >= least
    assert torch.equal(row.fit(task_of(tiny_clips, settings)).test_logits, fitted.test_logits)


def test_graphs_without_a_pose_say_nothing(tiny_clips):
    settings = Settings(sequence_epochs=1, sequence_batch_size=8, windows=4, node_label="degree")
    (row,) = choose(["graph2vec-gru"])
    logits = row.fit(task_of(tiny_clips, settings)).test_logits
    assert len(logits.argmax(1).unique()) == 1


@pytest.mark.parametrize("key", ["conmlp-supcon", "conmlp-ce", "conmlp-recon-self"])
def test_training_reports_every_epoch_and_full_coverage(key, tiny_clips):
    logs = []
    (row,) = choose([key])
    fitted = row.fit(task_of(tiny_clips, on_epoch=logs.append))
    train = [log for log in logs if log.stage == "train"]
    assert [log.epoch for log in train] == list(range(1, 31))
    assert train[-1].loss < train[0].loss
    assert train[0].lr == pytest.approx(0.05)
    assert train[-1].lr < 0.001
    assert fitted.coverage == len(task_of(tiny_clips).train)
    assert fitted.history == logs


def test_the_released_sampler_is_scored_both_ways(tiny_clips):
    settings = Settings(epochs=5, batch_size=16, lr=0.05, probe_epochs=5, sampling="conmlp60")
    (row,) = choose(["conmlp-supcon"])
    fitted = row.fit(task_of(tiny_clips, settings))
    assert fitted.coverage == 3
    assert fitted.released_score is not None
    assert len(fitted.test_logits) == 24


@pytest.mark.parametrize("key", ["conmlp-supcon", "conmlp-recon", "conmlp-ce"])
def test_a_loss_that_is_not_finite_stops_training_with_advice(key, tiny_clips):
    (row,) = choose([key])
    settings = Settings(epochs=30, batch_size=16, lr=1e30, probe_epochs=5)
    with pytest.raises(
        TrainingError, match=r"loss of the encoder is (nan|inf) in epoch \d+, step \d+ .*: lower --lr"
    ):
        row.fit(task_of(tiny_clips, settings))


def test_the_probe_takes_representations_as_they_are_whatever_their_scale(tiny_clips):
    task = task_of(tiny_clips)
    label = torch.nn.functional.one_hot(task.data.label, 3).float()
    representations = 1e4 * (label @ torch.tensor([[1.0, 0, 5], [0, 1, 5], [1, 1, 5]])) + 777
    layer, history = linear_probe(task, representations, lambda layer: None)
    assert top1(layer(representations[task.test]), task.data.label[task.test]) == 1
    assert history[-1].loss < history[0].loss < math.log(3) * 2


def test_the_probe_reads_no_test_clip(tiny_clips):
    task = task_of(tiny_clips)
    representations = torch.randn(len(tiny_clips), 4)
    layer, _ = linear_probe(task, representations, lambda layer: None)
    representations[task.test] = float("nan")
    again, _ = linear_probe(task, representations, lambda layer: None)
    assert torch.equal(layer.weight, again.weight)
