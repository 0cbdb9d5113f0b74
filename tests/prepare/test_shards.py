"""Shares read by several jobs make the dataset that one job makes, and nothing less."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("skelbench.data._skeleton_file", reason="the extension is not built")

from skelbench.data import DataError, load
from skelbench.data.synthetic.raw import write_raw_folder
from skelbench.prepare import pipeline
from skelbench.prepare.pipeline import LOG, prepare
from skelbench.prepare.shards import merge_shares, prepare_share
from skelbench.prepare.work import Work
from tests.conftest import command_line


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    write_raw_folder(folder, clips=23, seed=5, mean_frames=30, ghosts=0.5)
    (folder / "S001C001P001R001A060.skeleton").write_text("broken")
    return folder


@pytest.fixture(scope="module")
def whole(raw, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    prepare(raw, out)
    return out


@pytest.fixture
def shares(raw, tmp_path, monkeypatch):
    """Three shares, in parts of four files."""
    monkeypatch.setattr(pipeline, "PART", 4)
    done = [prepare_share(raw, tmp_path / "out", place, 3) for place in range(3)]
    assert [share.files for share in done] == [8, 8, 8]
    assert sum(share.kept for share in done) == 23
    return tmp_path / "out"


def assert_same(out, whole):
    assert load(out).content_hash == load(whole).content_hash
    assert (out / LOG).read_text() == (whole / LOG).read_text()
    assert np.array_equal(np.load(out / "joints.npy"), np.load(whole / "joints.npy"))
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_merged_shares_are_the_dataset_of_one_job(raw, whole, shares):
    outcome = merge_shares(raw, shares)
    assert len(outcome.clips) == 23
    assert len(outcome.lost) == 1
    assert_same(shares, whole)


def test_a_share_goes_on_where_it_was_killed(raw, whole, shares, monkeypatch):
    work = shares.parent / ".out.shard-2-of-3.work"
    lines = (work / "parts.jsonl").read_bytes().splitlines(keepends=True)
    (work / "parts.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:5])
    with pytest.raises(DataError, match=r"shard-2-of-3.work: has 4 of its 8 files: run this share again"):
        merge_shares(raw, shares)
    assert prepare_share(raw, shares, 1, 3).resumed == 4
    merge_shares(raw, shares)
    assert_same(shares, whole)


def test_a_merge_goes_on_where_it_was_killed(raw, whole, shares, monkeypatch):
    append, appended = Work.append, []

    def killed(work, part, clips):
        if len(appended) == 3:
            raise KeyboardInterrupt
        appended.append(part)
        append(work, part, clips)

    with monkeypatch.context() as patch:
        patch.setattr(Work, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            merge_shares(raw, shares)
    assert len((shares.parent / ".out.work" / "parts.jsonl").read_bytes().splitlines()) == 1 + 3
    merge_shares(raw, shares)
    assert_same(shares, whole)


def test_a_merge_that_was_killed_among_its_last_steps_goes_on(raw, whole, shares, monkeypatch):
    removed = []

    def killed(path, *_args, **_kwargs):
        removed.append(path)
        if len(removed) == 2:
            raise KeyboardInterrupt
        shutil_rmtree(path)

    shutil_rmtree = shutil.rmtree
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            merge_shares(raw, shares)
    assert len(list(shares.parent.glob(".out.shard-*"))) == 2
    outcome = merge_shares(raw, shares)
    assert_same(shares, whole)
    again = merge_shares(raw, shares)
    assert (again.changed, again.clips.content_hash) == (outcome.changed, outcome.clips.content_hash)
    assert_same(shares, whole)


def test_what_does_not_make_a_whole_is_refused(raw, shares):
    kept = shares.parent / "kept"
    third = shares.parent / ".out.shard-3-of-3.work"
    shutil.move(third, kept)
    with pytest.raises(DataError, match=r"shard-3-of-3.work: is not there: run this share first"):
        merge_shares(raw, shares)
    shutil.copytree(kept, third)
    listed = (third / "parts.jsonl").read_text().splitlines(keepends=True)
    (third / "parts.jsonl").write_text("".join([json.dumps("other files") + "\n", *listed[1:]]))
    with pytest.raises(DataError, match="was made of other files or by another version"):
        merge_shares(raw, shares)
    shutil.rmtree(third)
    shutil.copytree(kept, third)
    with open(third / "joints.npy", "r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match="run this share again"):
        merge_shares(raw, shares)
    prepare_share(raw, shares, 0, 2)
    with pytest.raises(DataError, match="there are shares of 2 and of 3"):
        merge_shares(raw, shares)
    with pytest.raises(DataError, match="there is no share to merge"):
        merge_shares(raw, shares.parent / "another")
    assert not shares.exists()


def test_files_that_changed_are_refused(raw, shares, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(raw, changed)
    next(changed.glob("*.skeleton")).touch()
    with pytest.raises(DataError, match="was made of other files"):
        merge_shares(changed, shares)


def test_the_commands(raw, whole, tmp_path, capsys):
    out = tmp_path / "out"
    for place in (1, 2):
        code, said, _ = command_line(capsys, "prepare", raw, out, "--shard", f"{place}/2")
        assert code == 0
        assert f"share {place} of 2: 12 files read, " in said
    code, said, _ = command_line(capsys, "prepare", raw, out, "--merge")
    assert code == 1  # one file was broken
    assert "23 clips" in said
    assert_same(out, whole)
    for words, reason in (
        (["--shard", "3/2"], "--shard is '3/2': it must be i/n"),
        (["--shard", "1/2", "--merge"], "give one of them"),
        (["--shard", "1/2", "--export", "csv"], "--shard makes no dataset yet"),
    ):
        code, _, error = command_line(capsys, "prepare", raw, out, *words)
        assert code == 2
        assert reason in error
