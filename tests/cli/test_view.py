"""A clip as an animation: what is shown, and what is said over time."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import skelbench.data
from skelbench.cli import view
from skelbench.eval import run
from skelbench.training.early import predict, prefixes
from tests.conftest import command_line, config_of, make_clips
from tests.pages.test_run import stands_alone


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("view")
    skelbench.data.save(make_clips(), base / "data")
    quick = dict(epochs=2, probe_epochs=2, batch_size=16, device="cpu")
    run(config_of(data=base / "data", variants="conmlp-supcon", out=base / "run", **quick))
    return base


def test_clips_are_found_by_name_and_number(folder):
    data = folder / "data"
    assert view.find(f"{data}:clip007")[1] == view.find(f"{data}:7")[1] == 7
    assert view.find(str(data))[1] == 0
    with pytest.raises(view.ViewError, match=r"has no clip '99': it has 48 \(0 to 47\)"):
        view.find(f"{data}:99")


def test_both_views_are_of_the_clip():
    clips = make_clips(bodies=2)
    sheared, reversed_ = view.augmented(clips, 5, seed=1)
    clip = clips.clip(5)
    assert np.array_equal(reversed_, clip[::-1])
    matrix, *_ = np.linalg.lstsq(clip.reshape(-1, 3), sheared.reshape(-1, 3), rcond=None)
    assert np.allclose(np.diag(matrix), 1, atol=1e-4)
    assert np.allclose(clip @ matrix, sheared, atol=1e-4)


def test_the_last_prefix_is_the_whole_clip(folder):
    clips = skelbench.data.load(folder / "data")
    encoder = skelbench.load(folder / "run", "conmlp-supcon")
    prediction = predict(encoder, clips, 4)
    assert prediction.frames == list(range(1, int(clips.frames[4]) + 1))
    logits = encoder.classify(clips)[4].astype(float)
    assert np.allclose(prediction.probability[-1], np.exp(logits) / np.exp(logits).sum(), atol=1e-5)
    assert prediction.top[0] == logits.argmax()
    half = prefixes(clips, 4, [3])
    assert np.array_equal(half.clip(0), clips.clip(4)[:3])


def test_the_page_stands_alone_and_says_the_prediction(folder, tmp_path, capsys):
    out = tmp_path / "clip.html"
    assert command_line(capsys, "view", f"{folder / 'data'}:3", "--run", folder / "run", "--out", out)[0] == 0
    page = out.read_text()
    assert stands_alone(page)
    assert "Prediction over time" in page
    assert "view 1: sheared" in page


def test_the_gif_moves(folder, tmp_path, capsys):
    out = tmp_path / "clip.gif"
    assert command_line(capsys, "view", f"{folder / 'data'}:3", "--out", out, "--frames", 5)[0] == 0
    with Image.open(out) as image:
        assert image.n_frames == 5
        frames = []
        for at in range(5):
            image.seek(at)
            frames.append(np.asarray(image.convert("L")))
    assert (frames[0] < 200).sum() > 100  # something is drawn
    assert any((frames[0] != frame).any() for frame in frames[1:])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.npz"], "no such file"),
        (["synthetic:0", "--out", "x.png"], "name a .html or a .gif"),
        (["synthetic:0", "--run", "nowhere"], "has no weights"),
        (["synthetic:0", "--frames", "0"], "--frames is 0: it must be"),
    ],
)
def test_bad_input_is_one_line(words, said, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _, error = command_line(capsys, "view", *words)
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_a_page_says_how_fast_its_clip_was_recorded(folder, tmp_path, capsys):
    words = ("view", f"{folder / 'data'}:3", "--out", tmp_path / "unknown.html")
    assert command_line(capsys, *words)[0] == 0
    page = (tmp_path / "unknown.html").read_text()
    assert "Unknown rate, shown at 30 frames a second" in page
    assert "<dt>Frames a second</dt><dd>unknown</dd>" in page
    clips = skelbench.data.load(folder / "data")
    skelbench.data.save(replace(clips, fps=np.full(len(clips), 12.5)), tmp_path / "data")
    for suffix in ("html", "gif"):
        out = tmp_path / f"known.{suffix}"
        assert command_line(capsys, "view", f"{tmp_path / 'data'}:3", "--out", out)[0] == 0
    assert (
        "Played at the 12.5 frames a second at which it was recorded" in (tmp_path / "known.html").read_text()
    )
    with Image.open(tmp_path / "known.gif") as moving:
        assert moving.info["duration"] == pytest.approx(1000 / 12.5, abs=10)
