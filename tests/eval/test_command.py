"""What a run records of its command repeats it, whatever started it and whatever was asked before."""

import shlex

import pytest
import yaml

import skelbench.data
from skelbench.cli.main import _parse
from skelbench.eval import run
from skelbench.eval.command import command_of
from skelbench.eval.config import Config
from skelbench.runs.folder import RunFolder
from skelbench.training.settings import Settings
from tests.conftest import command_line, config_of, make_clips
from tests.eval.test_options import SETTINGS

# Each option with another value than its default.
OPTIONS = dict(
    protocol="kfold:5", data="my data.npz", split="a b:c", labels="labels.csv", missing="drop", unit="mm", length=40,
    align="body", drop_bad=True, device="cpu", precision="bf16-mixed", threads=3, variants=("conmlp-ce", "majority"),
    seeds=(3, 5), shard="1/2", cache="kept", representations=True, logger="csv", out="out of the way",
    init="runs/one:conmlp-supcon", evaluate=("semi:0.01", "semi:0.1", "knn", "transfer:my data.npz"),
)  # fmt: skip


def parsed(command: str) -> Config:
    words = shlex.split(command)
    assert words[0] == "skelbench"
    return _parse(words[1:])[1].job()


@pytest.mark.parametrize("preset", ["quick", "published"])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_comes_back_from_the_command(name, preset):
    config = Config(settings=Settings.preset(preset, **{name: SETTINGS[name][0]}))
    assert parsed(command_of(config)) == config


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_comes_back_from_the_command(name):
    config = Config(**{name: OPTIONS[name]})
    assert config != Config()
    assert parsed(command_of(config)) == config


def test_no_option_is_left_out():
    known = {name for name in vars(Config()) if name not in ("settings", "resume", "restart")}
    assert known == set(OPTIONS)


def test_numbers_are_not_rounded():
    config = config_of(lr=0.1 + 0.2, k1=1 / 3, weight_decay=1e-17)
    assert parsed(command_of(config)) == config


def test_a_run_from_python_records_a_command_that_repeats_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    skelbench.data.save(make_clips(), tmp_path / "data")
    quick = dict(variants="conmlp-ce", seeds=1, epochs=2, batch_size=16, lr=0.01 + 0.001 / 3, device="cpu")
    first = run(config_of(data=tmp_path / "data", out=tmp_path / "one", threads=1, **quick))
    words = shlex.split(first.info.command)
    assert words[:3] == ["skelbench", "eval", "xview"]
    words[words.index("--out") + 1] = str(tmp_path / "two")
    assert command_line(capsys, *words[1:])[0] == 0
    again = ["eval", "--config", tmp_path / "one" / "config.yaml", "--out", tmp_path / "three"]
    assert command_line(capsys, *again)[0] == 0
    hashes = [RunFolder(tmp_path / name).load().scores[0].scores_sha256 for name in ("one", "two", "three")]
    assert len(set(hashes)) == 1


def test_a_resumed_run_records_how_to_make_all_of_it(tmp_path):
    skelbench.data.save(make_clips(), tmp_path / "data")
    quick = dict(
        data=tmp_path / "data", out=tmp_path / "run", epochs=2, batch_size=16, device="cpu", threads=1
    )
    run(config_of(variants="majority", **quick))
    results = run(config_of(variants="conmlp-ce", seeds=(0, 1), resume=True, **quick))
    config = parsed(results.info.command)
    assert (config.variants, config.seeds) == (("majority", "conmlp-ce"), (0, 1))
    assert not config.resume
    assert not {"resume", "restart"} & yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()).keys()
