"""What the protocols of `--evaluate` found, as text: one table for the page, Markdown and the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from skelbench.runs.evaluations import Evaluation
from skelbench.runs.numbers import spread
from skelbench.runs.results import Results

READING = (
    "Top-1 in per cent on the whole test split of each protocol; mean and deviation over seeds, with semi over its "
    "lists and seeds."
)


def protocols(results: Results) -> list[str]:
    """The protocols of the run, in the order in which they were first computed."""
    return list(dict.fromkeys(found.protocol for found in results.evaluations))


def table(results: Results) -> tuple[list[str], list[list[str]]]:
    """Titles and cells: a row per variant, a column per protocol; top-1 in per cent over seeds (and lists)."""
    shown = protocols(results)
    rows = []
    for row, _ in results.rows():
        own = of(results, row.key)
        if own:
            rows.append([row.key, *(_cell(own.get(protocol, [])) for protocol in shown)])
    return ["variant", *(f"{protocol} %" for protocol in shown)], rows


def words(results: Results) -> list[str]:
    """How each protocol was done, where the variants agree on it."""
    said: dict[str, list[str]] = {}
    for found in results.evaluations:
        if found.words and found.words not in said.setdefault(found.protocol, []):
            said[found.protocol].append(found.words)
    return [
        f"{protocol}: {own[0]}" if len(own) == 1 else f"{protocol}: {len(own)} settings, in results.json"
        for protocol, own in said.items()
    ]


def of(results: Results, variant: str) -> dict[str, list[Evaluation]]:
    """What was found of a variant, by protocol."""
    found: dict[str, list[Evaluation]] = {}
    for item in results.evaluations:
        if item.variant == variant:
            found.setdefault(item.protocol, []).append(item)
    return found


def _cell(found: Sequence[Evaluation]) -> str:
    """Mean and deviation over seeds; over all lists of all seeds, where there are lists."""
    values = [value for item in found for value in (item.draws or [item.top1])]
    return spread(values) if values else "-"
