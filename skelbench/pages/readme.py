"""The result tables of the README and the docs, from the results.json files that are kept under results/.

    python -m skelbench.pages.readme            # write the tables anew
    python -m skelbench.pages.readme --check    # say which page is stale, and exit with 1

A table stands between two markers. One name gives a run's own table, several names put runs side by side:

    <!-- results: nw-ucla -->
    <!-- end -->

    <!-- results: nw-ucla hdm05 -->
    <!-- end -->

NAME is the folder `results/NAME`, which holds the run's results.json. Speeds are not shown: they belong to a quiet
machine and to `benchmarks/`.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from skelbench.errors import SkelbenchError
from skelbench.pages.tables import COLUMNS, Column, Row
from skelbench.runs.files import write_text
from skelbench.runs.numbers import count, percent
from skelbench.runs.results import Results, Score, VariantInfo

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/results.md")
"""Pages with markers, relative to the checkout."""

_MARKER = re.compile(
    r"^<!-- results: (?P<names>[^\n]*?) -->\n(?:(?!<!-- results:).)*?^<!-- end -->$", re.DOTALL | re.MULTILINE
)
_OPENED = re.compile(r"^<!-- results:", re.MULTILINE)
_ALONE = ("variant", "top-1 %", "95 % interval", "kNN-1 %", "params M", "MACs M")
_BESIDE = ("top-1 %", "95 % interval")
_VARIANT = "variant"


class TableError(SkelbenchError):
    """A page whose tables cannot be written; one line that names the page."""


def written(text: str, results: Path, page: str) -> str:
    """A page's text with every table between markers made anew.

    Args:
        text: the page.
        results: folder with a folder per run, each with its results.json.
        page: what the page is called in an error.

    Raises:
        TableError: a marker without an end, or without a name.
        RunError: a results.json that is missing or cannot be read.
    """

    def table(found: re.Match[str]) -> str:
        names = found["names"].split()
        if not names:
            raise TableError(f"{page}: a marker names no run; write <!-- results: NAME -->")
        runs = [Results.load(results / name / "results.json") for name in names]
        return f"<!-- results: {' '.join(names)} -->\n\n{markdown(runs)}\n\n<!-- end -->"

    text, tables_written = _MARKER.subn(table, text)
    if tables_written != len(_OPENED.findall(text)):
        raise TableError(f"{page}: a <!-- results: ... --> has no <!-- end --> on a line of its own after it")
    return text


def markdown(runs: Sequence[Results]) -> str:
    """Commands and table of one run, or of several side by side."""
    commands = [run.info.command for run in runs]
    lines = ["```sh", *commands, "```", ""]
    if len(runs) > 1:
        lines += _side_by_side(runs)
    elif runs[0].info.settings["sampling"] == "conmlp60":
        lines += _table(_released_columns(), _rows(runs[0]))
    else:
        lines += _table(_chosen(_ALONE), _rows(runs[0]))
    # Two spaces break the line.
    return "\n".join([*lines, "", "  \n".join(dict.fromkeys(_provenance(run) for run in runs))])


def _rows(run: Results) -> list[Row]:
    return [Row(variant, scores) for variant, scores in run.rows()]


def _chosen(titles: Sequence[str]) -> list[Column]:
    known = {column.title: column for column in COLUMNS}
    return [known[title] for title in titles]


def _table(shown: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    return [
        "| " + " | ".join(column.title for column in shown) + " |",
        "| --- |" + " ---: |" * (len(shown) - 1),
        *("| " + " | ".join(row.cells(shown)) + " |" for row in rows),
    ]


def _side_by_side(runs: Sequence[Results]) -> list[str]:
    shown = _chosen(_BESIDE)
    titles = [f"{run.info.dataset} {run.info.protocol}, {shown[0].title}" for run in runs]
    rows = [{row.variant.key: row for row in _rows(run)} for run in runs]
    heads = [_VARIANT, *(head for title in titles for head in (title, *(col.title for col in shown[1:])))]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for key in dict.fromkeys(key for run in rows for key in run):
        cells = [run[key].cells(shown) if key in run else ["-"] * len(shown) for run in rows]
        lines.append("| " + " | ".join([key, *(cell for run in cells for cell in run)]) + " |")
    return lines


def _released_columns() -> list[Column]:
    """What the released sampler sees and yields."""

    def seen(row: VariantInfo, scores: Sequence[Score]) -> str:
        return f"{scores[0].coverage:,} of {scores[0].n_train:,}"

    def released(row: VariantInfo, scores: Sequence[Score]) -> str:
        known = [score.released_score for score in scores if score.released_score is not None]
        return percent(statistics.mean(known)) if known else "-"

    def whole(row: VariantInfo, scores: Sequence[Score]) -> str:
        return percent(statistics.mean(score.top1 for score in scores))

    return [
        *_chosen((_VARIANT,)),
        Column("training clips seen", seen),
        Column("what the released code would print, %", released),
        Column("whole test split, %", whole),
    ]


def _provenance(run: Results) -> str:
    info = run.info
    seeds = sorted({score.seed for score in run.scores})
    revision = (info.git_revision or "unknown")[:12]
    return (
        f"{info.dataset} {info.protocol}: {count(info.n_train, 'training clip')}, {count(info.n_test, 'test clip')}; "
        f"{count(len(seeds), 'seed')}; commit {revision}, torch {info.versions['torch']}, {info.device}, "
        f"{count(info.threads, 'thread')}."
    )


def main(words: Sequence[str] | None = None) -> int:
    """Write the tables, or with --check only say which are stale: 0, 1 where a page is stale, 2 for an error."""
    words = list(sys.argv[1:] if words is None else words)
    if words not in ([], ["--check"]):
        print("usage: python -m skelbench.pages.readme [--check]", file=sys.stderr)
        return 2
    stale = 0
    try:
        for name in PAGES:
            path = ROOT / name
            if not path.exists():
                raise TableError(
                    f"{path} is missing: run this in a checkout, where the README and results/ lie"
                )
            before = path.read_text(encoding="utf-8")
            after = written(before, ROOT / "results", name)
            if after == before:
                continue
            stale += 1
            if words:
                print(f"{name} is stale: python -m skelbench.pages.readme writes its tables anew")
            else:
                write_text(path, after)
                print(f"{name}: written")
    except SkelbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 1 if words and stale else 0


if __name__ == "__main__":
    sys.exit(main())
