"""A run that is killed goes on to the same bits; a changed configuration is refused."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import skelbench.data
from skelbench.errors import SkelbenchError
from skelbench.eval import Config, Results, run
from skelbench.eval.config import ConfigError
from skelbench.training.tensors import load_tensors
from tests.conftest import config_of, make_clips

VARIANTS = ("conmlp-recon", "conmlp-ce", "majority")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny"
    skelbench.data.save(make_clips(clips=96), path)
    return path


def config(data, out, **changes) -> Config:
    base = dict(variants=VARIANTS, epochs=40, probe_epochs=5, batch_size=16, threads=1, device="cpu")
    return config_of(data=data, out=out, **(base | changes))


def killed(command, out, reached) -> None:
    """Start a run in another process and kill it as soon as `reached(out)` holds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "skelbench.eval", *command],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while not reached(out):
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def stored_epochs(out, stem) -> int:
    path = out / "checkpoints" / f"{stem}.safetensors"
    if not path.exists():
        return 0
    with contextlib.suppress(SkelbenchError):  # it may be replaced just now
        return len(load_tensors(path)[1]["history"])
    return 0


def test_a_killed_run_goes_on_to_the_same_bits(data, tmp_path):
    whole = run(config(data, tmp_path / "whole"))
    out = tmp_path / "killed"
    words = (
        f"xview --data {data} --variants {','.join(VARIANTS)} --epochs 40 --probe-epochs 5 --batch-size 16"
    )
    command = [*words.split(), "--threads", "1", "--device", "cpu", "--out", str(out), "--resume"]
    killed(command, out, lambda out: stored_epochs(out, "conmlp-recon-seed0") >= 2)  # in the first variant
    assert not Results.load(out / "results.json").scores
    killed(command, out, lambda out: stored_epochs(out, "conmlp-ce-seed0") >= 2)  # in the second
    between = Results.load(out / "results.json")
    assert [score.variant for score in between.scores] == ["conmlp-recon"]
    assert 2 <= stored_epochs(out, "conmlp-ce-seed0") <= 40
    resumed = run(config(data, out, resume=True))
    assert resumed.scores[0] == between.scores[0]  # timings too: it was not run again
    for one, other in zip(whole.scores, resumed.scores, strict=True):
        assert one.scores_sha256 == other.scores_sha256
        assert [curve.loss for curve in one.curves] == [curve.loss for curve in other.curves]
        assert one.test_curve == other.test_curve
        assert one.pretraining_curve == other.pretraining_curve
        assert one.coverage == other.coverage
        stem = f"{one.variant}-seed{one.seed}.safetensors"
        weights = [(folder / "weights" / stem).read_bytes() for folder in (tmp_path / "whole", out)]
        assert weights[0] == weights[1]
    assert not (out / "checkpoints").exists()
    assert (out / "report.html").exists()


def test_a_killed_graph_row_goes_on_to_the_same_bits(tmp_path):
    data = tmp_path / "tiny"
    skelbench.data.save(make_clips(clips=48), data)
    rows = ("graph2vec-gru", "wl-bag-gru")
    changes = dict(variants=rows, sequence_epochs=6, windows=4, batch_size=16)
    whole = run(config(data, tmp_path / "whole", **changes))
    out = tmp_path / "killed"
    words = f"xview --data {data} --variants {','.join(rows)} --epochs 40 --probe-epochs 5 --batch-size 16"
    words += " --sequence-epochs 6 --windows 4"
    command = [*words.split(), "--threads", "1", "--device", "cpu", "--out", str(out), "--resume"]
    for row in rows:
        killed(command, out, lambda out, row=row: stored_epochs(out, f"{row}-seed0") >= 2)
        assert stored_epochs(out, f"{row}-seed0") >= 2
    resumed = run(config(data, out, resume=True, **changes))
    for one, other in zip(whole.scores, resumed.scores, strict=True):
        assert one.scores_sha256 == other.scores_sha256
        assert [curve.loss for curve in one.curves[-1:]] == [curve.loss for curve in other.curves[-1:]]
    assert not (out / "checkpoints").exists()
    assert not (out / "embeddings").exists()


def test_a_cache_that_was_named_is_kept(tmp_path):
    data, out = tmp_path / "tiny", tmp_path / "out"
    skelbench.data.save(make_clips(clips=48), data)
    rows = dict(variants=("graph2vec-gru",), sequence_epochs=1, windows=2, batch_size=16)
    run(config(data, out, cache=out / "embeddings", **rows))
    assert list((out / "embeddings").iterdir())


def test_finished_runs_are_kept_and_seeds_are_added(data, tmp_path):
    begun = config(data, tmp_path / "out", variants=("majority",))
    first = run(begun)
    more = run(replace(begun, variants=("majority", "raw-linear"), seeds=(0, 1), resume=True))
    assert more.scores[0] == first.scores[0]
    assert [(score.variant, score.seed) for score in more.scores] == [
        (variant, seed) for variant in ("majority", "raw-linear") for seed in (0, 1)
    ]
    assert more.info.config["seeds"] == [0, 1]
    assert Results.load(tmp_path / "out" / "results.json").scores == more.scores


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 41}, "epochs was 40, is now 41"),
        ({"temperature": 0.2}, "temperature was None, is now 0.2"),
        ({"align": "body"}, "align was none, is now body"),
        ({"protocol": "xsub"}, "protocol was xview, is now xsub"),
    ],
)
def test_a_changed_configuration_is_refused_with_the_difference(data, tmp_path, change, said, monkeypatch):
    begun = config(data, tmp_path / "out", variants=("majority",))
    run(begun)
    if "align" in change:  # the tiny skeleton has no shoulders to align by
        monkeypatch.setattr(skelbench.data, "preprocess", lambda clips, align, length: clips)
    with pytest.raises(ConfigError, match=said):
        run(config(data, tmp_path / "out", **({"variants": ("majority",), "resume": True} | change)))


def test_other_data_are_refused(data, tmp_path):
    begun = config(data, tmp_path / "out", variants=("majority",))
    run(begun)
    skelbench.data.save(make_clips(clips=96, seed=1), tmp_path / "other")
    with pytest.raises(ConfigError, match="data_sha256"):
        run(replace(begun, resume=True, data=tmp_path / "other"))


def test_resume_needs_a_folder_and_a_run_is_not_overwritten(data, tmp_path):
    with pytest.raises(ConfigError, match="--resume needs --out"):
        run(config(data, None, resume=True))
    begun = config(data, tmp_path / "out", variants=("majority",))
    run(begun)
    with pytest.raises(ConfigError, match="--resume continues it"):
        run(begun)
