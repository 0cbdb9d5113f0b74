"""compare.html: runs side by side, with significance tests."""

from __future__ import annotations

from dataclasses import replace

from skelbench.pages import base, overview
from skelbench.pages.marks import FILLS, mark
from skelbench.pages.run import cost_charts, dots_of, mark_of
from skelbench.pages.verdicts import interval_words
from skelbench.runs.compare import RunComparison, summary
from skelbench.runs.looks import looks
from skelbench.runs.numbers import count, points, probability
from skelbench.runs.significance import Comparison


def render(found: RunComparison) -> str:
    """The page as text."""
    look = looks(row for results in found.runs for row in results.variants)
    fills = [FILLS[place % len(FILLS)] for place in range(len(found.runs))]
    order = list(dict.fromkeys(row.variant for row in found.rows))
    scored = [
        (dot.name, replace(dot, name=f"{dot.name}, {title}"), results.of(dot.name))
        for results, title, fill in zip(found.runs, found.titles, fills, strict=True)
        for dot in dots_of(results, look, fill)
    ]
    scored.sort(key=lambda item: order.index(item[0]))
    dots = [dot for _, dot, _ in scored]
    fill_of = dict(zip(found.titles, fills, strict=True))
    info = found.runs[0].info
    return base.render(
        "compare.html.j2",
        title=f"{count(len(found.runs), 'run')} on "
        + (f"{info.dataset}, {info.protocol}" if found.comparable else "different data"),
        synthetic=any(results.info.synthetic for results in found.runs),
        comparable=found.comparable,
        runs=[
            {
                "title": title,
                "folder": str(folder),
                "command": results.info.command,
                "summary": summary(results),
            }
            for title, folder, results in zip(found.titles, found.folders, found.runs, strict=True)
        ],
        count=count(len(found.runs), "run"),
        chart=overview.accuracy(dots, None),
        cost_charts=cost_charts([(dot, scores) for _, dot, scores in scored]),
        run_marks=[(mark("o", "var(--ink)", fill), title) for title, fill in fill_of.items()],
        marks=[(mark_of(look[key]), key) for key in order],
        rows=[
            (row, mark_of(look[row.variant], fill_of[row.run]), difference(row.against)) for row in found.rows
        ],
        differences=found.differences,
        titles=found.titles,
    )


def difference(pair: Comparison | None) -> dict[str, str] | None:
    """A comparison in words."""
    if pair is None:
        return None
    return {
        "points": points(pair.difference),
        "interval": interval_words(pair),
        "p": probability(pair.p_holm),
        "kind": "win" if pair.verdict == pair.first else "loss" if pair.verdict else "",
    }
