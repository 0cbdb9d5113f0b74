"""Exported models compute what the model computes, for other numbers of clips and frames too."""

import importlib.util
import json
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch

import skelbench
import skelbench.data
from skelbench.eval import run
from skelbench.exporting import SUFFIXES, ExportError, export
from skelbench.models.heads import Centred
from skelbench.training.settings import Settings
from skelbench.training.stream_task import plan_of, restore
from skelbench.training.streams import Axes, StreamInput
from skelbench.training.trained import Encoder
from skelbench.training.variant import resolve
from skelbench.variants import choose
from tests.conftest import command_line, config_of, make_clips

# Every kind of input; the other rows on resampled clips are exported untrained, which takes less time.
ROWS = ("conmlp-ce", "graph2vec-lstm", "graph2vec-gru", "wl-bag-gru", "tcn", "tcn+streams")
# Members that read padded clips of different streams, or of different lengths.
APART = "conmlp-ce+tcn"
UNTRAINED = ("graph-tcn", "sgn", "sit-mlp", "stgcn", "ctr-gcn", "mlp-ntxent", "invariant-linear")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("export")
    skelbench.data.save(make_clips(24), base / "data")
    quick = dict(epochs=1, probe_epochs=1, stream_epochs=1, stream_frames=16, sequence_epochs=1, windows=3)
    results = run(
        config_of(
            data=base / "data",
            device="cpu",
            out=base / "run",
            variants=(*ROWS, APART),
            embedding="op",
            **quick,
        )
    )
    assert not results.failures
    return base


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("variant", ROWS)
def test_a_file_computes_what_the_model_computes(variant, suffix, folder, tmp_path):
    if suffix == ".onnx":
        pytest.importorskip("onnxruntime")
    encoder = skelbench.load(folder / "run", variant)
    written = export(encoder, tmp_path / f"model{suffix}", folder / "data")
    assert written.difference < 1e-5
    assert written.clips == 24
    assert written.bytes == (tmp_path / f"model{suffix}").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == [f"model{suffix}"]


@pytest.mark.parametrize("variant", UNTRAINED)
def test_every_encoder_of_resampled_clips_has_a_twin(variant, folder, tmp_path):
    built = replace(skelbench.load(folder / "run", "tcn").built, variant=variant)
    (row,) = choose([variant])
    axes = torch.tensor([1.0, 0.5])
    stream = StreamInput(built.skeleton, plan_of(row, Settings(**built.settings)), Axes(1, 0.5), 1)
    encoder = Centred(resolve(row.encoder)(shape := stream.shape(3)), torch.zeros(1))
    encoder.mean = torch.randn(encoder.encoder.width)
    model = torch.nn.Sequential(
        OrderedDict(encoder=encoder, classifier=torch.nn.Linear(len(encoder.mean), shape.classes))
    )
    restored = restore(row, built, model.state_dict() | {"streams.axes": axes})
    suffix = ".onnx" if importlib.util.find_spec("onnxruntime") and variant == "sgn" else ".pt2"
    written = export(Encoder(*restored, built, torch.device("cpu")), tmp_path / f"model{suffix}")
    assert written.difference < 1e-5


@pytest.mark.parametrize("variant", ["conmlp-ce", "tcn"])
def test_other_numbers_of_clips_and_frames_fit(variant, folder, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    encoder = skelbench.load(folder / "run", variant)
    export(encoder, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    facts = json.loads(session.get_modelmeta().custom_metadata_map["skelbench"])
    assert facts["class_names"] == list(encoder.class_names)
    length = encoder.built.shape["length"]
    for clips in (1, 5):
        recordings = skelbench.data.preprocess(make_clips(clips, seed=7))
        padded = np.zeros((clips, length, 1, 5, 3), dtype=np.float32)
        for index in range(clips):
            clip = recordings.clip(index)
            padded[index, : len(clip)] = clip
        given = {"joints": padded}
        if variant == "tcn":
            # No more frames than the longest of these clips.
            given = {"joints": padded[:, : int(recordings.frames.max())], "frames": recordings.frames}
        logits, representation = session.run(None, given)
        assert np.allclose(logits, encoder.classify(recordings), atol=1e-4)
        assert np.allclose(representation, encoder.represent(recordings), atol=1e-4)


def test_a_twin_that_differs_is_not_written(folder, tmp_path, monkeypatch):
    encoder = skelbench.load(folder / "run", "conmlp-ce")
    right = encoder.classify
    monkeypatch.setattr(encoder, "classify", lambda clips: right(clips) + 0.01)
    with pytest.raises(ExportError, match=r"differs from the model by .* nothing was written"):
        export(encoder, tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_members_that_take_different_inputs_are_refused(folder, tmp_path):
    with pytest.raises(ExportError, match=r"conmlp-ce\+tcn: its members are shown different numbers"):
        export(skelbench.load(folder / "run", APART), tmp_path / "model.pt2")


def test_the_command(folder, tmp_path, capsys):
    code, output, _ = command_line(capsys, "export", folder / "run", "tcn", tmp_path / "tcn.pt2")
    assert code == 0
    assert "input joints (clips, frames, 1, 5, 3)" in output
    program = torch.export.load(tmp_path / "tcn.pt2")
    assert len(program.module()(torch.zeros(2, 9, 1, 5, 3), torch.tensor([9, 4]))) == 2
    code, _, error = command_line(capsys, "export", folder / "run", "tcn", tmp_path / "tcn.h5")
    assert code == 2
    assert error.endswith("tcn.h5: the file must end in .onnx or .pt2\n")


def test_a_missing_package_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(ExportError, match="ONNX needs onnxscript"):
        export(skelbench.load(folder / "run", "conmlp-ce"), tmp_path / "model.onnx")
