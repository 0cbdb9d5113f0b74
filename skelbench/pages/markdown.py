"""report.md: a run as Markdown."""

from __future__ import annotations

from pathlib import Path

from skelbench.pages.tables import columns, fold_table, footnotes, headline, tables
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
    shown = columns("markdown")
    lines = headline(info, results.variants)
    parts = [f"# {info.dataset}, {info.protocol}", "", *(f"{line}  " for line in lines), ""]
    for heading, rows in tables(results).items():
        parts += [f"## {heading}", "", "| " + " | ".join(column.title for column in shown) + " |"]
        parts.append("| --- |" + " ---: |" * (len(shown) - 1))
        parts += ["| " + " | ".join(row.cells(shown)) + " |" for row in rows]
        parts.append("")
    if folds := fold_table(results):
        parts += [
            "## Folds",
            "",
            "| " + " | ".join(folds[0]) + " |",
            "| --- |" + " ---: |" * (len(folds[0]) - 1),
        ]
        parts += ["| " + " | ".join(cells) + " |" for cells in folds[1:]] + [""]
    parts += ["## How to read this", "", *(f"- {line.strip()}" for line in footnotes(results)), ""]
    parts += ["## How to repeat it", "", f"    {info.command}", ""]
    versions = ", ".join(f"{name} {number}" for name, number in info.versions.items())
    parts += [
        f"- commit {info.git_revision or 'unknown'}; {versions}",
        f"- data {info.data_sha256[:16]} from {info.source}",
        f"- {info.device}, {info.threads} threads, started {info.started}",
        "",
    ]
    return "\n".join(parts)
