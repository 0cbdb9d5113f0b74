"""The command line end to end on a small prepared folder: outputs, repetition, and one line for what is wrong."""

import json
import re
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from safetensors.numpy import load_file

import skelbench
import skelbench.data
from skelbench.eval import Results, run
from skelbench.pages.tables import training_words
from skelbench.runs.folder import RunFolder
from skelbench.runs.results import RunInfo
from skelbench.training.settings import Settings
from skelbench.variants import VARIANTS
from tests.conftest import command_line, config_of, make_clips

QUICK = ("--epochs", "4", "--probe-epochs", "4", "--batch-size", "16")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny"
    skelbench.data.save(make_clips(), path)
    return path


def test_a_run_writes_what_it_says(folder, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("xview", "--data", folder, "--variants", "conmlp-supcon,conmlp-ce,majority", "--seeds", "0,1")
    code, printed, _ = command_line(capsys, "eval", *words, *QUICK, "--out", out, "--representations")
    assert code == 0
    results = Results.load(out / "results.json")
    assert [(score.variant, score.seed) for score in results.scores] == [
        (key, seed) for key in ("conmlp-supcon", "conmlp-ce", "majority") for seed in (0, 1)
    ]
    assert str(out / "report.html") in printed.replace("\n", "")
    for score in results.scores:
        assert score.n_test == results.info.n_test == 24
        stored = np.load(out / "scores" / f"{score.variant}-seed{score.seed}.npz")
        right = stored["scores"].argmax(1) == stored["label"]
        assert right.sum() == score.correct
        assert score.top1_interval[0] <= score.top1 <= score.top1_interval[1]
        assert len(set(stored["names"])) == 24
        assert score.variant in (out / "report.md").read_text()
        assert f"{score.variant} " in printed
    weights = load_file(out / "weights" / "conmlp-supcon-seed0.safetensors")
    assert sum(array.size for array in weights.values()) == results.scores[0].inference_parameters
    representations = np.load(out / "representations" / "conmlp-ce-seed1.npz")["representations"]
    assert representations.shape == (24, 256)


def test_the_same_seed_gives_the_same_bits(folder, tmp_path):
    config = config_of(data=folder, variants=("conmlp",), epochs=3, probe_epochs=3, batch_size=16)
    one, two = (run(replace(config, out=tmp_path / name)) for name in ("one", "two"))
    assert [score.scores_sha256 for score in one.scores] == [score.scores_sha256 for score in two.scores]
    assert len({score.scores_sha256 for score in one.scores}) == len(one.scores)


def test_rows_of_one_person_leave_out_the_others_and_say_so(tmp_path):
    clips = make_clips(bodies=2)
    alone = np.arange(len(clips)) % 5 != 0
    bodies = np.where(alone, 1, 2)
    joints = np.concatenate([clips.clip(i)[:, : bodies[i]].reshape(-1, 5, 3) for i in range(len(clips))])
    offsets = np.concatenate([[0], np.cumsum(clips.frames * bodies)])
    skelbench.data.save(replace(clips, joints=joints, offsets=offsets, bodies=bodies), tmp_path / "two")
    config = config_of(
        data=tmp_path / "two", variants=("wl-bag-gru", "majority"), sequence_epochs=1, windows=3
    )
    results = run(replace(config, out=tmp_path / "out"))
    graph, majority = results.scores
    assert majority.n_test == 24
    assert graph.n_test == alone[clips.camera == 2].sum() < 24
    assert (
        f"wl-bag-gru rests on {graph.n_test} of the test clips"
        in (tmp_path / "out" / "report.md").read_text()
    )
    settings = replace(config.settings, two_person="disjoint")
    both = run(replace(config, out=tmp_path / "both", settings=settings))
    assert both.scores[0].n_test == 24


def test_the_released_sampler_prints_its_coverage(folder, tmp_path, capsys):
    words = (
        "--data",
        folder,
        "--variants",
        "conmlp-supcon",
        "--sampling",
        "conmlp60",
        "--out",
        tmp_path / "out",
    )
    code, printed, _ = command_line(capsys, "eval", *words, *QUICK)
    assert code == 0
    printed = " ".join(printed.split())
    assert "3 of 24 training clips seen; the released code would print" in printed
    (score,) = Results.load(tmp_path / "out" / "results.json").scores
    assert score.coverage == 3
    assert score.n_test == 24


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "nowhere.npz"), r"nowhere\.npz: no such file"),
        (("xset",), r"xset"),
        (("--variants", "conmpl"), r"unknown variant 'conmpl': choose from conmlp-supcon"),
        (("--epochs", "0"), r"--epochs is 0"),
        (("--batch-size", "1"), r"--batch-size is 1"),
        (("--temperature", "-1"), r"--temperature is -1"),
        (("--k1", "-1"), r"--k1 is -1"),
        (("--seeds", "1,1"), r"--seeds is \(1, 1\)"),
        (("--threads", "0"), r"--threads is 0"),
        (("--device", "abacus"), r"--device abacus"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_no_traceback(
    folder, words, message, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    given = words if "--data" in words else (*words, "--data", folder)
    code, _, error = command_line(capsys, "eval", *given)
    assert code == 2
    lines = error.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert re.search(message, lines[0])
    assert not list(tmp_path.iterdir())


def test_a_run_is_never_overwritten(folder, tmp_path, capsys):
    words = ("--data", folder, "--variants", "majority", "--out", tmp_path / "out")
    assert command_line(capsys, "eval", *words)[0] == 0
    before = (tmp_path / "out" / "results.json").read_bytes()
    code, _, error = command_line(capsys, "eval", *words)
    assert code == 2
    assert "already holds a run" in error
    assert (tmp_path / "out" / "results.json").read_bytes() == before


def test_bad_clips_stop_the_run_or_are_dropped_and_counted(folder, tmp_path, capsys):
    clips = make_clips()
    clips.joints[clips.offsets[5]] = np.nan
    skelbench.data.save(clips, tmp_path / "bad")
    words = ("--data", tmp_path / "bad", "--variants", "majority", "--out", tmp_path / "out")
    code, _, error = command_line(capsys, "eval", *words)
    assert code == 2
    assert "clip005" in error
    assert "--drop-bad" in error
    assert command_line(capsys, "eval", *words, "--drop-bad")[0] == 0
    assert Results.load(tmp_path / "out" / "results.json").info.dropped[0][0] == "clip005"
    assert "1 clip" in (tmp_path / "out" / "report.md").read_text()


def test_a_batch_larger_than_the_split_is_a_note_in_the_report(folder, tmp_path):
    results = run(config_of(data=folder, variants=("majority",), batch_size=512, out=tmp_path / "out"))
    assert any("batch size 512 is larger than the 24 training clips" in text for text in results.info.caveats)


def test_help_answers_without_torch_and_teaches():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "skelbench.eval", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    for word in ("conmlp-supcon", "--align", "skelbench eval xview", "self-supervised"):
        assert word in done.stdout
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "torch" not in imported
    assert "sklearn" not in imported


def test_results_are_json_that_others_can_read(folder, tmp_path):
    run(config_of(data=folder, variants=("majority", "raw-linear"), probe_epochs=2, out=tmp_path / "out"))
    raw = json.loads((tmp_path / "out" / "results.json").read_text())
    assert raw["info"]["protocol"] == "xview"
    assert {score["variant"] for score in raw["scores"]} == {"majority", "raw-linear"}


@pytest.mark.parametrize(("protocol", "folds"), [("loso", 4), ("kfold:2", 2)])
def test_folds_by_subject_are_shown_with_their_mean(protocol, folds, folder, tmp_path, capsys):
    out = tmp_path / "out"
    words = (
        protocol,
        "--data",
        folder,
        "--variants",
        "raw-linear,majority",
        "--seeds",
        "0,1",
        "--probe-epochs",
        "2",
    )
    assert command_line(capsys, "eval", *words, "--threads", "1", "--out", out)[0] == 0
    results = Results.load(out / "results.json")
    assert len(results.info.folds) == folds
    assert len(results.scores) == 2 * 2 * folds
    assert results.info.n_test == 48
    pooled = RunFolder(out).load_all_scores(results)["raw-linear"][0]
    assert sorted(pooled.names) == sorted(make_clips().names)
    markdown = (out / "report.md").read_text()
    assert "## Folds" in markdown
    for fold in results.info.folds:
        assert f"| {fold} " in markdown
    page = (out / "report.html").read_text()
    assert "<h3>Folds</h3>" in page
    mean = np.mean([score.top1 for score in results.of("raw-linear")])
    assert f"{100 * mean:.1f}" in markdown
    again = run(config_of(data=folder, protocol=protocol, variants=("raw-linear", "majority"), seeds=(0, 1),
                          probe_epochs=2, threads=1, out=out, resume=True))  # fmt: skip
    assert again.scores == results.scores
    assert RunFolder(out).weights("raw-linear", 0, results.info.folds[0]).exists()


def test_a_failing_row_is_a_result_and_the_others_are_reported(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "lab.py").write_text(
        "from skelbench.training.log import TrainingError\n"
        "from skelbench.variants import Variant\n"
        "def fail(task, variant):\n"
        "    raise TrainingError('it cannot be trained on these clips')\n"
        "ROW = Variant('lab-fails', 'It fails', 'supervised', fail)\n"
    )
    out = tmp_path / "out"
    monkeypatch.chdir(tmp_path)
    words = ("--data", folder, "--variants", "lab:ROW,majority", "--out", out)
    code, printed, _ = command_line(capsys, "eval", *words)
    assert code == 1
    assert "FAILED: it cannot be trained on these clips" in printed
    results = Results.load(out / "results.json")
    assert [score.variant for score in results.scores] == ["majority"]
    assert results.failures[0].reason == "it cannot be trained on these clips"
    for text in ((out / "report.md").read_text(), (out / "report.html").read_text()):
        assert "Failed: lab-fails, seed 0: it cannot be trained on these clips" in text


def test_every_note_of_the_data_reaches_terminal_page_markdown_and_results(tmp_path, capsys):
    clips = make_clips()
    joints = clips.joints.copy()
    joints[clips.offsets[3] + 2, 2] = 0  # one joint that was not found
    skelbench.data.save(replace(clips, joints=joints), tmp_path / "holey")
    out = tmp_path / "out"
    code, printed, _ = command_line(
        capsys, "eval", "--data", tmp_path / "holey", "--variants", "majority", "--out", out
    )
    assert code == 0
    noted = Results.load(out / "results.json").info.caveats
    assert any("not found" in note for note in noted)
    for note in noted:
        assert " ".join(note.split()) in " ".join(printed.split())
        assert note in (out / "report.md").read_text()
    assert "not found" in (out / "report.html").read_text()


def test_quiet_prints_nothing_and_the_log_has_it_all(folder, tmp_path, capsys):
    words = ("--data", folder, "--variants", "majority", "--out", tmp_path / "out", "--log", tmp_path / "log")
    code, printed, error = command_line(capsys, "eval", *words, "--quiet")
    assert (code, printed, error) == (0, "", "")
    logged = (tmp_path / "log").read_text()
    assert "majority           seed 0  top-1 33.3" in logged
    assert str(tmp_path / "out" / "report.html") in logged
    code, _, error = command_line(capsys, "eval", *words[:-1], tmp_path / "no" / "log", "--resume")
    assert code == 2
    assert "--log" in error


def test_a_missing_package_is_said_before_any_work(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("skelbench.variants.find_spec", lambda name: None)
    words = ("--data", folder, "--variants", "majority,graph2vec-gru", "--out", tmp_path / "out")
    code, _, error = command_line(capsys, "eval", *words, "--embedding", "gensim")
    assert code == 2
    assert (
        error == "error: graph2vec-gru needs gensim, which is not installed: pip install 'skelbench[graph]'\n"
    )
    assert not (tmp_path / "out").exists()
    quick = ("--sequence-epochs", 1, "--windows", 2, "--threads", 1)
    assert command_line(capsys, "eval", *words, *quick)[0] == 0


@pytest.mark.parametrize("command", ["compare", "fuse", "view"])
def test_nothing_is_overwritten_without_force(command, folder, tmp_path, capsys):
    from tests.runs.made_up import write_run

    write_run(tmp_path / "a")
    out = tmp_path / {"compare": "page.html", "fuse": "fused", "view": "clip.html"}[command]
    words = {
        "compare": (tmp_path / "a", tmp_path / "a"),
        "fuse": (f"{tmp_path / 'a'}:conmlp-supcon", f"{tmp_path / 'a'}:majority"),
        "view": (f"{folder}:3",),
    }[command]
    assert command_line(capsys, command, *words, "--out", out)[0] == 0
    code, _, error = command_line(capsys, command, *words, "--out", out)
    assert code == 2
    assert f"{out} exists: --force overwrites it" in error
    assert command_line(capsys, command, *words, "--out", out, "--force")[0] == 0


def test_the_configuration_of_a_run_makes_the_run_again(folder, tmp_path, capsys):
    words = (
        "--data",
        folder,
        "--variants",
        "raw-linear,majority",
        "--seeds",
        "3,4",
        "--threads",
        "1",
        *QUICK,
    )
    assert command_line(capsys, "eval", "xsub", *words, "--out", tmp_path / "one")[0] == 0
    again = ("--config", tmp_path / "one" / "config.yaml", "--out", tmp_path / "two", "--seeds", "4")
    assert command_line(capsys, "eval", *again)[0] == 0
    one, two = (Results.load(tmp_path / name / "results.json") for name in ("one", "two"))
    assert two.info.protocol == "xsub"
    assert two.info.settings == one.info.settings
    assert [score.seed for score in two.scores] == [4, 4]
    assert {score.scores_sha256 for score in two.scores} <= {score.scores_sha256 for score in one.scores}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing: 3", "nothing is no option"),
        ("[1]", "holds no options"),
        ("a: [", "cannot be read"),
        ("lr: -1", "--lr is -1"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_line(text, said, tmp_path, capsys):
    (tmp_path / "it.yaml").write_text(text)
    code, _, error = command_line(capsys, "eval", "--config", tmp_path / "it.yaml", "--out", tmp_path / "out")
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_a_logger_keeps_the_curves(folder, tmp_path, monkeypatch, capsys):
    import csv

    out = tmp_path / "out"
    words = ("--data", folder, "--variants", "conmlp-ce,majority", "--threads", "1", *QUICK, "--out", out)
    assert command_line(capsys, "eval", *words, "--logger", "csv")[0] == 0
    with open(next((out / "logs" / "conmlp-ce-seed0").rglob("metrics.csv"))) as file:
        rows = list(csv.DictReader(file))
    (curve,) = [c for c in Results.load(out / "results.json").of("conmlp-ce")[0].curves if c.stage == "train"]
    assert [float(row["train/loss"]) for row in rows if row["train/loss"]] == pytest.approx(curve.loss)
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    again = (*words[:-1], tmp_path / "board", "--logger", "tensorboard")
    assert command_line(capsys, "eval", *again)[0] == 0
    events = EventAccumulator(
        str(next((tmp_path / "board" / "logs" / "conmlp-ce-seed0").rglob("events*")).parent)
    )
    events.Reload()
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx(curve.loss)
    monkeypatch.setattr("skelbench.eval.loggers.find_spec", lambda name: None)
    code, _, error = command_line(capsys, "eval", "--logger", "tensorboard", "--out", tmp_path / "other")
    assert code == 2
    assert "pip install 'skelbench[tensorboard]'" in error
    assert not (tmp_path / "other").exists()


def test_a_long_training_tells_into_a_log(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("skelbench.cli.terminal._MINUTE", -1.0)
    words = ("--data", folder, "--variants", "conmlp-ce", "--threads", "1", *QUICK, "--out", tmp_path / "out")
    code, printed, _ = command_line(capsys, "eval", *words)
    assert code == 0
    assert "conmlp-ce seed 0 train: epoch 3 of 4, loss " in printed


def test_each_fold_has_a_log(folder, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("kfold:2", "--data", folder, "--variants", "raw-linear", "--probe-epochs", "2", "--threads", "1")
    assert command_line(capsys, "eval", *words, "--logger", "csv", "--out", out)[0] == 0
    assert len(list((out / "logs").rglob("metrics.csv"))) == 2


def test_the_headline_tells_no_training_that_is_not_done():
    info = RunInfo(**{name: None for name in RunInfo.__dataclass_fields__})
    info.settings = asdict(Settings())
    rows = {row.key: row.info for row in VARIANTS}
    assert training_words(info, [rows["tcn"], rows["majority"]]) == []
    assert len(training_words(info, [rows["tcn"], rows["conmlp-ce"], rows["wl-bag-gru"]])) == 2
