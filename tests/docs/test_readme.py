"""The result tables of the README and the docs come from results/, and are not stale."""

import shutil

import pytest

from skelbench.pages import readme
from skelbench.pages.readme import ROOT, TableError, main, markdown, written
from skelbench.runs.results import Results, RunError
from tests.docs.pages import need_sources

need_sources()

KEPT = sorted((ROOT / "results").glob("*/results.json"))
FIXTURE = ROOT / "tests" / "fixtures" / "run-0.1.0" / "results.json"


def test_no_table_is_stale(capsys):
    assert main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_a_kept_result_is_small_and_whole(path):
    assert path.stat().st_size < 450_000
    results = Results.load(path)
    assert not results.failures
    assert not results.info.synthetic
    assert results.info.git_revision
    assert not results.info.git_revision.endswith("+changes")
    named = " ".join((ROOT / page).read_text(encoding="utf-8") for page in readme.PAGES)
    assert f" {path.parent.name} " in named, "no page shows this run"


@pytest.fixture
def runs(tmp_path):
    """A folder with one run, called `tiny`."""
    (tmp_path / "tiny").mkdir()
    shutil.copy(FIXTURE, tmp_path / "tiny")
    return tmp_path


def test_a_table_is_made_from_a_run(runs):
    page = "before\n<!-- results: tiny -->\nold\n<!-- end -->\nafter\n"
    text = written(page, runs, "page.md")
    assert text.startswith("before\n<!-- results: tiny -->\n")
    assert text.endswith("\n<!-- end -->\nafter\n")
    assert "old" not in text
    results = Results.load(FIXTURE)
    assert results.info.command in text
    for row, scores in results.rows():
        assert f"| {row.key} | {100 * scores[0].top1:.1f}" in text
    assert written(text, runs, "page.md") == text


def test_runs_stand_side_by_side(runs):
    results = Results.load(FIXTURE)
    text = markdown([results, results])
    row = next(line for line in text.splitlines() if line.startswith("| majority"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == cells[3:5]
    assert text.count(results.info.command) == 2


def test_what_a_released_sampler_yields_has_its_own_columns():
    results = Results.load(FIXTURE)
    results.info.settings["sampling"] = "conmlp60"
    results.scores[0].released_score = 0.27
    text = markdown([results])
    assert "training clips seen" in text
    assert "27.0" in text


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<!-- results: tiny -->\nno end\n", "page.md: a <!-- results: ... --> has no <!-- end -->"),
        ("<!-- results: tiny -->\n<!-- results: tiny -->\n<!-- end -->\n", "has no <!-- end -->"),
        ("<!-- results:  -->\n<!-- end -->\n", "names no run"),
    ],
)
def test_a_marker_that_cannot_be_used_is_named(page, said, runs):
    with pytest.raises(TableError, match=said.replace(".", r"\.")):
        written(page, runs, "page.md")


def test_a_run_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RunError, match="nothing"):
        written("<!-- results: nothing -->\n<!-- end -->\n", tmp_path, "page.md")


def test_a_stale_page_is_said_and_mended(runs, tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text("<!-- results: tiny -->\n<!-- end -->\n")
    (tmp_path / "results").symlink_to(runs)
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    monkeypatch.setattr(readme, "PAGES", ("page.md",))
    assert main(["--check"]) == 1
    assert "page.md is stale" in capsys.readouterr().out
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert main(["--chekc"]) == 2
