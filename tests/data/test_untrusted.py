"""Files that are damaged or meant to do harm: a DataError of one line that names the file, never another exception."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from skelbench.data import DataError, load, load_recordings, save
from skelbench.data.formats import EXPORTS
from skelbench.data.formats.ucla_json import write_ucla
from skelbench.errors import SkelbenchError
from skelbench.prepare.check import check
from skelbench.prepare.raw import BAD_NAME, scan
from tests.conftest import make_clips
from tests.data.conftest import pyskl_content, ragged_arrays, write_pickle, write_ragged

# What a JSON field can be that it should not be.
WRONG = (
    None,
    True,
    -1,
    1.5,
    10**30,
    "text",
    "",
    [],
    [[]],
    [None],
    {},
    {"a": {"b": []}},
    [[1, 2, 3]],
    "\x00",
    float("nan"),
)


def refused(path: Path, act=load) -> str | None:
    """The message of the DataError, None where `act` takes the file; any other exception is a failure."""
    try:
        act(path)
    except DataError as error:
        message = str(error)
    else:
        return None
    assert "\n" not in message
    return message


def test_the_error_of_the_layer():
    assert issubclass(DataError, SkelbenchError)
    assert issubclass(DataError, ValueError)


# --- meta.json of a prepared folder


def test_every_field_of_meta_json(tmp_path, corpus):
    folder = tmp_path / "data"
    save(corpus, folder)
    meta = json.loads((folder / "meta.json").read_text())
    clips = load(folder)
    assert refused(folder) is None
    fields = [(key,) for key in meta] + [("skeleton", key) for key in meta["skeleton"]]
    refusals = 0
    for path in fields:
        for value in (*WRONG, ...):
            changed = json.loads(json.dumps(meta))
            at = changed
            for key in path[:-1]:
                at = at[key]
            if value is ...:
                del at[path[-1]]
            else:
                at[path[-1]] = value
            (folder / "meta.json").write_text(json.dumps(changed))
            for act in (load, check):
                message = refused(folder, act)
                refusals += message is not None
                assert message is None or str(folder) in message
    assert refusals > len(fields) * len(WRONG)
    (folder / "meta.json").write_text(json.dumps(meta))
    assert load(folder).content_hash == clips.content_hash


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", "[" * 100_000, '{"format": "skelbench clips"}', "\x00", "{}" * 2]
)
def test_meta_json_that_is_none(tmp_path, corpus, text):
    save(corpus, tmp_path / "data")
    (tmp_path / "data" / "meta.json").write_text(text)
    assert "meta.json" in (refused(tmp_path / "data") or "") or "format version" in (
        refused(tmp_path / "data") or ""
    )


def test_splits_that_lead_out_of_the_folder(tmp_path, corpus):
    save(corpus, tmp_path / "data")
    np.save(tmp_path / "secret.npy", np.arange(3))
    meta = json.loads((tmp_path / "data" / "meta.json").read_text())
    meta["splits"] = [["../secret", "part", "a"]]
    (tmp_path / "data" / "meta.json").write_text(json.dumps(meta))
    assert "'splits' has the entry" in (refused(tmp_path / "data") or "")


# --- any file, any damage


def files(tmp_path, corpus):
    """A small file of every format."""
    small = corpus.select(np.arange(6))
    found = []
    for form, write in EXPORTS.items():
        if form == "hdf5":
            pytest.importorskip("h5py", reason="the extra hdf5 is not installed")
        found += write(small, tmp_path / form)
    ucla = make_clips(clips=2, joints=20)
    found += write_ucla(ucla, tmp_path / "ucla")
    save(small, tmp_path / "prepared")
    found += [
        tmp_path / "prepared" / f"{key}.npy" for key in ("joints", "offsets", "bodies", "label", "names")
    ]
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_damaged_files(tmp_path, corpus):
    """Cut at any place, with bytes changed, doubled or of another kind: taken, or refused in one line."""
    rng = random.Random(0)
    for path in files(tmp_path, corpus):
        content = path.read_bytes()
        target = path.parent if path.suffix == ".npy" or path.parent.name in ("all_sqe", "prepared") else path
        for attempt in range(24):
            data = bytearray(content)
            kind = attempt % 4
            if kind == 0:
                del data[rng.randrange(min(len(data), 2000 if attempt % 8 else len(data))) :]
            elif kind == 1:
                for _ in range(rng.randrange(1, 20)):
                    data[rng.randrange(min(len(data), 600))] = rng.randrange(256)
            elif kind == 2:
                for _ in range(rng.randrange(1, 20)):
                    data[-rng.randrange(1, min(len(data), 900))] = rng.randrange(256)
            else:
                begin = rng.randrange(len(data))
                data[begin : begin + rng.randrange(50)] = rng.randbytes(rng.randrange(50))
            path.write_bytes(data)
            refused(target)
        path.write_bytes(content)


def npz_with(path: Path, key: str, header: dict, body: bytes = b"", **arrays: np.ndarray) -> Path:
    """An npz whose member `key` has a header of its own."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(f"{name}.npy", buffer.getvalue())
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, header)
        archive.writestr(f"{key}.npy", buffer.getvalue() + body)
    return path


