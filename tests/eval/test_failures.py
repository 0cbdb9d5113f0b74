"""What breaks is named, costs no more than it must, and can be resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import skelbench
import skelbench.data
import skelbench.variants
from skelbench.eval import Results, run
from skelbench.runs.files import FileError, locked
from skelbench.runs.folder import RunFolder
from skelbench.runs.results import RunError
from skelbench.training.built import WeightsError
from skelbench.training.tensors import TensorFileError, load_tensors
from tests.conftest import config_of, make_clips

ROOT = Path(__file__).parents[2]
QUICK = dict(epochs=3, lr=0.05, probe_epochs=3, batch_size=16, threads=1, device="cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny"
    skelbench.data.save(make_clips(), path)
    return path


@pytest.fixture
def finished(data, tmp_path):
    out = tmp_path / "finished"
    run(config_of(data=data, out=out, variants=("conmlp-ce", "majority"), **QUICK))
    return RunFolder(out)


def flip(path, place=-100):
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


class Stop(Exception):
    """Ends a run in the middle."""


def begun(data, out, after=2, **options):
    """A run that was stopped after some epochs of its first training."""
    from skelbench.eval.progress import Progress

    class Stopping(Progress):
        def epoch(self, log):
            if log.epoch == after:
                raise Stop

    with pytest.raises(Stop):
        run(
            config_of(data=data, out=out, **(QUICK | dict(variants="conmlp-ce", epochs=6) | options)),
            Stopping(),
        )


def test_a_damaged_checkpoint_costs_an_epoch_and_says_so(data, tmp_path, monkeypatch):
    monkeypatch.setattr("skelbench.training.checkpoint.SHARE", 1e9)
    config = config_of(data=data, variants="conmlp-ce", **(QUICK | dict(epochs=6)))
    whole = run(replace(config, out=tmp_path / "whole"))
    out = tmp_path / "out"
    begun(data, out, after=3)
    flip(RunFolder(out).checkpoint("conmlp-ce", 0))
    resumed = run(replace(config, out=out, resume=True))
    assert resumed.scores[0].scores_sha256 == whole.scores[0].scores_sha256
    (note,) = [text for text in resumed.info.caveats if "cannot be resumed" in text]
    assert "conmlp-ce-seed0.safetensors is damaged" in note
    assert "epoch 2 of the checkpoint before it was" in note
    assert note in (out / "report.md").read_text()


def test_a_checkpoint_of_other_settings_is_not_resumed(data, tmp_path):
    out = tmp_path / "out"
    begun(data, out)
    (out / "results.json").unlink()
    config = config_of(data=data, variants="conmlp-ce", **(QUICK | dict(epochs=6, lr=0.02)))
    results = run(replace(config, out=out))
    assert any("belongs to a training with other settings" in text for text in results.info.caveats)
    assert (
        results.scores[0].scores_sha256 == run(replace(config, out=tmp_path / "new")).scores[0].scores_sha256
    )


def test_a_checkpoint_of_another_plan_is_not_resumed(data, tmp_path, monkeypatch):
    out = tmp_path / "out"
    begun(data, out, variants="tcn", stream_epochs=6)
    (out / "results.json").unlink()
    rows = [
        replace(row, plan=replace(row.plan, frames=8)) if row.key == "tcn" else row
        for row in skelbench.variants.VARIANTS
    ]
    monkeypatch.setattr(skelbench.variants, "VARIANTS", tuple(rows))
    config = config_of(data=data, variants="tcn", out=out, **(QUICK | dict(stream_epochs=6)))
    assert any("belongs to a training with other settings" in text for text in run(config).info.caveats)


def test_no_checkpoint_stays_behind(finished):
    kept = {path.name for path in finished.path.iterdir()}
    assert kept == {"config.yaml", "report.html", "report.md", "results.json", "samples", "scores", "weights"}


def test_what_a_killed_process_left_is_removed_on_resume(data, finished):
    left = [finished.path / "scores" / ".conmlp-ce-seed0.npz.partial", finished.checkpoint("conmlp-ce", 0)]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    run(config_of(data=data, out=finished.path, variants=("conmlp-ce", "majority"), resume=True, **QUICK))
    assert not any(path.exists() for path in left)
    test_no_checkpoint_stays_behind(finished)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda score: score.update(top1=0.99), "top1 is 0.99"),
        (lambda score: score.update(seed="zero"), "seed"),
        (lambda score: score.update(variant="nobody"), "nobody, seed 0 is no variant of the run"),
        (lambda score: score.update(speed=[]), "speed"),
    ],
)
def test_an_edited_score_is_refused(finished, change, said):
    raw = json.loads(finished.results.read_text())
    change(raw["scores"][0])
    finished.results.write_text(json.dumps(raw))
    with pytest.raises(RunError, match=rf"results\.json is damaged: .*{said}"):
        finished.load()


def test_a_score_listed_twice_is_refused(finished):
    raw = json.loads(finished.results.read_text())
    raw["scores"].append(raw["scores"][0])
    finished.results.write_text(json.dumps(raw))
    with pytest.raises(RunError, match="conmlp-ce, seed 0 stands in it twice"):
        finished.load()


def test_scores_are_held_against_their_hash(finished):
    path = finished.scores("conmlp-ce", 0)
    stored = dict(np.load(path))
    np.savez(path, **stored | {"scores": stored["scores"] + 1})
    with pytest.raises(RunError, match="does not fit the hash in results"):
        finished.load_all_scores(finished.load())


@pytest.mark.parametrize("place", [-100, 20])
def test_a_flipped_bit_in_weights_is_refused(finished, place):
    flip(finished.weights("conmlp-ce", 0), place)
    with pytest.raises(WeightsError, match=r"conmlp-ce-seed0\.safetensors"):
        skelbench.load(finished.path, "conmlp-ce")


@pytest.mark.parametrize("content", [b"", b"no weights", b"\xff" * 64, (2**62).to_bytes(8, "little") + b"{}"])
def test_other_files_are_no_tensors(content, tmp_path):
    path = tmp_path / "file.safetensors"
    path.write_bytes(content)
    with pytest.raises(TensorFileError, match=r"file\.safetensors"):
        load_tensors(path)


def test_a_diverged_training_names_step_scale_and_clips(data, tmp_path):
    results = run(config_of(data=data, out=tmp_path / "out", variants="conmlp-ce", **(QUICK | dict(lr=1e30))))
    (failure,) = Results.load(tmp_path / "out" / "results.json").failures
    assert results.failures == [failure]
    assert "in epoch" in failure.reason
    assert "step" in failure.reason
    assert "its coordinates reach" in failure.reason
    assert failure.clips
    assert set(failure.clips) <= set(make_clips().names.tolist())


def test_a_model_that_cannot_fit_says_what_it_needs(data, tmp_path, monkeypatch):
    monkeypatch.setattr("skelbench.training.memory.available_bytes", lambda: 1_000_000)
    results = run(config_of(data=data, out=tmp_path / "out", variants=("conmlp-ce", "majority"), **QUICK))
    (failure,) = results.failures
    assert failure.variant == "conmlp-ce"
    assert "parameters and needs 0.0 GB to be trained; 0.0 GB are free: shorten the clips" in failure.reason
    assert [score.variant for score in results.scores] == ["majority"]


def test_what_diverged_is_trained_again_with_another_rate(data, tmp_path):
    config = config_of(data=data, out=tmp_path / "out", variants="conmlp-ce", **(QUICK | dict(lr=1e30)))
    assert run(config).failures
    mended = replace(config, resume=True, settings=replace(config.settings, lr=0.05))
    results = run(mended)
    assert not results.failures
    assert results.info.settings["lr"] == 0.05


def test_restart_makes_a_variant_again_and_keeps_the_others(data, tmp_path):
    config = config_of(data=data, out=tmp_path / "out", variants=("conmlp-ce", "majority"), **QUICK)
    first = run(config)
    again = run(replace(config, resume=True, restart="conmlp-ce"))
    by_key = {score.variant: score for score in again.scores}
    assert by_key["majority"] == first.scores[1]
    assert by_key["conmlp-ce"].scores_sha256 == first.scores[0].scores_sha256
    assert by_key["conmlp-ce"].seconds != first.scores[0].seconds
    for refused, said in (
        ({"settings": replace(config.settings, lr=0.01)}, "this is not the run"),
        ({"variants": "majority"}, "would throw away conmlp-ce, seed 0, and not train it again"),
    ):
        with pytest.raises(skelbench.SkelbenchError, match=said):
            run(replace(config, resume=True, restart="conmlp-ce", **refused))
        folder = RunFolder(tmp_path / "out")
        folder.load_all_scores(folder.load())  # a command that is refused throws nothing away
        assert folder.weights("conmlp-ce", 0).exists()
    with pytest.raises(
        skelbench.SkelbenchError, match=r"--restart nobody: the run in .* has conmlp-ce, majority"
    ):
        run(replace(config, resume=True, restart="nobody"))


def test_a_folder_in_use_is_refused_with_its_owner(data, tmp_path):
    config = config_of(data=data, out=tmp_path, variants="majority", **QUICK)
    with locked(tmp_path):
        held = f"in use by process {os.getpid()} on "
        with pytest.raises(FileError, match=held):
            run(config)
    run(config)
    assert not (tmp_path / ".lock").exists()


def start(out, data, *words, limit=None):
    """`skelbench eval` in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "skelbench",
        "eval",
        "--data",
        data,
        "--out",
        out,
        "--threads",
        "1",
        *words,
    ]

    def before():
        # Tests that a shell runs in the background ignore it, and so would this.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if limit is not None:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [str(word) for word in command],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_well_and_says_how_to_continue(number, code, data, tmp_path):
    out = tmp_path / "out"
    process = start(out, data, "--variants", "majority,conmlp-ce", "--epochs", "100000", "--batch-size", "16")
    deadline = time.monotonic() + 100
    while not (out / "checkpoints").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert error.count("\n") == 1
    assert "Continue with: skelbench eval --data" in error
    assert error.strip().endswith("--resume")
    assert "majority" in (out / "report.md").read_text() or "majority" not in error


def test_a_full_disk_is_one_line_and_the_run_is_resumed(data, tmp_path):
    """A limit on the size of files stands in for a full disk: weights do not fit, results do."""
    out = tmp_path / "out"
    words = ("--variants", "majority,conmlp-ce", "--epochs", "3", "--batch-size", "16")
    process = start(out, data, *words, limit=200_000)
    printed, error = process.communicate(timeout=100)
    assert process.returncode == 1, error
    assert "conmlp-ce" in printed
    assert "FAILED" in printed
    assert "cannot be written" in printed
    assert "Traceback" not in error
    results = RunFolder(out).load()
    assert [score.variant for score in results.scores] == ["majority"]
    assert not list(out.rglob("*.partial"))
    process = start(out, data, *words, "--resume")
    printed, error = process.communicate(timeout=100)
    assert process.returncode == 0, error
    assert len(RunFolder(out).load().scores) == 2
