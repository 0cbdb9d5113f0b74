"""What `--evaluate` found stands in the page, in report.md and on the terminal, from the same table."""

import io

import pytest
from rich.console import Console

from skelbench.cli.terminal import Terminal
from skelbench.pages.markdown import markdown
from skelbench.pages.protocols import READING
from skelbench.pages.run import render
from skelbench.runs.evaluations import Evaluation
from skelbench.runs.folder import RunFolder
from tests.runs.made_up import write_run


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    """Two rows with two seeds; one protocol with draws, one whose words differ."""
    results = write_run(tmp_path / "run", (("conmlp-supcon", 0.8), ("tcn+graph-tcn", 0.9)))
    for seed in (0, 1):
        own = dict(seed=seed, n_test=60)
        results.evaluations += [
            Evaluation(
                "conmlp-supcon", protocol="linear", top1=0.5 + 0.1 * seed, words=f"penalty {seed}", **own
            ),
            Evaluation(
                "conmlp-supcon", protocol="semi:0.01", top1=0.3, draws=[0.2, 0.4], words="two lists", **own
            ),
            Evaluation("tcn+graph-tcn", protocol="linear", top1=0.75, words="penalty 0", **own),
        ]
    found = RunFolder(tmp_path / "run")
    results.save(found.results)
    return found


def test_markdown_has_the_table_and_how_each_was_done(folder):
    text = markdown(folder.load())
    section = text.split("## Further protocols")[1].split("\n## ")[0]
    assert "| variant | linear % | semi:0.01 % |" in section
    assert "| conmlp-supcon | 55.0 ± 7.1 | 30.0 ± 11.5 |" in section
    assert "| tcn+graph-tcn | 75.0 ± 0.0 | - |" in section
    assert f"- {READING}" in section
    assert "- linear: 2 settings, in results.json" in section
    assert "- semi:0.01: two lists" in section


def test_the_terminal_has_the_table(folder, monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(shown, "console", Console(file=io.StringIO(), width=80))
    shown.end(folder.load(), folder.path)
    lines = shown.console.file.getvalue().splitlines()
    assert ["tcn+graph-tcn", "75.0", "±", "0.0", "-"] in [line.split() for line in lines]
    assert any(line.startswith("Top-1 in per cent on the whole test split") for line in lines)


def test_the_page_has_the_same(folder):
    page = render(folder.load(), folder)
    assert '<th scope="col">semi:0.01 %</th>' in page
    assert "30.0 ± 11.5" in page
    assert READING in page


def test_a_run_without_protocols_says_nothing_of_them(tmp_path, monkeypatch):
    results = write_run(tmp_path / "run")
    shown = Terminal()
    monkeypatch.setattr(shown, "console", Console(file=io.StringIO(), width=80))
    shown.end(results, tmp_path / "run")
    for text in (markdown(results), shown.console.file.getvalue()):
        assert "Top-1 in per cent" not in text
