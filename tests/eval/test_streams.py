"""`--stream`: what models are shown of a clip, row by row, and fused over runs."""

import re
from dataclasses import replace

import numpy as np
import pytest

import skelbench
import skelbench.data
from skelbench.eval import run
from skelbench.pages.run import render
from skelbench.runs.folder import RunFolder
from skelbench.training.packed_stream import MOTION, as_stream
from tests.conftest import command_line, config_of, make_clips

QUICK = dict(epochs=2, lr=0.05, probe_epochs=2, batch_size=16, stream_epochs=1, threads=1, device="cpu")
# Rows of every family that has streams, and a control of each kind.
ROWS = ("conmlp-supcon", "raw-linear", "random-encoder", "sgn", "tcn", "tcn-ntxent", "resampled-linear")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run on each stream, by its name, and the data."""
    folder = tmp_path_factory.mktemp("streams")
    skelbench.data.save(make_clips(clips=24), folder / "data")
    for stream in (None, "joint", "bone", "motion"):
        run(config_of(
            data=folder / "data", out=folder / str(stream), variants=(*ROWS, "majority"), stream=stream, **QUICK
        ))  # fmt: skip
    return folder


def hashes(base, stream):
    results = RunFolder(base / str(stream)).load()
    assert not results.failures
    return {score.variant: score.scores_sha256 for score in results.scores}


@pytest.mark.parametrize("row", ROWS)
def test_a_stream_changes_the_scores_of_every_family(base, row):
    found = {stream: hashes(base, stream)[row] for stream in ("joint", "bone", "motion")}
    assert len(set(found.values())) == 3


@pytest.mark.parametrize("row", ["conmlp-supcon", "raw-linear", "random-encoder", "sgn"])
def test_rows_of_positions_have_the_joint_stream_by_themselves(base, row):
    assert hashes(base, None)[row] == hashes(base, "joint")[row]


@pytest.mark.parametrize("row", ["tcn", "tcn-ntxent", "resampled-linear"])
def test_rows_of_other_streams_take_positions_when_asked(base, row):
    assert hashes(base, None)[row] != hashes(base, "joint")[row]


@pytest.mark.parametrize("stream", ["bone", "motion"])
@pytest.mark.parametrize("row", ["conmlp-supcon", "sgn"])
def test_a_loaded_encoder_makes_the_stream_of_new_clips_itself(base, row, stream):
    encoder = skelbench.load(base / stream, row)
    clips = skelbench.data.load(base / "data")
    stored = np.load(base / stream / f"scores/{row}-seed0.npz")
    place = {name: index for index, name in enumerate(clips.names.tolist())}
    rows = [place[name] for name in stored["names"].tolist()]
    np.testing.assert_allclose(encoder.classify(clips)[rows], stored["scores"], atol=1e-4)


def test_it_is_recorded_and_shown(base):
    folder = RunFolder(base / "bone")
    results = folder.load()
    assert results.info.settings["stream"] == "bone"
    assert "--stream bone" in results.info.command
    assert re.search(r"<dt>Stream</dt><dd>bone</dd>", render(results, folder))
    assert "stream: bone" in folder.markdown.read_text()


def test_runs_on_several_streams_are_fused_and_compared(base, capsys, tmp_path):
    members = [f"{base / stream}:tcn" for stream in ("joint", "bone", "motion")]
    code, printed, _ = command_line(capsys, "fuse", *members, "--out", tmp_path / "fused")
    assert code == 0
    assert "fused" in printed
    scores = [np.load(base / stream / "scores/tcn-seed0.npz") for stream in ("joint", "bone", "motion")]
    fused = np.load(tmp_path / "fused/fused-seed0.npz")
    assert sorted(fused["names"].tolist()) == sorted(scores[0]["names"].tolist())
    code, printed, _ = command_line(
        capsys, "compare", base / "joint", base / "bone", "--out", tmp_path / "compare.html"
    )
    assert code == 0
    assert re.search(r"stream.*joint.*bone", printed.replace("\n", " "))


@pytest.mark.parametrize("row", ["graph2vec-lstm", "graph2vec-gru", "wl-bag-gru"])
def test_graph_rows_refuse_a_stream_before_any_work(base, row, tmp_path):
    with pytest.raises(skelbench.SkelbenchError, match=f"--stream bone: {row} makes its graphs") as error:
        run(config_of(
            data=base / "data", out=tmp_path / "run", variants=("majority", row), stream="bone", embedding="op", **QUICK
        ))  # fmt: skip
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_study_searches_on_the_stream(base, capsys, tmp_path):
    pytest.importorskip("optuna", reason="the extra tune is not installed")
    values = []
    for stream in ("joint", "motion"):
        out = tmp_path / stream
        words = ["conmlp-ce", "xview", "--data", base / "data", "--trials", 1, "--epochs", 2, "--out", out]
        code, printed, _ = command_line(capsys, "tune", *words, "--threads", 1, "--stream", stream)
        assert code == 0
        assert f"--stream {stream}" in printed
        values.append((out / "study.log").read_text().count(f'"{stream}"'))
    assert all(values)


# --- what a stream is


def test_bones_and_motion_by_their_definitions():
    clips = make_clips(clips=6, bodies=2)
    joints = clips.joints.copy()
    rows = clips.offsets[2] + 2 * np.arange(3) + 1
    joints[rows] = 0  # the second body of clip 2 is absent in its first three frames
    clips = replace(clips, joints=joints)
    bones, motion = as_stream(clips, "bone"), as_stream(clips, "motion")
    for index in range(6):
        clip = clips.clip(index).astype(np.float64)
        expected = np.zeros_like(clip)
        steps = np.zeros_like(clip)
        for child, parent in clips.skeleton.edges:
            expected[:, :, child] = clip[:, :, child] - clip[:, :, parent]
        for frame in range(len(clip) - 1):
            for body in range(2):
                if clip[frame, body].any() and clip[frame + 1, body].any():
                    steps[frame, body] = MOTION * (clip[frame + 1, body] - clip[frame, body])
        np.testing.assert_allclose(bones.clip(index), expected, atol=1e-6)
        np.testing.assert_allclose(motion.clip(index), steps, atol=1e-5)
    # The step into the body's first frame.
    assert not motion.clip(2)[2, 1].any()


@pytest.mark.parametrize("stream", [None, "joint"])
def test_positions_are_the_clips_themselves(stream):
    clips = make_clips(clips=6)
    assert as_stream(clips, stream) is clips


def test_a_skeleton_whose_bones_run_in_a_circle_has_streams():
    clips = make_clips(clips=6)
    edges = (*clips.skeleton.edges, (0, 4))
    clips = replace(clips, skeleton=replace(clips.skeleton, edges=edges))
    assert np.isfinite(as_stream(clips, "bone").joints).all()
