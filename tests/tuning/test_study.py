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
        (
            ["tcn-tcl", "--grid", "lr=1"],
            "--grid lr=1: it must be NAME=VALUE,VALUE with a name that tcn-tcl has",
        ),
        (["tcn-supcon", "--grid", "crossover=1"], "--grid crossover=1: it must be"),
        (["tcn-tcl", "--grid", "k2"], "--grid k2: it must be NAME=VALUE,VALUE"),
        (["tcn-tcl", "--grid", "crossover=0.5", "k1=3"], "either crossover or k1"),
        (["tcn-tcl", "--grid", "crossover=-1"], "--grid crossover: -1 must be"),
        (["tcn-tcl", "--grid", "stream-epochs=1.5"], "--stream-epochs is 1.5: it must be"),
        (["tcn-tcl", "--grid", "stream-predict=past"], "--stream-predict is 'past': it must be"),
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


QUICK = dict(stream_epochs=5, stream_frames=8, stream_batch_size=8)


@pytest.mark.parametrize("variant", ["tcn", "tcn-tcl"])
def test_rows_on_resampled_clips_are_tuned(variant, data, tmp_path):
    page = tune.tune(options(data, tmp_path, variant=variant, trials=3, **QUICK))
    study = tune.Study(options(data, tmp_path, variant=variant, **QUICK))
    first, *others = study.study.get_trials()
    assert len(others) == 2
    own = study.variant.plan
    assert first.params["stream_lr"] == own.lr
    assert first.params["stream_strength"] == 1
    assert set(first.params) == {"stream_lr", "stream_strength", *study.variant.loss_options}
    if variant == "tcn-tcl":
        assert first.params["temperature"] == own.temperature
    # They are looked at while they train, and can be pruned.
    assert sorted(first.intermediate_values) == [1, 2, 3, 4]
    assert "--stream-strength" in json.loads((tmp_path / "best.json").read_text())["command"]
    assert "strength" in page.read_text()


def test_a_grid_tries_every_cell_in_units_of_the_crossover(data, tmp_path, capsys):
    words = ("tune", "tcn-tcl", "--data", data, "--stream-epochs", 1, "--stream-frames", 8, "--threads", 1)
    grid = ("--grid", "crossover=0.3,0.8", "k2=1,4", "stream-predict=none,future", "temperature=0.1")
    code, printed, _ = command_line(capsys, *words, *grid, "--out", tmp_path)
    assert code == 0
    assert printed.count("validation top-1 ") == 8
    own = options(data, tmp_path, variant="tcn-tcl", stream_epochs=1, stream_frames=8)
    assert own.settings.epochs != DEFAULTS.epochs
    study = tune.Study(
        replace(own, settings=replace(DEFAULTS, stream_epochs=1, stream_frames=8), grid=grid[1:])
    )
    cells = [trial.params for trial in study.study.get_trials()]
    wanted = {(s, k2, predict) for s in (0.3, 0.8) for k2 in (1, 4) for predict in ("none", "future")}
    assert {(cell["crossover"], cell["k2"], cell["stream_predict"]) for cell in cells} == wanted
    assert len(cells) == 8
    page = (tmp_path / "tune.html").read_text()
    assert "The defaults, tried first" not in page
    assert page.count("<svg") >= 1
    assert "future" in page
    best = json.loads((tmp_path / "best.json").read_text())
    config = _parse(shlex.split(best["command"])[1:])[1].job()
    assert np.log(config.settings.k1) / (1 / 0.1 + 1) == pytest.approx(best["params"]["crossover"])
    # A grid that is whole is not tried again; another one is another study.
    code, printed, _ = command_line(capsys, *words, *grid, "--out", tmp_path)
    assert (code, printed.count("trial ")) == (0, 0)
    code, _, error = command_line(capsys, *words, "--grid", "k2=1", "--out", tmp_path)
    assert code == 2
    assert "grid was" in error


def test_a_grid_that_was_stopped_tries_the_other_cells(data, tmp_path):
    grid = ("lr=0.01,0.02,0.03,0.04", "temperature=0.1,0.2")
    own = options(data, tmp_path, variant="conmlp-supcon", epochs=1, grid=grid)

    def stop(number, *_):
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune.tune(own, stop)
    tune.tune(own)
    trials = tune.Study(own).study.get_trials()
    assert len({tuple(trial.params.values()) for trial in trials}) == len(trials) == 8


def test_a_stopped_study_draws_what_one_that_was_not_would_have(data, tmp_path):
    def stop(number, *_):
        if number == 1:
            raise KeyboardInterrupt

    own = options(data, tmp_path / "stopped", epochs=1, trials=4)
    with pytest.raises(KeyboardInterrupt):
        tune.tune(own, stop)
    study = tune.Study(own).study
    study.ask().suggest_float("lr", *tune.RANGES["lr"], log=True)  # begun by a process that was killed
    del study
    tune.tune(own)
    tune.tune(replace(own, out=tmp_path / "whole"))
    found = [
        [
            trial.params
            for trial in tune.Study(replace(own, out=tmp_path / name)).study.get_trials()
            if trial.value is not None
        ]
        for name in ("stopped", "whole")
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 4


def test_the_crossover_uses_the_tau_of_its_cell_or_of_the_row():
    from skelbench.tuning.hyper import applied
    from skelbench.variants import choose

    (row,) = choose(["tcn-tcl"])
    for chosen, tau in (({"temperature": 0.2}, 0.2), ({}, row.plan.temperature)):
        found = applied(row, DEFAULTS, {"crossover": 0.7, **chosen})
        assert np.log(found.k1) / (1 / tau + 1) == pytest.approx(0.7)


def test_another_study_in_the_folder_is_refused_with_the_difference(data, tmp_path):
    tune.Study(options(data, tmp_path))
    with pytest.raises(tune.TuneError, match="epochs was 5, is now 6"):
        tune.Study(options(data, tmp_path, epochs=6))
