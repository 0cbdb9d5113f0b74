"""Runs side by side, and their scores fused."""

import numpy as np
import pytest

from skelbench.pages.compare import render
from skelbench.runs import fuse
from skelbench.runs.compare import CompareError, compare
from skelbench.runs.significance import ClipScores
from tests.conftest import command_line
from tests.pages.test_run import stands_alone
from tests.runs.made_up import rescore, write_run


@pytest.fixture
def runs(tmp_path):
    write_run(tmp_path / "a", (("conmlp-supcon", 0.5), ("majority", 0.2)), test=200, synthetic=False)
    write_run(
        tmp_path / "b", (("conmlp-supcon", 0.9), ("conmlp-tcl", 0.7)), test=200, synthetic=False, threads=2
    )
    return tmp_path / "a", tmp_path / "b"


def accuracy(run, seed) -> float:
    stored = np.load(run / f"scores/conmlp-supcon-seed{seed}.npz")
    return (stored["scores"].argmax(1) == stored["label"]).mean()


def test_a_better_run_is_told_from_the_first(runs, tmp_path, capsys):
    found = compare(runs)
    rows = found.rows
    assert [(row.run, row.variant) for row in rows] == [
        ("a", "conmlp-supcon"), ("b", "conmlp-supcon"), ("b", "conmlp-tcl"), ("a", "majority"),
    ]  # fmt: skip
    assert [row.against is not None for row in rows] == [False, True, False, False]
    pair = rows[1].against
    assert pair.verdict == "b"
    shares = [np.mean([accuracy(run, seed) for seed in (0, 1)]) for run in runs]
    assert pair.difference == pytest.approx(shares[1] - shares[0])
    page = render(found)
    assert stands_alone(page)
    assert ">threads</th>" in page
    code, printed, _ = command_line(capsys, "compare", *runs, "--out", tmp_path / "compare.html")
    assert code == 0
    assert "threads: 1 | 2" in printed
    assert (tmp_path / "compare.html").read_text() == page


def test_other_data_are_refused_unless_told(runs, tmp_path):
    write_run(tmp_path / "c", dataset="other data", data_sha256="1" * 64, synthetic=False)
    with pytest.raises(CompareError, match=r"other data xview .*--anyway"):
        compare((runs[0], tmp_path / "c"))
    found = compare((runs[0], tmp_path / "c"), anyway=True)
    assert all(row.against is None for row in found.rows)
    assert "Different data or protocols" in render(found)


def test_fusion_is_the_weighted_mean(runs):
    a, b = runs
    members = fuse.parse([f"{a}:conmlp-supcon=0.25", f"{b}:conmlp-tcl=0.75"])
    fusion = fuse.fuse(members, of="logits")
    own = [
        np.load(path) for path in (a / "scores/conmlp-supcon-seed1.npz", b / "scores/conmlp-tcl-seed1.npz")
    ]
    expected = 0.25 * own[0]["scores"] + 0.75 * own[1]["scores"]
    assert fusion.seeds == (0, 1)
    assert np.allclose(fusion.fused[1].logits, expected, atol=1e-6)
    assert (fusion.fused[0].label == own[0]["label"]).all()


def test_probabilities_of_a_member_with_itself_stay_the_same(runs):
    members = fuse.parse([f"{runs[0]}:conmlp-supcon", f"{runs[0]}:conmlp-supcon=3"])
    fusion = fuse.fuse(members)
    exponent = np.exp(fusion.own[0][0].logits.astype(float))
    assert np.allclose(fusion.fused[0].logits, exponent / exponent.sum(1, keepdims=True), atol=1e-6)


def test_members_with_other_test_clips_fuse_on_the_common_ones(runs, tmp_path, capsys):
    stored = dict(np.load(runs[1] / "scores/conmlp-tcl-seed0.npz"))

    def fewer(scores):  # 30 clips of two people, say
        return ClipScores(scores.names[30:], scores.logits[30:], scores.label[30:])

    rescore(runs[1], "conmlp-tcl", 0, fewer)
    words = (f"{runs[0]}:conmlp-supcon", f"{runs[1]}:conmlp-tcl")
    code, _, error = command_line(capsys, "fuse", *words)
    assert code == 2
    assert "conmlp-tcl was tested on other clips than the rest: --common" in error
    fusion = fuse.fuse(fuse.parse(words), common=True)
    assert set(fusion.fused[0].names) == set(stored["names"][30:])
    assert len(fusion.own[0][0].names) == 170
    assert len(fusion.fused[1].names) == 200
    code, printed, _ = command_line(capsys, "fuse", *words, "--common")
    assert code == 0
    assert "170 test clips that all members have; 30 left out" in printed

    def renamed(scores):
        return ClipScores(np.char.add("other-", scores.names), scores.logits, scores.label)

    rescore(runs[1], "conmlp-tcl", 0, renamed)
    with pytest.raises(fuse.FuseError, match="none is common to all"):
        fuse.fuse(fuse.parse(words), common=True)


def test_a_run_by_itself_fuses_its_trained_variants(runs, tmp_path, capsys):
    code, printed, _ = command_line(capsys, "fuse", runs[1], "--out", tmp_path / "fused")
    assert code == 0
    assert "conmlp-supcon" in printed
    assert "fused minus" in printed
    assert np.load(tmp_path / "fused/fused-seed1.npz")["scores"].shape == (200, 4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{a}:conmlp-tcl", "{b}"], "has no conmlp-tcl; it has conmlp-supcon, majority"),
        (["{a}:conmlp-supcon=x", "{b}"], "'x' is not a number"),
        (["{a}:conmlp-supcon=-1", "{b}"], "must be above 0"),
        (["{a}:conmlp-supcon"], "two members or more"),
        (["nowhere", "{b}"], "holds no run"),
    ],
)
def test_bad_members_are_one_line(runs, words, said, capsys):
    code, _, error = command_line(capsys, "fuse", *(word.format(a=runs[0], b=runs[1]) for word in words))
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_comparing_one_run_is_one_line(runs, capsys):
    code, _, error = command_line(capsys, "compare", runs[0])
    assert code == 2
    assert error == "error: comparing needs two runs or more\n"


def test_why_rows_are_not_compared_is_said_and_none_vanishes(tmp_path, capsys):
    write_run(tmp_path / "one", (("conmlp-supcon", 0.8), ("lab row", 0.7)), seeds=(0,))
    write_run(tmp_path / "two", (("conmlp-supcon", 0.6), ("another row", 0.7)), seeds=(1,))
    out = tmp_path / "compare.html"
    code, printed, _ = command_line(capsys, "compare", tmp_path / "one", tmp_path / "two", "--out", out)
    assert code == 0
    page = out.read_text()
    for text in (printed, page):
        for row in ("conmlp-supcon", "lab row", "another row"):
            assert row in text
        assert "no common seed" in " ".join(text.split())
