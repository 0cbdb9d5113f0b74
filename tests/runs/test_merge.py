"""Shards of a run, merged, are the run; what does not belong together is refused."""

import functools
import shutil
from dataclasses import replace

import pytest

import skelbench
import skelbench.data
from skelbench.eval import run
from skelbench.runs.folder import RunFolder
from skelbench.runs.merge import MergeError, merge
from tests.conftest import command_line, config_of, make_clips
from tests.runs.made_up import write_run


def test_merged_shards_are_the_run(tmp_path, capsys):
    skelbench.data.save(make_clips(), tmp_path / "data")
    quick = dict(epochs=2, lr=0.05, probe_epochs=2, batch_size=16, threads=1, seeds=(0, 1))
    config = config_of(data=tmp_path / "data", variants=("conmlp-ce", "raw-linear", "majority"), **quick)
    whole = run(replace(config, out=tmp_path / "whole"))
    shards = [tmp_path / f"shard{i}" for i in (1, 2, 3, 4)]
    shard_of = functools.partial(
        command_line, capsys, "eval", "xview", "--data", tmp_path / "data", "--align", "none", "--threads", 1,
        "--variants", "conmlp-ce,raw-linear,majority", "--seeds", "0,1", "--epochs", 2, "--lr", 0.05,
        "--probe-epochs", 2, "--batch-size", 16,
    )  # fmt: skip
    for place, out in enumerate(shards, 1):
        assert shard_of("--shard", f"{place}/4", "--out", out)[0] == 0
    assert sum(len(RunFolder(out).load().scores) for out in shards) == len(whole.scores)
    assert command_line(capsys, "merge", *shards, "--out", tmp_path / "merged")[0] == 0
    merged = RunFolder(tmp_path / "merged").load()
    found = [(score.variant, score.seed, score.scores_sha256) for score in merged.scores]
    assert found == [(score.variant, score.seed, score.scores_sha256) for score in whole.scores]
    assert (tmp_path / "merged" / "report.html").exists()
    assert skelbench.load(tmp_path / "merged", "conmlp-ce", seed=1).class_names == (
        "class0",
        "class1",
        "class2",
    )
    again = command_line(
        capsys, "eval", "xview", "--config", tmp_path / "merged" / "config.yaml", "--out", tmp_path / "again"
    )
    assert again[0] == 0
    scores = RunFolder(tmp_path / "again").load().scores
    assert [(score.variant, score.seed, score.scores_sha256) for score in scores] == found
    code, _, error = command_line(capsys, "merge", *shards, "--out", tmp_path / "merged")
    assert code == 2
    assert "already holds a run" in error


def test_what_does_not_belong_together_is_refused(tmp_path):
    write_run(tmp_path / "a", seeds=(0,))
    write_run(tmp_path / "b", seeds=(1,), data_sha256="1" * 64)
    with pytest.raises(MergeError, match=r"data_sha256 is 1111.*, not 0000"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    write_run(tmp_path / "c", (("conmlp-supcon", 0.5),), seeds=(0,))
    with pytest.raises(MergeError, match="c disagrees with another run on conmlp-supcon, seed 0"):
        merge([tmp_path / "a", tmp_path / "c"], tmp_path / "out")
    with pytest.raises(MergeError, match="two runs or more"):
        merge([tmp_path / "a"], tmp_path / "out")
    shutil.copytree(tmp_path / "a", tmp_path / "same")
    merged = merge([tmp_path / "a", tmp_path / "same"], tmp_path / "out")
    assert len(merged.scores) == 2
    assert merged.info.command.endswith(f"/same --out {tmp_path / 'out'}")
    assert not list((tmp_path / "out").rglob("*.partial"))


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_shard_that_is_none_is_one_line(shard):
    with pytest.raises(skelbench.SkelbenchError, match="--shard is"):
        config_of(shard=shard).check()
