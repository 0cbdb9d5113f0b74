"""Names that are not ours do nothing where they are shown: on a terminal, in Markdown, in charts, as files."""

import io
import re

import pytest
from rich.console import Console

from skelbench.cli import terminal
from skelbench.pages import charts
from skelbench.pages.markdown import markdown
from skelbench.pages.text import clean, short
from skelbench.pages.text import markdown as escaped
from skelbench.runs.files import file_name
from skelbench.runs.results import Failure
from tests.conftest import command_line
from tests.pages.test_odd_runs import HOSTILE, KEY
from tests.runs.made_up import info, write_run


def test_what_is_not_seen_is_written_out():
    assert clean("a\x1b[31mb\nc\u202ed\x7f\ud800") == r"a\x1b[31mb\nc\u202ed\x7f\ud800"
    assert clean("äß日本 ± é") == "äß日本 ± é"


def test_long_names_keep_their_ends():
    assert short("conmlp-supcon", 20) == "conmlp-supcon"
    cut = short("a" * 50 + "-seed-17", 15)
    assert len(cut) == 15
    assert cut.startswith("aaa")
    assert cut.endswith("seed-17")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a|b", r"a\|b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("# head", r"\# head"),
        ("- item", r"\- item"),
        ("12. item", r"12\. item"),
        ("--- ", r"\---"),
        ("*a* _b_ `c` [d](e)", r"\*a\* \_b\_ \`c\` \[d\](e)"),
        ("55.0 ± 1.2", "55.0 ± 1.2"),
        ("raw-linear", "raw-linear"),
        ("nw_ucla.npz", "nw_ucla.npz"),
        ("-", "-"),
    ],
)
def test_markdown_is_escaped(text, written):
    assert escaped(text) == written


def test_a_report_in_markdown_shows_hostile_names_as_text(tmp_path):
    results = write_run(
        tmp_path, ((KEY, 0.5), ("majority", 0.2)), dataset=HOSTILE, protocol=f"# {HOSTILE}", source=HOSTILE,
        caveats=[HOSTILE], command=f"skelbench eval\n# {HOSTILE}", row={"table": HOSTILE},
    )  # fmt: skip
    results.failures.append(Failure(HOSTILE, 7, HOSTILE))
    lines = markdown(results).splitlines()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", "".join(lines))
    assert not re.search(r"(?<!\\)<", re.sub(r"^    .*$", "", "\n".join(lines), flags=re.M))
    headings = [line for line in lines if line.startswith("#")]
    assert len(headings) == 5  # the title, two tables, how to read, how to repeat
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")}
    assert len(columns) == 1


def test_the_terminal_gets_no_control_characters(tmp_path, monkeypatch):
    results = write_run(tmp_path, ((KEY, 0.5), ("majority", 0.2)), dataset=HOSTILE, caveats=[HOSTILE])
    shown = terminal.Terminal()
    shown.console = Console(file=io.StringIO(), width=300, highlight=False)
    shown.begin(info(dataset=HOSTILE, config={"seeds": [0, 1]}), results.variants, tmp_path / KEY)
    shown.score(results.scores[0])
    shown.failure(Failure(HOSTILE, 0, HOSTILE))
    shown.end(results, tmp_path)
    printed = shown.console.file.getvalue()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", printed)
    # Neither rich's markup nor its emoji are taken for such.
    assert "[red]" in printed


def test_a_table_and_an_error_show_names_as_text(capsys):
    terminal.table(["[b]title"], [["[red]a\x1b[31m"]])
    printed = capsys.readouterr().out
    assert r"[red]a\x1b[31m" in printed
    assert "[b]title" in printed
    code, _, error = command_line(capsys, "view", "no\x1b[31mwhere.npz")
    assert code == 2
    assert "\x1b" not in error
    assert r"no\x1b[31mwhere.npz" in error


@pytest.mark.parametrize("name", ["$x", "$\\frac{$", "a_$b^$", "$\\undefined$"])
def test_a_dollar_begins_no_formula(name):
    with charts.figure(name, 2, 2) as drawing:
        drawing.figure.subplots().set_title(name)
    assert name in drawing.svg


def test_files_are_named_after_clips_within_their_folder():
    names = [
        "S001C001",
        "a/b",
        "a-b",
        "a:b",
        "../../etc/passwd",
        "..",
        "",
        ".hidden",
        "x" * 500,
        "x" * 501,
        "a\nb",
        HOSTILE,
    ]
    files = [file_name(name, ".html") for name in names]
    assert files[0] == "S001C001.html"
    assert len(set(files)) == len(names)
    for name in files:
        assert re.fullmatch(r"[\w][\w.-]*\.html", name)
        assert len(name) <= 70
        assert ".." not in name
