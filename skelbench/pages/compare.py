"""compare.html: runs side by side, with significance tests."""

from __future__ import annotations

from dataclasses import replace

from skelbench.pages import base, charts
from skelbench.pages.run import cost_charts, dots_of
from skelbench.runs.compare import RunComparison, summary
from skelbench.runs.numbers import points, probability
from skelbench.runs.significance import Comparison


def render(found: RunComparison) -> str:
    """The page as text."""
    marks = [
        (replace(dot, name=f"{dot.name}, {title}", color=charts.series(place)), dot.name, results)
        for place, (results, title) in enumerate(zip(found.runs, found.titles, strict=True))
        for dot in dots_of(results)
    ]
    order = list(dict.fromkeys(row.variant for row in found.rows))
    marks.sort(key=lambda mark: order.index(mark[1]))
    dots = [dot for dot, _, _ in marks]
    scored = [(dot, results.of(variant)) for dot, variant, results in marks]
    info = found.runs[0].info
    return base.render(
        "compare.html.j2",
        title=f"{len(found.runs)} runs on "
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
        chart=charts.accuracy(dots, None),
        cost_charts=cost_charts(scored),
        legend=[(title, charts.css(charts.series(place))) for place, title in enumerate(found.titles)],
        rows=[(row, difference(row.against)) for row in found.rows],
        differences=found.differences,
        titles=found.titles,
    )


def difference(pair: Comparison | None) -> dict[str, str] | None:
    """A comparison in words."""
    if pair is None:
        return None
    low, high = (100 * end for end in pair.interval)
    return {
        "points": points(pair.difference),
        "interval": f"{low:+.1f} to {high:+.1f}",
        "p": probability(pair.p_holm),
        "kind": "win" if pair.verdict == pair.first else "loss" if pair.verdict else "",
    }