@pytest.mark.parametrize(
    "shape", [(10**13, 2, 25, 3), (2**63, 2, 25, 3), (4, 2, 25, 3), (10**6, 10**6, 25, 3)]
)
def test_absurd_headers(tmp_path, corpus, shape):
    arrays = ragged_arrays(corpus)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    del arrays["x"]
    path = npz_with(tmp_path / "a.npz", "x", header, b"\x00" * 64, **arrays)
    assert "array 'x' cannot be read: its header claims" in (refused(path) or "")


def test_a_zip_bomb(tmp_path, corpus):
    arrays = ragged_arrays(corpus)
    del arrays["label"]
    header = {"descr": "<i8", "fortran_order": False, "shape": (1 << 28,)}
    path = npz_with(tmp_path / "a.npz", "label", header, bytes(1 << 20) * 16, **arrays)
    # 2 GB that are said to be there; what is there is not looked at.
    with zipfile.ZipFile(path, "a") as archive:
        archive.getinfo("label.npy").file_size = (1 << 31) + 128
        archive._didModify = True
    assert "array 'label' cannot be read" in (refused(path) or "")


def test_objects_are_not_unpickled(tmp_path, corpus):
    for key in ("x", "label", "names", "class_names", "joint_names", "edges", "offsets"):
        array = np.array([Harmful()] * 72, dtype=object)
        path = write_ragged(tmp_path / "a.npz", corpus, **{key: array})
        assert f"'{key}'" in (refused(path) or "")


class Harmful:
    def __reduce__(self):
        return os.system, ("touch harmed",)


@pytest.mark.parametrize(
    "content",
    [
        None,
        5,
        "text",
        [],
        [None],
        {"split": {}, "annotations": None},
        {"split": [], "annotations": [{}]},
        {"split": {"train": 5}, "annotations": "good"},
        {"split": {"train": [5]}, "annotations": "good"},
        {"split": {}, "annotations": "good", "class_names": 5},
        {"split": {}, "annotations": "good", "dataset": 5},
        {"split": {}, "annotations": "good", "joint_names": ["a"], "edges": []},
        {"split": {}, "annotations": "good", "joint_names": 5, "edges": [[0]]},
        {"split": {}, "annotations": "good", "length": "long"},
    ],
)
def test_pickles_of_another_shape(tmp_path, corpus, content):
    if isinstance(content, dict) and content["annotations"] == "good":
        content = {**content, "annotations": pyskl_content(corpus)["annotations"]}
    assert str(tmp_path) in (refused(write_pickle(tmp_path / "a.pkl", content)) or "")


@pytest.mark.parametrize("key", ["frame_dir", "label", "keypoint", "keypoint_score", "img_shape", "subject"])
def test_annotations_of_another_shape(tmp_path, corpus, key):
    values = [
        *WRONG,
        np.array(["a"], dtype=object),
        np.zeros((1, 2, 25, 0)),
        np.zeros((0, 0, 25, 3)),
        np.zeros((1, 2, 25, 2)),
    ]
    for value in values:
        content = pyskl_content(corpus)["annotations"][:3]
        if key in ("keypoint_score", "img_shape"):
            for annotation in content:
                annotation["keypoint"] = annotation["keypoint"][..., :2]
        content[1] = {**content[1], key: value}
        refused(write_pickle(tmp_path / "a.pkl", content))


def test_another_librarys_words_are_quoted_in_one_line(tmp_path):
    (tmp_path / "a.pkl").write_bytes(
        b"Pnobody\n."
    )  # which asks for a persistent object: two lines in CPython
    assert "\n" not in (refused(tmp_path / "a.pkl") or "\n")


def test_nested_and_endless_pickles(tmp_path):
    deep: list = []
    for _ in range(200):
        deep = [deep]
    assert refused(write_pickle(tmp_path / "a.pkl", deep))
    (tmp_path / "b.pkl").write_bytes(b"\x80\x04" + b"(" * 100_000 + b".")
    assert refused(tmp_path / "b.pkl")
    # A length of 2^62 bytes.
    (tmp_path / "c.pkl").write_bytes(b"\x80\x04\x8e" + (1 << 62).to_bytes(8, "little") + b"abc")
    assert refused(tmp_path / "c.pkl")


