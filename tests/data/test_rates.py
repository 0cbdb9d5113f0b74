"""Frames a second: stated or known, through every format, and after a clip is resampled."""

from dataclasses import replace

import numpy as np
import pytest

from skelbench.data import DataError, load, load_recordings, ntu, preprocess, save
from skelbench.data.formats import EXPORTS
from skelbench.data.preprocess import resampled
from tests.conftest import make_clips
from tests.data.test_format_details import BVH
from tests.data.test_formats import need, written

STATING = ("prepared", "pyskl", "ragged", "hdf5", "csv")


@pytest.mark.parametrize("form", STATING)
@pytest.mark.parametrize("rates", [[15.0] * 6, [15.0, 30.0, 12.5, 60.0, 15.0, 120.0], None])
def test_a_stated_rate_comes_back(form, rates, tmp_path):
    need(form)
    clips = replace(make_clips(clips=6), fps=None if rates is None else np.array(rates))
    found = load(written(form, clips, tmp_path)).fps
    assert (found if rates is None else found.tolist()) == rates


@pytest.mark.parametrize("form", ["prepared", *EXPORTS])
def test_ntu_has_the_rate_of_its_sensor_in_every_format(form, corpus, tmp_path):
    need(form)
    clips = replace(
        corpus, synthetic=False, dataset=ntu.NTU_60, class_names=ntu.class_names(60), length=300, fps=None
    )
    assert set(load(written(form, clips, tmp_path)).fps) == {30.0}


def test_what_a_file_states_goes_before_what_its_data_set_is_known_for(corpus, tmp_path):
    clips = replace(
        corpus, synthetic=False, dataset=ntu.NTU_60, class_names=ntu.class_names(60), length=300,
        fps=np.full(len(corpus), 10.0),
    )  # fmt: skip
    assert set(load(written("ragged", clips, tmp_path)).fps) == {10.0}


def test_made_up_clips_have_the_rate_of_their_motion():
    assert set(load().fps) == {15.0}


def test_bvh_states_seconds_a_frame(tmp_path):
    pytest.importorskip("pybvh", reason="the extra bvh is not installed")
    path = tmp_path / "walk.bvh"
    path.write_text(BVH)
    seconds = float(BVH.split("Frame Time:")[1].split()[0])
    assert load_recordings([path]).fps == pytest.approx([1 / seconds])


@pytest.mark.parametrize("stated", [0.0, -1.0, float("nan"), float("inf"), [30.0, 30.0]])
def test_a_rate_that_is_none_is_one_line(stated, tmp_path):
    path = written("ragged", make_clips(clips=6), tmp_path)
    arrays = dict(np.load(path))
    np.savez(path, **arrays | {"fps": np.array(stated)})
    with pytest.raises(DataError, match=r"'fps' .*expected") as error:
        load(path)
    assert "\n" not in str(error.value)


def test_a_rate_that_is_no_number_in_a_csv_names_the_clip(tmp_path):
    clips = replace(make_clips(clips=6), fps=np.full(6, 25.0))
    path = written("csv", clips, tmp_path)
    path.write_text(path.read_text().replace(",25.0", ",fast"))
    with pytest.raises(DataError, match="clip clip000 has fps 'fast', expected a number"):
        load(path)


def test_a_prepared_folder_with_a_damaged_rate_is_one_line(tmp_path):
    save(replace(make_clips(clips=6), fps=np.full(6, 25.0)), tmp_path / "set")
    meta = tmp_path / "set" / "meta.json"
    meta.write_text(meta.read_text().replace('"fps": 25.0', '"fps": "fast"'))
    with pytest.raises(DataError, match=r"meta\.json: 'fps' is .*expected one number"):
        load(tmp_path / "set")


def test_a_resampled_clip_lasts_as_long_as_before():
    clips = replace(make_clips(clips=6), fps=np.full(6, 30.0))
    shorter = resampled(clips, 10)
    assert (clips.frames > 10).any()
    np.testing.assert_allclose(shorter.frames / shorter.fps, clips.frames / clips.fps)
    assert preprocess(clips).fps is clips.fps


def test_a_rate_follows_its_clip():
    clips = replace(make_clips(clips=6), fps=np.arange(1.0, 7.0))
    assert clips.select(np.array([4, 1])).fps.tolist() == [5.0, 2.0]


@pytest.mark.parametrize(
    ("name", "rate"), [("nw_ucla.npz", 30), ("hdm05_11.npz", 30), ("sbu_interaction.npz", 15)]
)
def test_real_data(name, rate, real_data):
    assert set(load(real_data(name)).fps) == {rate}
