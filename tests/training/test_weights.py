"""Stored weights give the same representations again, and say plainly what they do not take."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import skelbench
import skelbench.data
from skelbench.data import DataError
from skelbench.eval import run
from skelbench.runs.folder import RunFolder
from skelbench.training import graphs
from skelbench.training.built import WeightsError, read
from skelbench.variants import choose
from tests.conftest import config_of, make_clips


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("weights")
    skelbench.data.save(make_clips(), base / "data")
    quick = dict(
        variants=("conmlp-supcon", "raw-linear"), seeds=(0, 3), epochs=2, probe_epochs=2, batch_size=16
    )
    run(config_of(data=base / "data", device="cpu", out=base / "run", representations=True, **quick))
    return base


def test_represent_and_classify_give_what_the_run_stored(folder):
    encoder = skelbench.load(folder / "run", "conmlp-supcon", seed=3)
    clips = skelbench.data.load(folder / "data")
    stored = np.load(folder / "run/representations/conmlp-supcon-seed3.npz")
    scores = np.load(folder / "run/scores/conmlp-supcon-seed3.npz")["scores"]
    place = {name: index for index, name in enumerate(clips.names.tolist())}
    rows = [place[name] for name in stored["names"].tolist()]
    assert np.allclose(encoder.represent(clips)[rows], stored["representations"], atol=1e-5)
    assert np.allclose(encoder.classify(folder / "data")[rows], scores, atol=1e-5)
    assert encoder.class_names == clips.class_names
    assert skelbench.load(folder / "run", "conmlp-supcon").built.seed == 0


@pytest.mark.parametrize("variant", ["graph2vec-gru", "wl-bag-gru"])
def test_graph_rows_load_too(variant, folder, tmp_path):
    quick = dict(variants=variant, seeds=2, sequence_epochs=2, windows=3, device="cpu")
    run(config_of(data=folder / "data", out=tmp_path / "run", **quick))
    encoder = skelbench.load(tmp_path / "run", variant)
    clips = skelbench.data.load(folder / "data")
    stored = np.load(tmp_path / f"run/scores/{variant}-seed2.npz")
    place = {name: index for index, name in enumerate(clips.names.tolist())}
    rows = [place[name] for name in stored["names"].tolist()]
    # Of all clips, as in the run: PV-DBOW infers the vectors of all graphs together.
    assert np.allclose(encoder.classify(clips)[rows], stored["scores"], atol=1e-5)
    representations = encoder.represent(clips)
    assert len(representations) == len(clips)
    weight, bias = (encoder.model[1].weight.detach().numpy(), encoder.model[1].bias.detach().numpy())
    assert np.allclose(representations[rows] @ weight.T + bias, stored["scores"], atol=1e-4)
    two = make_clips(bodies=2)
    if variant == "graph2vec-gru":
        with pytest.raises(DataError, match=r"clip .* 2 bodies"):
            encoder.represent(two)


def test_nodes_are_labelled_as_in_training(folder, tmp_path, monkeypatch):
    quick = dict(variants="wl-bag-gru", sequence_epochs=1, windows=3, device="cpu")
    run(config_of(data=folder / "data", out=tmp_path / "run", **quick))
    clips = skelbench.data.load(folder / "data")
    before = skelbench.load(tmp_path / "run", "wl-bag-gru").classify(clips)
    monkeypatch.setattr(graphs, "CHOSEN_LABELLINGS", (("bone", 0.1),))
    assert np.array_equal(skelbench.load(tmp_path / "run", "wl-bag-gru").classify(clips), before)
    built, weights = read(RunFolder(tmp_path / "run").weights("wl-bag-gru", 0))
    (row,) = choose(["wl-bag-gru"])
    del weights["graph2vec.labellings"]
    for wrong in ({}, {"graph2vec.labellings": torch.full((3, 2), 99.0)}):
        with pytest.raises(WeightsError, match="wl-bag-gru: the weights do not say how nodes"):
            graphs.restore_wl_bag(row, built, weights | wrong)


def test_a_few_clips_are_enough(folder):
    encoder = skelbench.load(folder / "run", "conmlp-supcon")
    clips = skelbench.data.load(folder / "data")
    few = replace(
        clips.select(np.array([5, 2])), length=7
    )  # the encoder's padded length counts, not the clips'
    assert np.allclose(encoder.represent(few), encoder.represent(clips)[[5, 2]], atol=1e-5)


def test_what_does_not_fit_is_named(folder):
    encoder = skelbench.load(folder / "run", "conmlp-supcon")
    with pytest.raises(DataError, match=r"6 joints, but conmlp-supcon of .* takes 5"):
        encoder.represent(make_clips(joints=6))
    with pytest.raises(DataError, match="clip clip000 has 2 bodies"):
        encoder.represent(make_clips(bodies=2))
    long = make_clips(clips=3)
    long = replace(long, joints=np.tile(long.joints, (3, 1, 1)), offsets=long.offsets * 3)
    with pytest.raises(DataError, match=r"frames, conmlp-supcon of .* takes at most"):
        encoder.represent(long)


def test_missing_weights_say_what_there_is(folder, tmp_path):
    with pytest.raises(
        WeightsError,
        match=r"no weights of conmlp-tcl; it has conmlp-supcon \(seed 0\), conmlp-supcon \(seed 3\)",
    ):
        skelbench.load(folder / "run", "conmlp-tcl")
    with pytest.raises(WeightsError, match="no weights of conmlp-supcon with seed 7"):
        skelbench.load(folder / "run", "conmlp-supcon", seed=7)
    with pytest.raises(WeightsError, match="raw-linear has no encoder of clips"):
        skelbench.load(folder / "run", "raw-linear")
    with pytest.raises(WeightsError, match="it has none"):
        skelbench.load(tmp_path, "conmlp-supcon")


def test_foreign_and_newer_files_are_refused(tmp_path, folder):
    path = tmp_path / "weights" / "conmlp-supcon-seed0.safetensors"
    path.parent.mkdir()
    weights = load_file(folder / "run/weights/conmlp-supcon-seed0.safetensors")
    save_file(weights, path)
    with pytest.raises(WeightsError, match="cannot be read as weights of skelbench"):
        skelbench.load(tmp_path, "conmlp-supcon")
    save_file(weights, path, metadata={"skelbench": json.dumps({"format": 99, "version": "9.0"})})
    with pytest.raises(WeightsError, match=r"written by skelbench 9\.0, newer"):
        skelbench.load(tmp_path, "conmlp-supcon")
    path.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        skelbench.load(tmp_path, "conmlp-supcon")


# --- one recording as an array


@pytest.fixture(scope="module")
def encoder(folder):
    return skelbench.load(folder / "run", "conmlp-supcon")


def test_an_array_is_classified_as_the_clip_that_it_is(encoder, folder):
    clips = skelbench.data.load(folder / "data")
    expected = encoder.classify(clips)
    for index in (0, 5):
        joints = clips.clip(index)
        for array in (joints, joints[:, 0], joints.astype(np.float64)):
            np.testing.assert_allclose(encoder.classify(array), expected[index : index + 1], atol=1e-5)
    np.testing.assert_allclose(
        encoder.predict(clips.clip(0)).probability, encoder.predict(clips).probability[:1], atol=1e-6
    )


def test_a_long_recording_is_seen_through_windows_that_cover_it(encoder):
    rng = np.random.default_rng(0)
    recording = rng.normal(size=(50, 5, 3)).astype(np.float32)
    found = encoder.windows(recording, window=12, every=9)
    assert found.names.tolist() == [
        "frames 0-11", "frames 9-20", "frames 18-29", "frames 27-38", "frames 36-47", "frames 38-49",
    ]  # fmt: skip
    logits = encoder.classify(recording, window=12, every=9)
    alone = [encoder.classify(recording[start : start + 12])[0] for start in (0, 9, 18, 27, 36, 38)]
    np.testing.assert_allclose(logits, alone, atol=1e-5)
    assert encoder.represent(recording, window=12, every=9).shape == (6, 256)
    assert encoder.predict(recording, window=12, every=9).names == found.names.tolist()
    # By default as many frames as a clip may have, half a window apart.
    most = encoder.built.shape["length"]
    assert [int(frames) for frames in encoder.windows(recording).frames] == [most] * len(
        encoder.windows(recording)
    )
    assert encoder.windows(recording).names[1] == f"frames {most // 2}-{most // 2 + most - 1}"


@pytest.mark.parametrize(
    ("array", "options", "error", "message"),
    [
        (np.zeros((20, 4, 3)), {}, DataError, "frames of 4 joints, the encoder takes 5"),
        (np.zeros((20, 5)), {}, DataError, r"array of shape \(20, 5\): expected"),
        (np.zeros((0, 5, 3)), {}, DataError, r"array of shape \(0, 1, 5, 3\): expected"),
        (np.zeros((9, 2, 5, 3)), {}, DataError, "2 bodies, .* takes at most 1"),
        (
            np.full((9, 5, 3), np.nan),
            {},
            DataError,
            "frames 0-8: joint 'joint0' is not finite in the window's frame 0",
        ),
        (np.zeros((9, 5, 3)), {"window": 10}, ValueError, "window is 10"),
        (np.zeros((90, 5, 3)), {"window": 80}, ValueError, "window is 80"),
        (np.zeros((9, 5, 3)), {"every": 0}, ValueError, "every is 0"),
    ],
)
def test_an_array_that_cannot_be_used_is_one_line(encoder, array, options, error, message):
    with pytest.raises(error, match=message) as found:
        encoder.classify(array, **options)
    assert "\n" not in str(found.value)


def test_clips_and_files_have_no_window(encoder, folder):
    with pytest.raises(ValueError, match="belong to an array"):
        encoder.classify(folder / "data", window=5)


def test_a_stream_refuses_frames_that_are_not_finite(encoder):
    with pytest.raises(DataError, match="not finite"):
        list(encoder.stream(np.full((3, 1, 5, 3), np.nan)))