def test_label_pickles_of_another_shape(tmp_path):
    np.save(tmp_path / "train_data.npy", np.ones((4, 3, 6, 17, 1), np.float32))
    assert "train_label.pkl: is missing" in (refused(tmp_path) or "")
    for content in (
        *WRONG,
        (["a"] * 4, [0] * 3),
        (["a"] * 4, ["0"] * 4),
        (4, 4),
        ([None] * 4, [10**30] * 4),
        {"a": 1, "b": 2},
    ):
        write_pickle(tmp_path / "train_label.pkl", content)
        assert "train_label.pkl" in (refused(tmp_path) or "")
    for array in (
        np.zeros((4, 3, 6, 17)),
        np.zeros((4, 4, 6, 17, 1)),
        np.zeros((4, 3, 6, 0, 1)),
        np.array([pickle] * 0, dtype=object),
    ):
        np.save(tmp_path / "train_data.npy", array, allow_pickle=True)
        assert "train_data.npy" in (refused(tmp_path) or "")


@pytest.mark.parametrize(
    "value", [*WRONG, [[[1, 2]] * 20], [[["a"] * 3] * 20], [[[1e99] * 3] * 20], [[[1, 2, 3]] * 19]]
)
def test_json_of_another_shape(tmp_path, value):
    for key in ("skeletons", "label", "file_name"):
        content = {
            "file_name": "a01_s01_e00_v01",
            "skeletons": [[[1, 2, 3]] * 20] * 3,
            "label": 1,
            key: value,
        }
        (tmp_path / "a01_s01_e00_v01.json").write_text(json.dumps(content))
        message = refused(tmp_path)
        assert message is None or str(tmp_path) in message


# --- what is no file, and names that cannot be shown


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "null.skeleton").symlink_to("/dev/zero")
    (tmp_path / "dangling.npz").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.npz").symlink_to(tmp_path / "loop.npz")
    assert "is no regular file" in (refused(tmp_path / "pipe.npz") or "")
    assert "is no regular file" in (refused(tmp_path / "null.skeleton") or "")
    assert refused(tmp_path / "dangling.npz")
    assert refused(tmp_path / "loop.npz")
    assert "is no regular file" in (
        refused(tmp_path / "null.skeleton", lambda path: load_recordings([path])) or ""
    )


def test_raw_folders_with_other_things_in_them(tmp_path):
    """A sparse file of 3 GB, a device, a loop of folders, names that cannot be shown: named, and left out."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "S001C001P001R001A001.skeleton").write_text("0\n")
    with open(raw / "S001C001P001R001A002.skeleton", "wb") as file:
        file.truncate(3 << 30)
    (raw / "S001C001P001R001A003.skeleton").symlink_to("/dev/zero")
    os.mkfifo(raw / "S001C001P001R001A004.skeleton")
    (raw / "again").symlink_to(raw, target_is_directory=True)
    (raw / "S001\x1b[31mred\n.skeleton").write_text("0\n")
    (raw / os.fsdecode(b"S\xff.skeleton")).write_text("0\n")
    (raw / "missing.txt").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"missing\.txt: is no regular file"):
        scan(raw)
    (raw / "missing.txt").unlink()
    (raw / "my_missing_values.txt").write_text("none that we know of\n")
    found = scan(raw)
    assert found.names == ["S001C001P001R001A001"]
    reasons = {record.name: record.reason for record in found.dropped}
    assert len(reasons) == 5
    assert "holds 3,221,225,472 bytes" in reasons["S001C001P001R001A002"]
    assert "is no regular file" in reasons["S001C001P001R001A003"]
    assert "is no regular file" in reasons["S001C001P001R001A004"]
    assert [reason for name, reason in reasons.items() if "\\x" in name or "\\u" in name] == [BAD_NAME] * 2
    assert all(name.isprintable() for name in reasons)
    assert "my_missing_values.txt names no clip" in found.notes[0]


def test_a_synthetic_marker_that_is_none(tmp_path):
    (tmp_path / "S001C001P001R001A001.skeleton").write_text("0\n")
    for text in ("", "[]", '{"class_names": 5}', '{"class_names": [1]}', "[" * 100_000):
        (tmp_path / "synthetic.json").write_text(text)
        with pytest.raises(DataError, match=r"synthetic\.json"):
            scan(tmp_path)


def test_the_marker_of_a_folder_inside(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "S001C001P001R001A001.skeleton").write_text("0\n")
    (tmp_path / "inside" / "synthetic.json").write_text('{"class_names": ["a"]}')
    assert scan(tmp_path).class_names == ("a",)


def test_clip_names_of_control_characters(tmp_path, corpus):
    names = np.array([f"clip{index}" for index in range(72)])
    names[4] = "a\x1b[2Jb"
    message = refused(write_ragged(tmp_path / "a.npz", corpus, names=names))
    assert message is not None
    assert message.isprintable()
    assert "1 with a name that cannot be shown" in message
    clips = load(tmp_path / "a.npz", drop_bad=True)
    assert all(note.isprintable() for note in clips.notes)
    assert all(record.name.isprintable() for record in clips.dropped)
