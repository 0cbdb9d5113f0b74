"""`skelbench probe`: somebody else's features, scored by the probes of our own rows."""

import shlex

import numpy as np
import pytest

import skelbench
import skelbench.data
from skelbench.data.features import feature_rows, features_of, read_features
from skelbench.eval import Settings, probe, run
from skelbench.eval.metrics import knn1
from skelbench.pages.run import render
from skelbench.runs.folder import RunFolder
from tests.conftest import command_line, config_of, make_clips

N = 60


def arrays(width=8, seed=0, **changes):
    """Features that tell two of three classes apart, with every array that a file may have."""
    rng = np.random.default_rng(seed)
    number = np.arange(N)
    label = number % 3
    values = rng.normal(0, 1, (N, width)) + 3.0 * np.eye(3, width)[np.minimum(label, 1)]
    found = dict(
        features=values, labels=label, split=np.where(number < 40, "train", "test"),
        camera=1 + number // 3 % 2, subject=1 + number // 3 % 4,
        names=np.array([f"clip{i:02}" for i in number]), class_names=np.array(["sit", "stand", "wave"]),
    )  # fmt: skip
    found |= changes
    return {name: array for name, array in found.items() if array is not None}


def file(folder, **changes):
    path = folder / "theirs.npz"
    np.savez(path, **arrays(**changes))
    return path


QUICK = Settings.preset("quick", probe_epochs=5)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The representations that a run of ours stored, as somebody else's features, and the run."""
    folder = tmp_path_factory.mktemp("probe")
    clips = make_clips()
    skelbench.data.save(clips, folder / "data")
    options = dict(epochs=3, probe_epochs=5, stream_epochs=2, batch_size=16, threads=1, device="cpu")
    run(config_of(
        data=folder / "data", out=folder / "run", variants=("random-encoder", "resampled-linear"), **options
    ))  # fmt: skip
    for key in ("random-encoder", "resampled-linear"):
        values = skelbench.load(folder / "run", key).represent(folder / "data")
        columns = {name: getattr(clips, name) for name in ("camera", "subject", "names")}
        np.savez(folder / f"{key}.npz", features=values, labels=clips.label, **columns)
    return folder


@pytest.mark.parametrize(("key", "row"), [("random-encoder", "linear"), ("resampled-linear", "penalised")])
def test_the_probes_are_those_of_our_rows(base, key, row, tmp_path):
    results = probe(base / f"{key}.npz", "xview", settings=QUICK, threads=1, out=tmp_path / "run")
    (theirs,), (ours,) = results.of(f"{key}-{row}"), RunFolder(base / "run").load().of(key)
    assert theirs.n_test == ours.n_test
    assert theirs.knn1 == pytest.approx(ours.knn1, abs=1 / 24)
    stored = [
        np.load(folder / "scores" / f"{name}-seed0.npz")
        for folder, name in ((tmp_path / "run", f"{key}-{row}"), (base / "run", key))
    ]
    np.testing.assert_array_equal(stored[0]["names"], stored[1]["names"])
    np.testing.assert_allclose(stored[0]["scores"], stored[1]["scores"], atol=2e-3)


def test_from_an_npz_to_a_page_in_one_command(tmp_path, capsys):
    out = tmp_path / "run"
    code, printed, _ = command_line(
        capsys, "probe", file(tmp_path), "--seeds", "0,1", "--probe-epochs", 5, "--threads", 1, "--out", out
    )
    assert code == 0
    for row in ("theirs-linear", "theirs-penalised", "majority"):
        assert row in printed
    results = RunFolder(out).load()
    assert (results.info.n_train, results.info.n_test, results.info.protocol) == (40, 20, "file")
    assert results.info.class_names == ["sit", "stand", "wave"]
    assert len(results.scores) == 6
    values, label = arrays()["features"].astype(np.float32), arrays()["labels"]
    expected = knn1(values[:40], label[:40], values[40:], label[40:])
    assert {score.knn1 for score in results.of("theirs-linear")} == {expected}
    assert results.of("theirs-linear")[0].training_parameters == 8 * 3 + 3
    page = (out / "report.html").read_text()
    assert "Features" in page
    # What a probe costs is not what its features cost.
    assert "No variant that was trained here has a cost." in page
    assert "chosen on 5 folds of the training clips that hold out" in page
    assert "No test clip is misclassified" not in page
    assert render(results, RunFolder(out)) == page
    # The recorded command makes the same scores again.
    words = shlex.split(results.info.command)
    assert words[:2] == ["skelbench", "probe"]
    words[words.index("--out") + 1] = str(tmp_path / "again")
    assert command_line(capsys, *words[1:])[0] == 0
    again = RunFolder(tmp_path / "again").load()
    assert [s.scores_sha256 for s in again.scores] == [s.scores_sha256 for s in results.scores]


@pytest.mark.parametrize(
    ("option", "value", "row"),
    [
        ("probe-epochs", "7", "linear"),
        ("probe-batch-size", "9", "linear"),
        ("probe-lr", "0.003", "linear"),
        ("seeds", "5", "linear"),
    ],
)
def test_an_option_of_the_probe_changes_the_scores(option, value, row, tmp_path, capsys):
    path, hashes = file(tmp_path), []
    for place, words in enumerate(([], [f"--{option}", value])):
        out = tmp_path / str(place)
        assert command_line(capsys, "probe", path, "xview", "--threads", 1, "--out", out, *words)[0] == 0
        hashes.append(RunFolder(out).load().of(f"theirs-{row}")[0].scores_sha256)
    assert hashes[0] != hashes[1]


