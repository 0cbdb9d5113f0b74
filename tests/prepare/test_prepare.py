"""Raw folder to packed dataset: bit-equal to the plain pipeline, resumable, and honest about what it leaves out."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skelbench.data._skeleton_file", reason="the extension is not built")

from benchmarks.peers import ntu_python
from skelbench.data import DataError, load, protocol
from skelbench.data.bodies import _motion
from skelbench.data.formats import prepared as folder_module
from skelbench.data.formats import recordings
from skelbench.data.formats.ctrgcn_npz import write_ctrgcn
from skelbench.data.formats.pyskl_pkl import write_pyskl
from skelbench.data.formats.recordings import NO_BODY, TOO_LARGE
from skelbench.data.synthetic.raw import skeleton_text, write_raw_folder
from skelbench.prepare import pipeline as prepare_module
from skelbench.prepare.check import check
from skelbench.prepare.pipeline import LOG, prepare


def assert_as_plain_python(clips, raw: Path) -> None:
    for index, name in enumerate(clips.names.tolist()):
        expected = ntu_python.prepare_file(raw / f"{name}.skeleton")
        clip = clips.clip(index)
        if clip.shape[1] == 1 and expected.shape[1] == 150:
            # The public scripts keep a second place that stays empty.
            assert not expected[:, 75:].any()
            expected = expected[:, :75]
        np.testing.assert_array_equal(clip.reshape(len(clip), -1), expected, err_msg=name)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    write_raw_folder(folder, clips=72, seed=5, mean_frames=30, ghosts=0.5)
    return folder


def test_bit_equal_to_the_plain_pipeline(raw, tmp_path):
    outcome = prepare(raw, tmp_path / "out")
    assert len(outcome.clips) == 72
    assert outcome.changed > 10
    assert outcome.clips.synthetic
    assert not outcome.lost
    assert_as_plain_python(outcome.clips, raw)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("seed", range(8))
def test_bodies_that_come_and_go(tmp_path, seed):
    """Random recordings of up to four bodies with gaps, ghosts and short visits."""
    rng = np.random.default_rng(seed)
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(1, 13):
        frames: list[list] = [[] for _ in range(int(rng.integers(13, 50)))]
        for body_id in range(int(rng.integers(1, 5))):
            begin, end = sorted(rng.integers(0, len(frames) + 1, 2))
            wide = rng.random() < 0.3
            size = np.array([1.0, 0.2, 0.3]) if wide else np.array([0.3, rng.choice([0.35, 1.0]), 0.3])
            for frame in frames[begin:end]:
                if rng.random() < 0.9:
                    frame.append((100 + body_id, (rng.normal(0, 0.4, (25, 3)) * size).astype(np.float32)))
        (folder / f"S001C001P001R001A{number:03d}.skeleton").write_text(skeleton_text(frames))
    try:
        clips = prepare(folder, tmp_path / "out").clips
    except DataError as error:
        assert "no clip can be used" in str(error)  # noqa: PT017
        clips = None
    kept = set() if clips is None else set(clips.names.tolist())
    for path in folder.iterdir():
        expected = ntu_python.prepare_file(path)
        assert (path.stem in kept) == (expected is not None and len(expected) > 0)
    if clips is not None:
        assert_as_plain_python(clips, folder)


def test_motion_is_that_of_the_plain_pipeline_to_the_last_bit():
    rng = np.random.default_rng(0)
    for frames in (1, 12, 83, 300):
        joints = (rng.normal(0, 0.4, (frames, 25, 3)) + rng.normal(0, 2, 3)).astype(np.float32)
        assert _motion(joints) == np.sum(np.var(joints.reshape(-1, 3), axis=0))


def test_faulty_files_are_counted_and_named(tmp_path):
    faults = write_raw_folder(tmp_path / "raw", clips=120, seed=1, mean_frames=24, faults=0.2)
    assert set(faults.values()) == {"empty", "truncated", "no-body"}
    (tmp_path / "raw" / "notes.skeleton").write_text("0\n")
    outcome = prepare(tmp_path / "raw", tmp_path / "out")
    assert {record.name for record in outcome.clips.dropped} == {*faults, "notes"}
    reasons = Counter(faults[record.name] for record in outcome.clips.dropped if record.reason == NO_BODY)
    assert set(reasons) == {"no-body"}
    assert {record.name for record in outcome.lost} == {n for n, f in faults.items() if f != "no-body"} | {
        "notes"
    }
    log = (tmp_path / "out" / LOG).read_text()
    assert all(f"{name}\tdropped: " in log for name in faults)
    assert "line 1: expected the number of frames" in log


def test_missing_lists_and_doubles(tmp_path):
    write_raw_folder(tmp_path / "raw", clips=36, seed=2, mean_frames=20)
    names = sorted(path.stem for path in (tmp_path / "raw").glob("*.skeleton"))
    (tmp_path / "raw" / "NTU_RGBD_samples_with_missing_skeletons.txt").write_text(f"Samples:\n\n{names[0]}\n")
    (tmp_path / "mine.txt").write_text(f"{names[1]}\n")
    (tmp_path / "raw" / "more").mkdir()
    (tmp_path / "raw" / "more" / f"{names[2]}.skeleton").write_text("0\n")
    outcome = prepare(tmp_path / "raw", tmp_path / "out", [tmp_path / "mine.txt"])
    reasons = {record.name: record.reason for record in outcome.clips.dropped}
    assert reasons[names[0]] == reasons[names[1]] == "in a list of missing skeletons"
    assert "twice" in reasons[names[2]]
    assert len(outcome.clips) == 34
    assert len(outcome.lost) == 1


@pytest.mark.parametrize(
    "name",
    [
        "NTU_RGBD120_samples_with_missing_skeletons.txt",
        "samples_with_missing_skeletons.txt",
        "ntu_rgb120_missings.txt",
        "Missing.txt",
    ],
)
def test_lists_of_missing_skeletons_under_any_name(tmp_path, name):
    write_raw_folder(tmp_path / "raw", clips=36, seed=2, mean_frames=20)
    listed = min(path.stem for path in (tmp_path / "raw").glob("*.skeleton"))
    (tmp_path / "raw" / name).write_text(f"535 samples have missing skeleton data.\n\n{listed}\n")
    outcome = prepare(tmp_path / "raw", tmp_path / "out")
    assert [record.name for record in outcome.clips.dropped] == [listed]
    assert [path.name for path in outcome.lists] == [name]
    (tmp_path / "raw" / name).write_text("values that are missing: none\n")
    outcome = prepare(tmp_path / "raw", tmp_path / "out")
    assert not outcome.clips.dropped
    assert any(f"{name} names no clip" in line for line in check(tmp_path / "out"))


@pytest.fixture
def killed(raw, tmp_path, monkeypatch):
    """The work folder of a run of parts of ten files that was killed at the 36th."""
    monkeypatch.setattr(prepare_module, "PART", 10)
    original, read = recordings.read_positions, []

    def reader(path):
        if len(read) == 35:
            raise KeyboardInterrupt
        read.append(path)
        return original(path)

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "read_positions", reader)
        patch.setattr(prepare_module, "_BATCH", 1)
        patch.setattr(prepare_module, "_AHEAD", 0)
        with pytest.raises(KeyboardInterrupt):
            prepare(raw, tmp_path / "out", threads=1)
    assert not (tmp_path / "out").exists()
    return tmp_path / ".out.work"


def assert_goes_on(raw: Path, work: Path, resumed: int) -> None:
    """The next run takes up `resumed` files, ends with the right result and leaves nothing else."""
    outcome = prepare(raw, work.parent / "out", threads=1)
    assert outcome.resumed == resumed
    assert len(outcome.clips) == 72
    assert_as_plain_python(outcome.clips, raw)
    check(work.parent / "out")
    assert sorted(path.name for path in work.parent.iterdir()) == ["out"]


def test_a_killed_run_goes_on(raw, killed):
    assert_goes_on(raw, killed, 30)


def test_a_part_whose_line_was_cut_is_read_again(raw, killed):
    parts = killed / "parts.jsonl"
    parts.write_bytes(parts.read_bytes()[:-7])
    assert_goes_on(raw, killed, 20)


def test_a_part_whose_joints_are_missing_is_read_again(raw, killed):
    parts = map(json.loads, (killed / "parts.jsonl").read_text().splitlines()[1:])
    rows = sum(np.multiply(part["frames"], part["bodies"]).sum() for part in parts)
    with open(killed / "joints.npy", "r+b") as file:
        file.truncate(128 + rows * 300 - 10)
    assert_goes_on(raw, killed, 20)


def test_joints_behind_the_last_whole_part_are_overwritten(raw, killed):
    with open(killed / "joints.npy", "ab") as file:
        file.write(b"\xff" * 12345)
    assert_goes_on(raw, killed, 30)


def test_other_files_are_not_taken_up(raw, killed, tmp_path):
    shutil.copytree(raw, tmp_path / "raw")
    name = sorted(path.name for path in raw.glob("*.skeleton"))[3]
    (tmp_path / "raw" / name).write_text((raw / name).read_text() + "\n")
    outcome = prepare(tmp_path / "raw", tmp_path / "out")
    assert outcome.resumed == 0
    assert_as_plain_python(outcome.clips, tmp_path / "raw")


@pytest.mark.parametrize("step", ["work.finish", "save", "the move"])
def test_killed_while_the_dataset_is_written(raw, tmp_path, monkeypatch, step):
    """All files have been read: nothing is read again, or all is, but nothing half-written looks whole."""

    def killed_now(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "work.finish":
            patch.setattr(prepare_module.Work, "finish", killed_now)
        elif step == "save":
            patch.setattr(prepare_module, "save", killed_now)
        else:
            patch.setattr(folder_module.os, "replace", killed_now)
        with pytest.raises(KeyboardInterrupt):
            prepare(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    outcome = prepare(raw, tmp_path / "out")
    assert outcome.resumed == 72
    assert_as_plain_python(outcome.clips, raw)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_two_runs_into_one_folder(raw, tmp_path):
    work = tmp_path / ".out.work"
    work.mkdir()
    with open(work / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another run is writing"):
            prepare(raw, tmp_path / "out")
    assert len(prepare(raw, tmp_path / "out").clips) == 72


def test_a_full_disk(raw, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"No space left on device.*\.out\.work, run again"):
        prepare(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert len(prepare(raw, tmp_path / "out").clips) == 72


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        prepare(tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(DataError, match=r"no \.skeleton file"):
        prepare(tmp_path, tmp_path / "out")
    (tmp_path / "S001C001P001R001A001.skeleton").write_text("0\n")
    with pytest.raises(DataError, match=r"no clip can be used; the first: .* no body in any frame"):
        prepare(tmp_path, tmp_path / "out")


def test_coordinates_that_overflow_at_the_origin(tmp_path):
    body = np.full((25, 3), 2, dtype=np.float32)
    body[1:3, 2] = 2e38, -2e38
    (tmp_path / "raw").mkdir()
    for number, frames in ((1, [[(1, body)]]), (2, [[(1, np.ones_like(body))]])):
        (tmp_path / "raw" / f"S001C001P001R001A{number:03d}.skeleton").write_text(skeleton_text(frames))
    outcome = prepare(tmp_path / "raw", tmp_path / "out")
    assert outcome.clips.names.tolist() == ["S001C001P001R001A002"]
    assert [record.reason for record in outcome.lost] == [TOO_LARGE]


def test_check(raw, tmp_path):
    prepare(raw, tmp_path / "out")
    assert any("72 clips" in line for line in check(tmp_path / "out"))
    joints = np.load(tmp_path / "out" / "joints.npy")
    joints[5, 3, 1] += 0.5
    np.save(tmp_path / "out" / "joints.npy", joints)
    with pytest.raises(DataError, match="the files were changed"):
        check(tmp_path / "out")


def test_exports_are_read_back(raw, tmp_path):
    clips = prepare(raw, tmp_path / "out").clips
    for path in write_ctrgcn(clips, tmp_path / "public"):
        name = path.stem.removeprefix("synthetic_")
        back = load(path)
        split = protocol(clips, name)
        assert (len(back.splits[name][0]), len(back.splits[name][1])) == (len(split.train), len(split.test))
        assert back.joints[back.offsets[0], 1].tolist() == [0, 0, 0]
        assert sorted(back.label.tolist()) == sorted(clips.label.tolist())
        np.testing.assert_allclose(np.abs(back.joints).sum(), np.abs(clips.joints).sum(), rtol=1e-4)
    (path,) = write_pyskl(clips, tmp_path / "public")
    back = load(path)
    for index in (0, 40, 71):
        np.testing.assert_array_equal(back.clip(index), clips.clip(index))


def test_the_command(tmp_path):
    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    raw, out = tmp_path / "raw", tmp_path / "out"
    assert "36 synthetic .skeleton files" in run("skelbench.data.synthetic", raw, "--clips", 36).stdout
    (raw / "S001C001P001R001A001.skeleton").write_text("7\n")
    done = run(
        "skelbench", "prepare", raw, out, "--export", "ctrgcn", "pyskl", "--export-to", tmp_path / "public"
    )
    assert done.returncode == 1
    assert "SYNTHETIC DATA" in done.stdout
    assert "1 clips were lost" in done.stderr
    assert run("skelbench", "prepare", "--check", out).returncode == 0
    exported = list((tmp_path / "public").iterdir())
    assert len(exported) > 1
    assert all(load(path).synthetic for path in exported)
    failed = run("skelbench", "prepare", tmp_path / "nothing", out)
    assert (failed.returncode, failed.stderr.count("\n")) == (2, 1)
    assert "torch" not in run("skelbench", "prepare", "--help").stderr
