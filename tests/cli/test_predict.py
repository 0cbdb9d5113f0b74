"""What a trained model says of new recordings: by clip, as a table, JSON or CSV, and as a stream."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

import skelbench
import skelbench.data
from skelbench.data import DataError
from skelbench.eval import run
from tests.conftest import command_line, config_of, make_clips


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run, its data, and the data without labels."""
    base = tmp_path_factory.mktemp("predict")
    skelbench.data.save(make_clips(), base / "data")
    quick = dict(epochs=5, lr=0.05, probe_epochs=5, batch_size=16, threads=1, device="cpu")
    run(config_of(data=base / "data", variants="conmlp-ce", out=base / "run", **quick))
    return base


def test_predictions_are_the_probabilities_of_the_classes(trained):
    encoder = skelbench.load(trained / "run", "conmlp-ce")
    clips = skelbench.data.load(trained / "data")
    found = encoder.predict(clips)
    logits = encoder.classify(clips).astype(float)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.allclose(found.probability, expected)
    assert found.names == clips.names.tolist()
    first = found.top(2)[0]
    assert first[0][0] == clips.class_names[expected[0].argmax()]
    assert first[0][1] >= first[1][1]
    assert np.allclose(encoder.predict(trained / "data").probability, expected)


def test_the_command_prints_a_table_json_and_csv(trained, capsys):
    words = ("predict", trained / "run", trained / "data", "--variant", "conmlp-ce", "--top", 2)
    code, table, _ = command_line(capsys, *words)
    assert code == 0
    assert "clip047" in table
    code, printed, _ = command_line(capsys, *words, "--json")
    clips = json.loads(printed)
    assert [len(clip["classes"]) for clip in clips] == [2] * 48
    code, printed, _ = command_line(capsys, *words, "--csv")
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert len(rows) == 96
    assert rows[0]["clip"] == clips[0]["clip"]
    assert float(rows[0]["probability"]) == pytest.approx(clips[0]["classes"][0]["probability"], abs=1e-6)


def test_a_stream_ends_with_the_prediction_of_the_whole_clip(trained):
    encoder = skelbench.load(trained / "run", "conmlp-ce")
    clips = skelbench.data.load(trained / "data")
    said = list(encoder.stream(clips.clip(4)))
    assert len(said) == clips.frames[4]
    assert np.allclose(said[-1], encoder.predict(clips).probability[4], atol=1e-6)
    assert len(list(encoder.stream(clips.clip(4), window=3, every=4))) == clips.frames[4] // 4
    with pytest.raises(ValueError, match="window is 0"):
        next(encoder.stream(clips.clip(4), window=0))
    with pytest.raises(DataError, match="frames of 4 joints, the encoder takes 5"):
        next(encoder.stream(clips.clip(4)[:, :, :4]))


def test_another_skeleton_unit_or_length_is_refused_by_name(trained):
    encoder = skelbench.load(trained / "run", "conmlp-ce")
    clips = make_clips()
    names = ("head", *clips.skeleton.joint_names[1:])
    with pytest.raises(DataError, match="joint 0 is 'head', but 'joint0' in the skeleton of conmlp-ce"):
        encoder.predict(replace(clips, skeleton=replace(clips.skeleton, joint_names=names)))
    with pytest.raises(DataError, match="coordinates in mm, but conmlp-ce of tiny takes metre"):
        encoder.predict(replace(clips, unit="mm"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{base}/run", "{base}/nothing.npz", "--variant", "conmlp-ce"), "nothing.npz"),
        (("{base}/nowhere", "{base}/data"), "has no weights of conmlp-supcon; it has none"),
        (("{base}/run", "{base}/data"), "it has conmlp-ce (seed 0)"),
        (("{base}/run", "{base}/data", "--json", "--csv"), "--json and --csv: choose one"),
        (("{base}/run", "{base}/data", "--top", "0"), "--top is 0: it must be"),
    ],
)
def test_bad_input_is_one_line(words, said, trained, capsys):
    code, _, error = command_line(capsys, "predict", *(word.format(base=trained) for word in words))
    assert code == 2
    assert said in error
    assert error.count("\n") == 1
