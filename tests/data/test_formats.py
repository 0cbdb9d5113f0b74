"""One corpus through every format: the same clips come back, bit for bit, with what is known of them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skelbench.data import Clips, DataError, load, load_recordings, ntu, protocol, save
from skelbench.data.formats import EXPORTS
from skelbench.data.skeletons import skeleton_from
from skelbench.data.synthetic.raw import skeleton_text
from tests.conftest import make_clips
from tests.data.conftest import write_pickle


def written(form: str, clips: Clips, folder: Path) -> Path:
    """`clips` in a format; the path to load."""
    if form == "prepared":
        save(clips, folder / "prepared")
        return folder / "prepared"
    paths = EXPORTS[form](clips, folder)
    return paths[0].parent if form == "nctvm" else paths[0]


def assert_same(found: Clips, expected: Clips) -> None:
    """The same clips under the same names, in any order."""
    assert sorted(found.names.tolist()) == sorted(expected.names.tolist())
    place = {name: index for index, name in enumerate(found.names.tolist())}
    order = np.array([place[name] for name in expected.names.tolist()])
    for index, other in enumerate(order.tolist()):
        np.testing.assert_array_equal(found.clip(other), expected.clip(index))
    for key in ("label", "bodies", "subject", "camera", "setup", "replication"):
        np.testing.assert_array_equal(getattr(found, key)[order], getattr(expected, key), err_msg=key)
    for key in ("class_names", "skeleton", "max_bodies", "length", "synthetic", "dataset", "unit"):
        assert getattr(found, key) == getattr(expected, key), key


ALL = ("prepared", *EXPORTS)


def need(form: str) -> None:
    if form == "hdf5":
        pytest.importorskip("h5py", reason="the extra hdf5 is not installed")


@pytest.fixture(scope="module")
def ntu_corpus(corpus) -> Clips:
    """The corpus as NTU RGB+D would be."""
    return replace(
        corpus, synthetic=False, dataset=ntu.NTU_60, class_names=ntu.class_names(60), length=ntu.LENGTH
    )


@pytest.mark.parametrize("form", ALL)
def test_ntu_through_every_format(form, ntu_corpus, tmp_path):
    need(form)
    found = load(written(form, ntu_corpus, tmp_path))
    assert_same(found, ntu_corpus)
    assert len(protocol(found, "xview").test) > 0
    # Nothing is held in two ways: what was read writes the same again.
    again = load(written(form, found, tmp_path / "again"))
    assert_same(again, found)


@pytest.mark.parametrize("form", ALL)
def test_made_up_data_stay_made_up(form, corpus, tmp_path):
    need(form)
    expected = replace(corpus, length=ntu.LENGTH) if form == "csv" else corpus
    path = written(form, corpus, tmp_path)
    found = load(path)
    assert found.synthetic
    assert found.dataset == "synthetic"
    assert not protocol(found, "xview").official
    if form == "csv":
        # The form has no place for the length of a padded row.
        expected = replace(expected, length=found.length)
    if form == "nctvm":
        found = replace(found, class_names=corpus.class_names)
    assert_same(found, expected)
    if path.is_file() and form == "pyskl":
        assert "synthetic-S001C001P001R001A001" in str(path.read_bytes())


@pytest.mark.parametrize("form", ["prepared", "pyskl", "ragged", "hdf5", "csv"])
def test_own_data_through_every_format(form, tmp_path):
    need(form)
    half = np.arange(48)
    clips = replace(
        make_clips(bodies=2),
        parts={"train": half[:30], "val": half[30:36], "test": half[36:]},
        splits={"file": (half[:30], half[36:])},
        validation={"file": half[30:36]},
        dataset="tiny",
    )
    found = load(written(form, clips, tmp_path))
    expected = clips
    if form == "csv":
        # Bones have no place in the form.
        expected = replace(clips, skeleton=skeleton_from(clips.skeleton.joint_names, ()))
    assert_same(found, expected)
    split = protocol(found, "file")
    assert (len(split.train), len(split.validation), len(split.test)) == (30, 6, 12)
    assert found.names[split.validation].tolist() == clips.names[30:36].tolist()


# --- bodies


def comes_and_goes() -> list[np.ndarray]:
    """Clips (T, 2, 25, 3): two people; a body that is never there; an id that changes; one that comes late; a copy."""
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 1, (25, 3)) * [0.1, 0.4, 0.1]
    walk = np.cumsum(rng.normal(0, 0.02, (30, 1, 3)), axis=0)
    one = pose + walk + [0, 0, 3]
    other = pose * [1.1, 0.9, 1] - walk / 2 + [0.8, 0, 3]
    # Of as many digits as a text file gives back.
    both = (np.round(np.stack([one, other], axis=1) * 4096) / 4096).astype(np.float32)
    never, changed, late, copy = (both.copy() for _ in range(4))
    never[:, 1] = 0
    changed[14:, 0], changed[:14, 1] = 0, 0
    late[:18, 1] = 0
    copy[:, 1] = copy[:, 0]
    return [both, never, changed, late, copy, never[:, ::-1].copy()]


BODIES = (2, 1, 1, 2, 1, 1)


def arrays_of(blocks: list[np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    return {
        "x": np.concatenate(blocks),
        "offsets": np.cumsum([0, *map(len, blocks)]),
        "label": np.arange(len(blocks)) % 2,
        "names": np.array(names),
        "class_names": np.array(["a", "b"]),
        "joint_names": np.array(ntu.NTU_25.joint_names),
        "edges": np.array(ntu.NTU_25.edges),
    }


def test_one_definition_of_a_body(tmp_path):
    """Padded forms of the same blocks, none of them tidy: the same bodies, the same bits."""
    blocks = comes_and_goes()
    names = [f"clip{number}" for number in range(len(blocks))]
    np.savez(tmp_path / "ragged.npz", **arrays_of(blocks, names))
    label = np.arange(len(blocks)) % 2
    annotations = [
        {"frame_dir": name, "label": int(what), "keypoint": block.transpose(1, 0, 2, 3)}
        for name, what, block in zip(names, label, blocks, strict=True)
    ]
    write_pickle(tmp_path / "own.pkl", annotations)
    padded = np.zeros((len(blocks), 60, 2, 25, 3), dtype=np.float32)
    for row, block in zip(padded, blocks, strict=True):
        row[: len(block)] = block
    rows = padded.reshape(len(blocks), 60, 150)
    np.savez(tmp_path / "own.npz", x_train=rows[:4], y_train=label[:4], x_test=rows[4:], y_test=label[4:])
    (tmp_path / "npy").mkdir()
    np.save(tmp_path / "npy" / "train_data_joint.npy", padded.transpose(0, 4, 1, 3, 2))
    write_pickle(tmp_path / "npy" / "train_label.pkl", (names, label.tolist()))
    with open(tmp_path / "own.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["clip", "frame", "body", "joint", "x", "y", "z", "label"])
        for name, what, block in zip(names, label, blocks, strict=True):
            for frame, body in np.argwhere(block.any(axis=(2, 3))).tolist():
                for joint, xyz in enumerate(block[frame, body]):
                    table.writerow([name, frame, f"id{body}", joint, *map(str, xyz), what])
    found = [load(tmp_path / name) for name in ("ragged.npz", "own.pkl", "own.npz", "npy", "own.csv")]
    for clips in found:
        assert tuple(clips.bodies) == BODIES, clips.source
        for index in range(len(blocks)):
            np.testing.assert_array_equal(clips.clip(index), found[0].clip(index), err_msg=clips.source)
        assert clips.max_bodies == 2
        assert any("1 clips: a body that appears after another has left" in note for note in clips.notes)
    merged = found[0].clip(2)
    np.testing.assert_array_equal(merged[:14, 0], blocks[2][:14, 0])
    np.testing.assert_array_equal(merged[14:, 0], blocks[2][14:, 1])
    # A folder that an earlier version wrote holds second bodies that are never there.
    untidy = found[0]
    packed = np.concatenate([block.reshape(-1, 25, 3) for block in blocks])
    offsets = np.cumsum([0, *(2 * len(block) for block in blocks)])
    save(replace(untidy, joints=packed, offsets=offsets, bodies=np.full(6, 2)), tmp_path / "old")
    again = load(tmp_path / "old")
    assert tuple(again.bodies) == BODIES
    np.testing.assert_array_equal(again.joints, untidy.joints)
    assert any("4 clips had bodies" in note for note in again.notes)


def test_raw_recordings_are_the_same_people(tmp_path):
    """The tracker's ids in .skeleton files: `prepare`, `load_recordings` and padded forms agree."""
    pytest.importorskip("skelbench.data._skeleton_file", reason="the extension is not built")
    from skelbench.prepare.pipeline import prepare

    blocks = comes_and_goes()[:4]
    names = [f"S001C{1 + number % 2:03d}P001R001A{number:03d}" for number in range(1, 5)]
    names.sort()
    (tmp_path / "raw").mkdir()
    for name, block in zip(names, blocks, strict=True):
        frames = [
            [(70 + body, block[t, body]) for body in range(2) if block[t, body].any()] for t in range(30)
        ]
        (tmp_path / "raw" / f"{name}.skeleton").write_text(skeleton_text(frames))
    prepared = prepare(tmp_path / "raw", tmp_path / "out").clips
    assert prepared.bodies.tolist() == [2, 1, 1, 2]
    recorded = load_recordings(sorted((tmp_path / "raw").iterdir()))
    assert_same(replace(recorded, class_names=prepared.class_names), prepared)
    for form in ("ctrgcn", "pyskl", "ragged", "csv"):
        assert_same(load(written(form, prepared, tmp_path / form)), prepared)


def test_a_body_of_nan_alone_is_bad_data(tmp_path):
    block = comes_and_goes()[0]
    spoilt = block.copy()
    spoilt[5:9, 1] = np.nan
    np.savez(tmp_path / "a.npz", **arrays_of([spoilt, block], ["a", "b"]))
    with pytest.raises(DataError, match=r"1 with NaN or infinite coordinates.: a;"):
        load(tmp_path / "a.npz")
    assert load(tmp_path / "a.npz", drop_bad=True).names.tolist() == ["b"]


def test_frames_without_a_body_at_the_ends(tmp_path):
    block = comes_and_goes()[1][:, :1].copy()
    block[:3], block[-4:], block[10] = 0, 0, 0
    np.savez(tmp_path / "a.npz", **arrays_of([block, block[3:-4]], ["a", "b"]))
    clips = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(clips.clip(0), clips.clip(1))
    assert any("1 clips begin or end in frames without a body: 7 frames" in note for note in clips.notes)
    assert not clips.clip(0)[7].any()
