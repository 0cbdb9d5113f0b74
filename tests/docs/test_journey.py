"""The README's way from a CSV file to a page, as it stands there, in an empty folder."""

import csv
import json
import shlex

from skelbench.data.formats import EXPORTS
from tests.conftest import command_line, make_clips
from tests.docs.pages import ROOT, blocks


def commands() -> list[list[str]]:
    """The commands of the block that begins with an empty folder."""
    (block,) = (
        str(example.parsed)
        for example in blocks(ROOT / "README.md", "sh")
        if "mine.csv" in str(example.parsed)
    )
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def without_labels(path, out):
    """The same file with no column of what a new recording does not know."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    with open(out, "w", newline="") as file:
        table = csv.DictWriter(file, ["clip", "frame", "body", "joint", "x", "y", "z"], extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)


def test_from_pip_to_a_page_are_five_commands():
    every = commands()
    assert len(every) == 5
    assert [words[0] for words in every] == ["python3", "pip", *["skelbench"] * 3]


def test_the_commands_after_pip_do_what_the_readme_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = EXPORTS["csv"](make_clips(clips=36), tmp_path / "made")[0]
    made.rename("mine.csv")
    without_labels("mine.csv", "new.csv")
    (tmp_path / "made").rmdir()
    for words in commands()[2:]:
        code, printed, error = command_line(capsys, *words[1:])
        assert (code, error) == (0, ""), words
    assert (tmp_path / "clip000.html").exists()
    assert printed.count("clip0") == 36
    results = json.loads((tmp_path / "runs/mine/results.json").read_text())
    top1 = {score["variant"]: score["top1"] for score in results["scores"]}
    assert top1["conmlp-supcon"] > top1["majority"]
    page = (tmp_path / "runs/mine/report.html").read_text()
    assert "SYNTHETIC" not in page
    assert "conmlp-supcon" in page
