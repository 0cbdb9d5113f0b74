"""Rows on resampled clips learn from tiny clips, repeat to the bit, resume to the bit, and load again."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from skelbench.data.clips import DataError
from skelbench.data.skeletons import skeleton_from
from skelbench.models.tcn import DROPOUT, TCN
from skelbench.training import weights
from skelbench.training.checkpoint import Checkpoint
from skelbench.training.log import TrainingError
from skelbench.training.penalised_probe import PENALTIES, folds_like_test, penalised_probe
from skelbench.training.performances import performances
from skelbench.training.plan import Augmentation, Plan
from skelbench.training.pretext import AHEAD, displacements, draw_hidden, prediction_error
from skelbench.training.settings import Settings
from skelbench.training.stream_task import StreamTask, plan_of
from skelbench.training.task import count_parameters, in_batches, top1
from skelbench.variants import VARIANTS, choose
from tests.conftest import make_clips
from tests.training.test_recipes import task_of

SETTINGS = Settings(stream_epochs=8, stream_batch_size=12, stream_lr=0.01, stream_frames=8)
ROWS = [row for row in VARIANTS if row.plan is not None]
LIGHT = ["tcn", "graph-tcn", "mlp-ntxent", "tcn-tcl", "invariant-linear", "random-tcn"]


def named_clips(**options):
    """Tiny clips with joints that have names, sides and a spine; a class raises its hands so far."""
    names = ("hip_center", "spine", "head", "l_hand", "r_hand")
    clips = make_clips(**options)
    raised = np.repeat(clips.label, np.diff(clips.offsets))[:, None] * np.float32(0.5)
    joints = clips.joints.copy()
    joints[:, 3:, 1] = raised
    joints[:, 3:, 0] += np.array([0.4, -0.4], dtype=np.float32)
    skeleton = skeleton_from(names, ((1, 0), (2, 1), (3, 1), (4, 1)))
    return replace(clips, joints=joints, skeleton=skeleton)


def row_of(key):
    (row,) = choose([key])
    return row


@pytest.mark.parametrize("key", LIGHT)
def test_a_row_fits_scores_the_whole_test_split_and_repeats(key):
    row, clips = row_of(key), named_clips()
    task = task_of(clips, SETTINGS)
    fitted = row.fit(task)
    torch.testing.assert_close(
        fitted.test_logits, in_batches(fitted.inference, fitted.batch, task.test), atol=1e-4, rtol=1e-4
    )
    assert top1(fitted.test_logits, task.data.label[task.test]) > 0.6
    assert fitted.coverage == len(task.train)
    assert fitted.train_representations.mean(0).abs().max() < 1e-4
    assert torch.equal(row.fit(task_of(clips, SETTINGS)).test_logits, fitted.test_logits)
    if row.recipe != "skelbench.training.modern:raw_control":
        assert not torch.equal(row.fit(task_of(clips, SETTINGS, seed=1)).test_logits, fitted.test_logits)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_every_row_trains_and_loads_again(row, tmp_path):
    """Two people in the second half of the clips' places, one epoch."""
    settings = replace(SETTINGS, stream_epochs=1)
    clips = named_clips(clips=24, bodies=2)
    if row.plan.across_cameras:
        clips = taken_clips()
    task = task_of(clips, settings)
    if row.plan.across_cameras:
        train, test = (
            torch.from_numpy(np.flatnonzero(part)) for part in (clips.camera < 3, clips.camera == 3)
        )
        task = replace(task, train=train, test=test)
    fitted = row.fit(task)
    assert fitted.test_logits.shape == (len(task.test), 3)
    path = tmp_path / "weights.safetensors"
    weights.save(fitted, row, task, "none", path)
    encoder = weights.load(path, row)
    again = encoder.classify(clips)[task.test.numpy()]
    np.testing.assert_allclose(again, fitted.test_logits, atol=1e-3, rtol=1e-3)
    represented = encoder.represent(clips)[task.test.numpy()]
    np.testing.assert_allclose(represented, fitted.test_representations, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("key", ["tcn", "tcn-ntxent"])
def test_training_reports_every_epoch_warms_up_and_falls(key):
    logs = []
    fitted = row_of(key).fit(task_of(named_clips(), SETTINGS, on_epoch=logs.append))
    assert [log.epoch for log in logs] == list(range(1, 9))
    assert fitted.history == logs
    assert logs[-1].loss < logs[0].loss
    rates = [log.lr for log in logs]
    assert rates[0] < max(rates) <= 0.01
    assert rates[-1] < 0.1 * max(rates)
    (stage,) = fitted.stages
    assert (stage.epochs, stage.batch_size, stage.lr, stage.optimizer) == (8, 12, 0.01, "AdamW")
    curve = fitted.test_curve or fitted.pretraining_curve
    assert curve[-1][0] == 8


@pytest.mark.parametrize("key", ["tcn", "tcn-ntxent"])
def test_an_interrupted_training_ends_with_the_same_bits(key, tmp_path):
    row, clips, path = row_of(key), named_clips(), tmp_path / "checkpoint.safetensors"
    row = replace(row, plan=replace(row.plan, average=0.9))
    whole = row.fit(task_of(clips, SETTINGS))

    class Stopped(Exception):
        pass

    def stop(log):
        if log.epoch == 3:
            raise Stopped

    with pytest.raises(Stopped):
        row.fit(replace(task_of(clips, SETTINGS, on_epoch=stop), checkpoint=Checkpoint(path)))
    resumed = row.fit(replace(task_of(clips, SETTINGS), checkpoint=Checkpoint(path)))
    assert torch.equal(resumed.test_logits, whole.test_logits)
    assert [log.loss for log in resumed.history] == [log.loss for log in whole.history]


@pytest.mark.parametrize("key", ["tcn", "tcn-ntxent"])
def test_a_loss_that_is_not_finite_stops_training_with_advice(key):
    task = task_of(named_clips(), replace(SETTINGS, stream_lr=1e30))
    with pytest.raises(TrainingError, match=r"loss of .* is (nan|inf) in epoch \d+: lower --stream-lr"):
        row_of(key).fit(task)


def test_options_take_the_place_of_a_rows_own():
    row = row_of("tcn-ntxent")
    assert plan_of(row, Settings()) == row.plan
    changed = plan_of(row, Settings(stream_epochs=3, temperature=0.5))
    assert (changed.epochs, changed.temperature, changed.lr) == (3, 0.5, row.plan.lr)


def test_the_mean_of_the_weights_is_what_is_scored():
    row, clips = row_of("tcn"), named_clips()
    last, mean = (
        replace(row, plan=replace(row.plan, average=average)).fit(task_of(clips, SETTINGS))
        for average in (0.0, 0.95)
    )
    assert [log.loss for log in last.history] == [log.loss for log in mean.history]
    assert not torch.equal(last.test_logits, mean.test_logits)


def test_a_plans_dropout_takes_the_place_of_the_encoders_own():
    row, seen = row_of("tcn-ntxent"), {}
    for dropout in (0.0, 0.3, None):

        def watched(streams, dropout=dropout):
            encoder = TCN(streams)
            seen[dropout] = [module for module in encoder.modules() if isinstance(module, nn.Dropout)]
            return encoder

        plan = replace(row.plan, dropout=dropout, epochs=1)
        replace(row, encoder=watched, plan=plan).fit(
            task_of(named_clips(), replace(SETTINGS, stream_epochs=1))
        )
    assert {dropout: {module.p for module in modules} for dropout, modules in seen.items()} == {
        0.0: {0.0},
        0.3: {0.3},
        None: {DROPOUT},
    }


# --- prediction


@pytest.mark.parametrize("predict", ["clip", "hidden", "future"])
def test_predicting_rows_learn_to_predict(predict):
    row = row_of("tcn-ntxent")
    row = replace(row, plan=replace(row.plan, predict=predict, predict_weight=1.0))
    fitted = row.fit(task_of(named_clips(), replace(SETTINGS, stream_epochs=4)))
    decoder = fitted.training_parameters - count_parameters(fitted.inference)
    assert decoder > 8 * 5 * 3 * 256
    assert fitted.history[-1].loss < fitted.history[0].loss


def test_what_is_predicted():
    row = row_of("tcn-ntxent")
    task = task_of(named_clips(bodies=2), replace(SETTINGS, stream_frames=12))
    clip = StreamTask(task, replace(row, plan=replace(row.plan, predict="clip")))
    indices = torch.arange(4)
    positions, _ = clip.input.positions(task.data.batch(indices), torch.linspace(0, 1, 12).expand(4, 12))
    exact = positions - positions[:, :1, :, :1]
    root = clip.input.joints.root
    exact = positions - positions[:, :1, :, root : root + 1]
    assert prediction_error(clip, indices, exact) == 0
    assert prediction_error(clip, indices, exact + 2) == pytest.approx(1.5)
    hiding = StreamTask(task, replace(row, plan=replace(row.plan, predict="hidden")))
    hidden = draw_hidden(hiding, 4, torch.Generator().manual_seed(0))
    assert hidden.any()
    assert not hidden[:, :, root].any()
    wrong = torch.where(hidden[:, :, None, :, None], exact, exact + 5)
    assert prediction_error(hiding, indices, wrong, hidden) == 0


def test_displacements_are_those_so_many_frames_ahead():
    positions, present = torch.randn(2, 1, 9, 3, 3), torch.ones(2, 1, 9, dtype=torch.bool)
    present[1, 0, 4] = False
    found, known = displacements(positions, present)
    assert AHEAD == (1, 5, 10)
    torch.testing.assert_close(found[:, :, :4, :, 3:6], positions[:, :, 5:] - positions[:, :, :4])
    # Ten frames ahead lies beyond nine frames.
    assert not known[..., 6:].any()
    assert known[0, 0, :8, 0, 0].all()
    assert not known[0, 0, 8, 0, 0]
    assert not known[1, 0, 3:5, 0, 0].any()


# --- performances


def taken_clips():
    """Each performance is seen by cameras 1 to 3."""
    clips = named_clips(clips=72)
    take = np.arange(72) // 9
    return replace(
        clips, camera=1 + np.arange(72) // 3 % 3, subject=1 + take, replication=np.ones(72, dtype=np.int64)
    )


def test_views_of_a_performance_come_from_the_training_cameras():
    clips = taken_clips()
    train = np.flatnonzero(clips.camera < 3)
    found = performances(clips, train, torch.device("cpu"))
    for clip in train.tolist():
        members = set(found.members[clip].tolist())
        assert members == {
            other
            for other in train.tolist()
            if clips.subject[other] == clips.subject[clip] and clips.label[other] == clips.label[clip]
        }
        assert len(members) == found.count[clip] == 2
        assert {int(found.of[member]) for member in members} == {int(found.of[clip])}
    for clip in np.flatnonzero(clips.camera == 3).tolist():
        assert set(found.members[clip].tolist()) == {clip}
        assert found.of[clip] == clip
    drawn = found.draw(torch.full((200,), int(train[0])), torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == set(found.members[train[0]].tolist())


def test_numbers_that_name_two_clips_of_a_camera_tell_no_performance():
    clips = taken_clips()
    train = np.flatnonzero(clips.camera < 3)
    doubled = replace(clips, subject=np.where(clips.subject == 2, 1, clips.subject))
    found = performances(doubled, train, torch.device("cpu"))
    for clip in train.tolist():
        assert found.count[clip] == (1 if doubled.subject[clip] == 1 else 2)
    one_camera = np.flatnonzero(clips.camera == 1)
    with pytest.raises(DataError, match="no two training clips show one performance from different cameras"):
        performances(clips, one_camera, torch.device("cpu"))


# --- the probe


def rows_of(count=60, width=8, classes=3, noise=0.5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(count) % classes
    centres = torch.randn(classes, width, generator=generator)
    return centres[label] + noise * torch.randn(count, width, generator=generator), label


def halves(count):
    first = torch.arange(count) < count // 2
    return [first, ~first]


def test_the_probe_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rows, label = rows_of(noise=2.0)
    chosen = penalised_probe(rows, label, 3, halves(60))
    scaler = StandardScaler().fit(rows)
    peer = LogisticRegression(C=1 / chosen.penalty, tol=1e-8, max_iter=2000).fit(
        scaler.transform(rows), label
    )
    wanted = peer.predict_proba(scaler.transform(rows))
    np.testing.assert_allclose(chosen.layer(rows).softmax(1).detach(), wanted, atol=2e-3)


def test_more_columns_than_rows_are_the_same_problem():
    rows, label = rows_of(count=30, width=12)
    spread = torch.linalg.qr(torch.randn(90, 12))[0].T
    narrow = penalised_probe(rows, label, 3, halves(30))
    with_constant = torch.cat([rows, torch.zeros(30, 60)], 1)
    wide = penalised_probe(with_constant, label, 3, halves(30))
    assert wide.penalty == narrow.penalty
    torch.testing.assert_close(wide.layer(with_constant), narrow.layer(rows), atol=2e-2, rtol=2e-2)
    assert penalised_probe(rows @ spread, label, 3, halves(30)).layer.in_features == 90


def test_the_penalty_is_the_strongest_of_the_best():
    rows, label = rows_of(count=90, noise=0.1)
    assert penalised_probe(rows, label, 3, halves(90)).accuracy[PENALTIES[-1]] == 1
    still = torch.cat([rows, torch.full((90, 1), 7.0)], 1)
    assert not penalised_probe(still, label, 3, halves(90)).layer.weight[:, -1].any()
    noisy, _ = rows_of(count=90, width=60, noise=6)
    for found in (penalised_probe(noisy, label, 3, halves(90)), penalised_probe(rows, label, 3, halves(90))):
        best = max(found.accuracy.values())
        assert found.penalty == max(penalty for penalty, value in found.accuracy.items() if value == best)


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_the_probe_does_not_depend_on_the_scale(scale):
    rows, label = rows_of()
    wanted = penalised_probe(rows, label, 3, halves(60)).layer(rows)
    found = penalised_probe(scale * rows + 3 * scale, label, 3, halves(60)).layer(scale * rows + 3 * scale)
    torch.testing.assert_close(found, wanted, atol=2e-2, rtol=2e-2)


def test_folds_hold_out_what_the_test_split_holds_out():
    clips = make_clips(clips=48)
    every = np.arange(48)
    cameras = replace(clips, camera=1 + every % 3)
    masks, rule = folds_like_test(cameras, every[every % 3 < 2], every[every % 3 == 2])
    assert (rule, len(masks)) == ("cameras", 2)
    assert torch.equal(masks[0], ~masks[1])
    people = replace(clips, camera=np.ones(48, dtype=np.int64), subject=1 + every % 8)
    masks, rule = folds_like_test(people, every[every % 8 < 6], every[every % 8 >= 6])
    assert (rule, len(masks)) == ("subjects", 5)
    assert sum(mask.long() for mask in masks).eq(1).all()
    masks, rule = folds_like_test(clips, every[:40], every[40:])
    assert rule == "clips at random"
    assert sum(mask.long() for mask in masks).eq(1).all()


def test_a_plan_without_views_is_its_own_batch():
    """Where nothing is drawn, a view is the clip as it is."""
    row = row_of("tcn")
    row = replace(row, plan=Plan(("joint", "motion"), 8, Augmentation()))
    streams = StreamTask(task_of(named_clips(), Settings()), row)
    indices = torch.arange(5)
    assert torch.equal(streams.view(indices, torch.Generator()), streams.batch(indices))
    assert isinstance(streams.encoder(), nn.Module)
