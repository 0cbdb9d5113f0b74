"""Every option does something: each is changed once, and the run tells the difference."""

from dataclasses import fields, replace

import numpy as np
import pytest

import skelbench.data
from skelbench.eval import Results, run
from skelbench.eval.config import Config
from skelbench.training.settings import Settings
from tests.conftest import config_of, make_clips

QUICK = dict(
    epochs=3, lr=0.05, probe_epochs=3, batch_size=8, sequence_epochs=2, stream_epochs=2, windows=3, threads=1
)
# Each setting: another value, and a variant that depends on it.
SETTINGS = {
    "epochs": (4, "conmlp-ce"),
    "batch_size": (12, "conmlp-ce"),
    "lr": (0.02, "conmlp-ce"),
    "momentum": (0.5, "conmlp-ce"),
    "weight_decay": (0.1, "conmlp-ce"),
    "temperature": (0.5, "conmlp-supcon"),
    "k1": (1.0, "conmlp-tcl"),
    "k2": (9.0, "conmlp-tcl"),
    "stream": ("bone", "conmlp-ce"),
    "sampling": ("conmlp60", "conmlp-ce"),
    "per_clip_draws": (False, "conmlp-ce"),
    "probe_epochs": (4, "random-encoder"),
    "probe_batch_size": (8, "random-encoder"),
    "probe_lr": (0.01, "random-encoder"),
    "sequence_epochs": (3, "wl-bag-gru"),
    "sequence_batch_size": (5, "wl-bag-gru"),
    "sequence_lr": (0.01, "wl-bag-gru"),
    "windows": (4, "wl-bag-gru"),
    "node_label": ("bone", "graph2vec-gru"),
    "bin_size": (0.3, "graph2vec-gru"),
    "embedding": ("gensim", "graph2vec-gru"),
    "vocabulary": (5, "graph2vec-gru"),
    "stream_epochs": (3, "tcn"),
    "stream_batch_size": (5, "tcn"),
    "stream_lr": (0.01, "tcn"),
    "stream_frames": (12, "tcn"),
    "stream_strength": (0.5, "tcn"),
    "stream_predict": ("clip", "tcn-ntxent"),
    "two_person": ("disjoint", "wl-bag-gru"),
    "transductive": (True, "graph2vec-gru"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """24 clips, a few of them of two people."""
    path = tmp_path_factory.mktemp("data") / "tiny"
    clips = make_clips(clips=24, bodies=2)
    bodies = np.where(np.arange(24) % 5 == 4, 2, 1)
    joints = np.concatenate([clips.clip(i)[:, : bodies[i]].reshape(-1, 5, 3) for i in range(24)])
    offsets = np.concatenate([[0], np.cumsum(clips.frames * bodies)])
    skelbench.data.save(replace(clips, joints=joints, offsets=offsets, bodies=bodies), path)
    return path


@pytest.fixture(scope="module")
def base(data, tmp_path_factory):
    """Hashes of the scores with every option as it is, by variant."""
    variants = tuple({variant for _, variant in SETTINGS.values()})
    out = tmp_path_factory.mktemp("base") / "run"
    return hashes(run(config_of(data=data, out=out, variants=variants, **QUICK)))


def hashes(results: Results) -> dict[str, str]:
    assert not results.failures
    return {score.variant: score.scores_sha256 for score in results.scores}


def test_no_setting_is_left_out():
    assert set(SETTINGS) == {field.name for field in fields(Settings)}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_changes_the_scores(name, data, base, tmp_path):
    value, variant = SETTINGS[name]
    changed = run(config_of(data=data, out=tmp_path / "run", variants=variant, **QUICK | {name: value}))
    assert hashes(changed)[variant] != base[variant]
    assert changed.info.settings[name] == value


def test_evaluate_adds_what_the_protocols_find(data, base, tmp_path):
    plain, more = (
        run(config_of(data=data, out=tmp_path / name, variants="tcn", evaluate=words, **QUICK))
        for name, words in (("plain", ()), ("more", "knn"))
    )
    assert hashes(plain) == hashes(more) == {"tcn": base["tcn"]}
    assert not plain.evaluations
    assert [found.protocol for found in more.evaluations] == ["knn"]


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize(
    "variant", ["conmlp-recon-self", "conmlp-ce", "wl-bag-gru", "graph2vec-lstm", "tcn", "tcn-predict"]
)
def test_every_family_trains_in_low_precision(precision, variant, base, data, tmp_path):
    results = run(config_of(data=data, out=tmp_path, variants=variant, precision=precision, **QUICK))
    assert hashes(results)[variant] != base.get(variant)
    assert all(np.isfinite(curve.loss).all() for curve in results.scores[0].curves)
    noted = any("bf16-mixed was used" in caveat for caveat in results.info.caveats)
    assert noted == (precision == "16-mixed")  # this device, a CPU, has none


@pytest.mark.parametrize(
    "option", ["lr", "k1", "temperature", "probe_lr", "bin_size", "weight_decay", "momentum"]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_a_number_out_of_its_range_is_one_line_that_names_the_option(option, value):
    with pytest.raises(
        skelbench.SkelbenchError, match=f"--{option.replace('_', '-')} is {value}: it must be"
    ):
        config_of(**{option: value}).check()


@pytest.mark.parametrize("option", ["epochs", "batch_size", "windows", "seeds", "threads", "sequence_epochs"])
@pytest.mark.parametrize("value", [-1, 2**64])
def test_a_count_out_of_its_range_is_one_line_that_names_the_option(option, value):
    with pytest.raises(
        skelbench.SkelbenchError, match=f"--{option.replace('_', '-')} is {value}: it must be"
    ):
        config_of(**{option: value}).check()


def test_text_lists_and_ranges_are_taken():
    config = Config(data="a.npz", variants="majority", seeds=range(3), out="out")
    assert (config.data.name, config.variants, config.seeds) == ("a.npz", ("majority",), (0, 1, 2))
    config.check()
