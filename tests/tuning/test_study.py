"""Tuning never sees the test clips, goes on where it was stopped, and is shared by processes."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest

import skelbench.data
from skelbench.cli.main import _parse
from tests.conftest import command_line, make_clips
from tests.pages.test_run import stands_alone

optuna = pytest.importorskip("optuna")

from skelbench.tuning import study as tune  # noqa: E402
from skelbench.tuning.held_out import held_out  # noqa: E402
from skelbench.tuning.options import DEFAULTS, Tune  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny"
    skelbench.data.save(make_clips(), path)
    return path


def options(data, out, **changes):
    own = {name: changes.pop(name) for name in list(changes) if hasattr(DEFAULTS, name)}
    settings = replace(DEFAULTS, **{"epochs": 5, "batch_size": 16, "probe_epochs": 2, **own})
    base = Tune(variant="conmlp-tcl", data=data, trials=2, settings=settings, threads=1, out=out)
    return replace(base, device="cpu", **changes)


def test_trials_train_and_validate_within_the_training_clips(data, tmp_path):
    study = tune.Study(options(data, tmp_path))
    test = set(study.split.test.tolist())
    fit, validation = set(study.fit.tolist()), set(study.validation.tolist())
    assert fit | validation == set(study.split.train.tolist())
    assert not fit & validation
    assert not (fit | validation) & test
    task = study._task(study.settings, optuna.trial.FixedTrial({}))
    assert set(task.train.tolist()) == fit
    assert set(task.test.tolist()) == validation


def test_another_camera_validates_for_xview():
    clips = make_clips()
    cameras = np.unique(clips.camera)
    assert len(cameras) >= 2
    fit, validation, rule = held_out(clips, "xview", np.arange(40), seed=0)
    assert sorted([*fit, *validation]) == list(range(40))
    assert not set(clips.camera[fit]) & set(clips.camera[validation])
    assert rule.startswith(f"1 of the {len(cameras)} training cameras")
    one = replace(clips, camera=np.ones(48, dtype=np.int64))
    assert "training subjects" in held_out(one, "xview", np.arange(40), seed=0)[2]


def test_other_people_validate():
    clips = make_clips()
    fit, validation, rule = held_out(clips, "xsub", np.arange(40), seed=0)
    assert sorted([*fit, *validation]) == list(range(40))
    assert not set(clips.subject[fit]) & set(clips.subject[validation])
    assert rule.startswith("1 of the 4 training subjects")


def test_without_subjects_clips_are_drawn():
    clips = replace(make_clips(), subject=np.zeros(48, dtype=np.int64))
    fit, validation, rule = held_out(clips, "xsub", np.arange(40), seed=0)
    assert (len(fit), len(validation)) == (30, 10)
    assert "drawn at random" in rule


def test_a_study_goes_on_and_is_shared(data, tmp_path):
    tune.tune(options(data, tmp_path))
    first = tune.Study(options(data, tmp_path)).study.get_trials()
    assert len(first) == 2
    assert first[0].params["k1"] == 5000  # the NITAP report's own come first
    page = tune.tune(options(data, tmp_path, trials=5, jobs=2))
    trials = tune.Study(options(data, tmp_path)).study.get_trials()
    assert [trial.params for trial in trials[:2]] == [trial.params for trial in first]
    done = [trial for trial in trials if trial.state.name in ("COMPLETE", "PRUNED")]
    assert 5 <= len(done) <= 6  # both processes may be finishing one
    assert len({tuple(trial.params.values()) for trial in trials}) == len(trials)
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["validation_top1"] == max(trial.value for trial in done if trial.state.name == "COMPLETE")
    # The command has the best numbers to the bit, and the options of the study.
    config = _parse(shlex.split(best["command"])[1:])[1].job()
    assert {name: getattr(config.settings, name) for name in best["params"]} == best["params"]
    assert (config.data, config.settings.epochs) == (data, options(data, tmp_path).settings.epochs)
    text = page.read_text()
    assert stands_alone(text)
    assert "Test clips were not looked at" in text


def test_the_response_surface_is_shaded_once_enough_trials_span_it():
    from skelbench.pages import surface

    grid = [(rate, tau) for rate in (0.001, 0.003, 0.01, 0.03) for tau in (0.05, 0.1, 0.2)]
    drawn = {
        trials: surface.surface(
            [rate for rate, _ in grid[:trials]],
            [tau for _, tau in grid[:trials]],
            [100 * tau - 500 * rate for rate, tau in grid[:trials]],
            ("rate", "tau"),
        )
        for trials in (6, surface.SURFACE_TRIALS, len(grid))
    }
    paths = {trials: picture.count("<path") for trials, picture in drawn.items()}
    assert paths[surface.SURFACE_TRIALS] >= paths[6] + 5  # the bands between nine levels
    assert paths[len(grid)] >= paths[6] + 5
    level = surface.surface([0.1, 0.2] * 6, [1.0, 2.0, 4.0] * 4, [50.0] * 12, ("rate", "tau"))
    assert level.count("<path") < paths[len(grid)]  # all alike: no bands


def test_every_trial_is_a_line(data, tmp_path, capsys):
    words = (
        "tune",
        "conmlp-tcl",
        "--data",
        data,
        "--trials",
        2,
        "--epochs",
        2,
        "--probe-epochs",
        2,
        "--batch-size",
        16,
    )
    code, printed, _ = command_line(capsys, *words, "--threads", 1, "--out", tmp_path)
    assert code == 0
    assert f"output: {tmp_path}" in printed.replace("\n", "")
    assert "trial 0: validation top-1" in printed
    assert "(rate 0.003, tau 0.1, k1 5000, k2 1)" in printed
    assert "trial 1: " in printed


def test_a_trial_that_cannot_train_is_pruned_with_its_reason(data, tmp_path):
    study = tune.Study(options(data, tmp_path))
    trial = study.study.ask()
    with pytest.MonkeyPatch.context() as patch:
        from skelbench.training.log import TrainingError

        def fail(self, task):
            raise TrainingError("the loss is nan in epoch 1")

        patch.setattr(type(study.variant), "fit", fail)
        with pytest.raises(optuna.TrialPruned, match="the loss is nan"):
            study._trial(trial)
    assert trial.user_attrs["stopped"] == "the loss is nan in epoch 1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["majority"], "majority has nothing to tune"),
        (["tcn-ntxent"], "tcn-ntxent trains by a plan of its own"),
        (["conmlp-nothing"], "unknown variant 'conmlp-nothing'"),
        (["conmlp-tcl", "--trials", "0"], "--trials is 0: it must be"),
        (["conmlp-tcl", "xset"], "has no protocol xset"),
    ],
)
def test_bad_input_is_one_line(words, said, data, tmp_path, capsys):
    code, _, error = command_line(capsys, "tune", *words, "--data", data, "--out", tmp_path)
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_another_study_in_the_folder_is_refused_with_the_difference(data, tmp_path):
    tune.Study(options(data, tmp_path))
    with pytest.raises(tune.TuneError, match="epochs was 5, is now 6"):
        tune.Study(options(data, tmp_path, epochs=6))
