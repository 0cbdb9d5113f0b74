"""report.md: a run as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from skelbench.pages import protocols
from skelbench.pages.tables import columns, fold_table, footnotes, headline, tables
from skelbench.pages.text import clean
from skelbench.pages.text import markdown as escape
from skelbench.runs.files import write_text
from skelbench.runs.results import Results


def write(results: Results, path: Path) -> None:
    """Write the run as Markdown, atomically.

    Raises:
        FileError: the file cannot be written.
    """
    write_text(path, markdown(results))


def markdown(results: Results) -> str:
    """Headline, a table per group, how to read it, how to repeat it."""
    info = results.info
    shown = columns("markdown", results)
    lines = [escape(line) for line in headline(info, results.variants)]
    parts = [f"# {escape(f'{info.dataset}, {info.protocol}')}", "", *(f"{line}  " for line in lines), ""]
    for heading, rows in tables(results).items():
        parts += [f"## {escape(heading)}", ""]
        cells = [[escape(cell) for cell in row.cells(shown)] for row in rows]
        parts += [*_table([column.title for column in shown], cells), ""]
    if folds := fold_table(results):
        escaped = [[escape(cell) for cell in line] for line in folds]
        parts += ["## Folds", "", *_table(escaped[0], escaped[1:]), ""]
    titles, found = protocols.table(results)
    if found:
        escaped = [[escape(cell) for cell in line] for line in found]
        said = [protocols.READING, *protocols.words(results)]
        parts += ["## Further protocols", "", *_table([escape(title) for title in titles], escaped), ""]
        parts += [*(f"- {escape(line)}" for line in said), ""]
    parts += ["## How to read this", "", *(f"- {escape(line)}" for line in footnotes(results)), ""]
    # Within an indented block nothing is escaped, and nothing needs to be: it is one line.
    parts += ["## How to repeat it", "", f"    {clean(info.command)}", ""]
    versions = ", ".join(f"{name} {number}" for name, number in info.versions.items())
    repeat = [
        f"commit {info.git_revision or 'unknown'}; {versions}",
        f"data {info.data_sha256[:16]} from {info.source}",
        f"{info.machine}, started {info.started}",
    ]
    return "\n".join([*parts, *(f"- {escape(line)}" for line in repeat), ""])


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(cells)} |" for cells in (titles, *rows)]
    return [lines[0], "| --- |" + " ---: |" * (len(titles) - 1), *lines[1:]]