def test_name_and_group_say_what_the_rows_are(tmp_path, capsys):
    words = ("--name", "MAMP, pre-trained", "--group", "supervised", "--out", tmp_path / "run", "--quiet")
    code, printed, _ = command_line(capsys, "probe", file(tmp_path), *words)
    assert (code, printed) == (0, "")
    row = RunFolder(tmp_path / "run").load().variants[0]
    assert (row.key, row.title) == ("MAMP-pre-trained-linear", "MAMP, pre-trained, linear probe")
    assert (row.group, row.family, row.table) == ("supervised", "features", "Features")


@pytest.mark.parametrize(
    ("changes", "protocol", "parts"),
    [
        (dict(split=np.where(np.arange(N) < 40, 0, 1)), "file", (40, 20)),
        (dict(split=np.array(["train", "validation", "test"] * 20)), "file", (20, 20)),
        (dict(split=None, train=np.arange(10), test=np.arange(10, 30)), "file", (10, 20)),
        (dict(split=None), "xview", (30, 30)),
        (dict(), "xsub", (30, 30)),
        (
            dict(dataset=np.array("NTU RGB+D"), class_names=None),
            "xsub",
            (45, 15),
        ),  # official: 1, 2 and 4 of these
    ],
)
def test_every_way_of_saying_who_trains(changes, protocol, parts, tmp_path):
    results = probe(file(tmp_path, **changes), protocol, settings=QUICK, out=tmp_path / "run")
    assert (results.info.n_train, results.info.n_test) == parts


def test_folds_and_names_of_classes_as_labels(tmp_path):
    path = file(tmp_path, labels=np.array(["b", "a", "c"] * 20), class_names=None, split=None)
    results = probe(path, "loso", settings=QUICK, out=tmp_path / "run")
    assert results.info.class_names == ["a", "b", "c"]
    assert len(results.of("theirs-linear")) == 4
    assert any(
        line.startswith("theirs-penalised, seed 0, subject 3: penalty") for line in results.info.caveats
    )


def test_arrays_in_memory(tmp_path):
    given = arrays()
    clips = features_of(
        given["features"], given["labels"], parts={"train": np.arange(40), "test": np.arange(40, N)}
    )
    results = probe(clips, seeds=3, settings=QUICK, out=tmp_path / "run")
    assert {score.seed for score in results.scores} == {3}
    assert not results.failures


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
def test_features_come_back_as_they_were(width, tmp_path):
    given = (
        arrays(width=width)
        if width >= 3
        else arrays(features=np.random.default_rng(0).normal(size=(N, width)))
    )
    np.savez(tmp_path / "f.npz", **given)
    np.testing.assert_array_equal(
        feature_rows(read_features(tmp_path / "f.npz")), given["features"].astype("f4")
    )


@pytest.mark.parametrize(
    ("changes", "protocol", "message"),
    [
        (dict(features=None), "file", "has no array 'features'; it has labels, split"),
        (dict(labels=None), "file", "has no array 'labels'"),
        (dict(features=np.zeros((N, 2, 3))), "file", r"'features' is float64 \(60, 2, 3\), expected numbers"),
        (dict(features=np.full((N, 3), "a")), "file", r"'features' is <U1 .*expected numbers"),
        (dict(labels=np.arange(5)), "file", "'labels' is int64 .*expected 60 whole numbers or names"),
        (dict(labels=np.arange(N) % 3 - 1), "file", "'labels' holds -1 for clip 0"),
        (
            dict(features=np.where(np.arange(N)[:, None] == 7, np.nan, np.ones((N, 3)))),
            "file",
            "first clip07",
        ),
        (dict(features=np.full((N, 3), 1e300)), "file", "beyond float32"),
        (dict(names=np.full(N, "x")), "file", "'names' must be 60 different texts"),
        (dict(split=np.arange(5)), "file", "'split' has shape"),
        (dict(camera=np.arange(5)), "xview", "'camera' has shape"),
        (dict(split=None), "file", "has no protocol file; it has xsub, xview"),
        (
            dict(split=None, camera=None, subject=None),
            "xview",
            "neither a split of its own, cameras nor subjects",
        ),
    ],
)
def test_bad_input_is_one_line_that_names_the_array(changes, protocol, message, tmp_path):
    path = file(tmp_path, **changes)
    with pytest.raises(skelbench.SkelbenchError, match=message) as error:
        probe(path, protocol, settings=QUICK, out=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert "theirs.npz" in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_npz_is_one_line(tmp_path, capsys):
    for name, content in (("a.npz", b"not a zip"), ("b.npz", b"")):
        (tmp_path / name).write_bytes(content)
        code, _, error = command_line(capsys, "probe", tmp_path / name)
        assert code == 2
        assert error.count("\n") == 1
    code, _, error = command_line(capsys, "probe", tmp_path / "missing.npz")
    assert code == 2
    assert "no such file; expected an npz with features, labels and a split" in error


def test_an_unknown_group_is_refused(tmp_path):
    with pytest.raises(skelbench.SkelbenchError, match="--group is 'mine': it must be one of"):
        probe(file(tmp_path), group="mine")


def test_the_help_teaches_the_format(capsys):
    code, printed, _ = command_line(capsys, "probe", "--help")
    assert code == 0
    for word in ("features", "labels", "split", "camera", "subject", "np.savez", "names"):
        assert word in printed
