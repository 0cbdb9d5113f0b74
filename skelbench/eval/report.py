"""The results as text: report.md, and the same table for the terminal."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from skelbench.eval.results import Results, Score, Setting
from skelbench.variants import GROUPS, VARIANTS, Variant

HEADINGS = {"supervised": "Supervised", "self-supervised": "Self-supervised", "control": "Controls"}
COLUMNS = (
    "variant",
    "top-1 %",
    "95 % interval",
    "top-5 %",
    "mean class %",
    "kNN-1 %",
    "params M",
    "MACs M",
    "train clips/s",
    "test clips/s",
    "p50 / p99 ms",
    "peak MB",
    "published %",
    "published M",
)

TERMINAL_COLUMNS = (
    "variant",
    "top-1 %",
    "95 % interval",
    "kNN-1 %",
    "params M",
    "train clips/s",
    "published %",
)


@dataclass(frozen=True)
class Row:
    """One variant over its seeds, as text."""

    variant: Variant
    cells: tuple[str, ...]


def headline(setting: Setting) -> list[str]:
    """What was run on what, in a few lines."""
    lines = [
        f"{setting.dataset}, {setting.protocol}: {setting.description}",
        f"{setting.n_train:,} training and {setting.n_test:,} test clips, {len(setting.class_names)} classes; "
        f"{setting.settings['epochs']} epochs, batch {setting.settings['batch_size']}, "
        f"rate {setting.settings['lr']:g}; {setting.device}, {setting.threads} threads",
    ]
    if setting.synthetic:
        lines.insert(
            0, "SYNTHETIC DATA: made-up skeletons, to see that everything works. Not a result about people."
        )
    if setting.dropped:
        lines.append(f"{len(setting.dropped)} clips were left out; results.json names each with its reason")
    return lines + [f"note: {warning}" for warning in setting.warnings]


def score_line(score: Score) -> str:
    """One finished run in one line."""
    low, high = score.top1_interval
    line = f"{score.variant:18} seed {score.seed}  top-1 {percent(score.top1)} ({percent(low)} to {percent(high)})"
    if score.knn1 is not None:
        line += f"  kNN-1 {percent(score.knn1)}"
    return f"{line}  {score.seconds:.0f} s"


def rows(results: Results) -> list[Row]:
    """A row per variant that has scores, in the registry's order."""
    return [Row(row, _cells(row, scores)) for row in VARIANTS if (scores := results.of(row.key))]


def _cells(row: Variant, scores: Sequence[Score]) -> tuple[str, ...]:
    speed = [score.speed for score in scores]
    first = scores[0]
    low = statistics.mean(score.top1_interval[0] for score in scores)
    high = statistics.mean(score.top1_interval[1] for score in scores)
    return (
        row.key,
        spread([score.top1 for score in scores]),
        f"{percent(low)}-{percent(high)}",
        spread([score.top5 for score in scores]),
        spread([score.mean_class for score in scores]),
        spread([score.knn1 for score in scores]),
        f"{first.training_parameters / 1e6:.2f}",
        f"{first.macs / 1e6:.2f}",
        _median([item.train_clips_per_s for item in speed]),
        _median([item.inference_clips_per_s for item in speed]),
        f"{statistics.median(item.latency_p50_ms for item in speed):.2f} / "
        f"{statistics.median(item.latency_p99_ms for item in speed):.2f}",
        _median([item.peak_memory_mb for item in speed]),
        f"{row.published.top1:.2f}" if row.published else "-",
        f"{row.published.parameters:.2f}" if row.published else "-",
    )


def footnotes(results: Results) -> list[str]:
    """How to read the table: what is honest about it and what is not comparable."""
    setting, scores = results.setting, results.scores
    seeds = sorted({score.seed for score in scores})
    lines = [
        f"Top-1 after the last epoch on all {setting.n_test:,} test clips; mean and deviation over seeds "
        f"{', '.join(map(str, seeds))}; the interval is Wilson's, averaged over seeds.",
        "Published: the report, on NTU RGB+D X-View, with the released sampler; "
        "other data and other training than here.",
    ]
    for row in VARIANTS:
        fewer = [score for score in results.of(row.key) if score.n_test < setting.n_test]
        if fewer:
            lines.append(
                f"{row.key} rests on {fewer[0].n_test:,} of the test clips and {fewer[0].n_train:,} of the training "
                "clips: those with two people are left out, as the report did."
            )
    best = [f"{row.key} {percent(max(values))}" for row in VARIANTS if (values := _best(results, row.key))]
    if best:
        lines.append(f"Best epoch chosen on the test split (optimistic, not a result): {', '.join(best)}.")
    if setting.settings["sampling"] == "conmlp60":
        lines += _released(results)
    return lines


def _released(results: Results) -> list[str]:
    lines = ["Released sampler (conmlp60): no result, a demonstration of what it yields."]
    for row in VARIANTS:
        scores = [score for score in results.of(row.key) if score.released_score is not None]
        if scores:
            released = statistics.mean(score.released_score or 0.0 for score in scores)
            honest = statistics.mean(score.top1 for score in scores)
            lines.append(
                f"  {row.key}: {scores[0].coverage} of {scores[0].n_train:,} training clips seen; "
                f"the released code would print {percent(released)} %, "
                f"the whole test split gives {percent(honest)} % ({100 * (released - honest):+.1f} points)."
            )
    return lines


def terminal_table(results: Results) -> Table:
    """The table for the terminal: what fits in 80 columns."""
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    keep = [COLUMNS.index(name) for name in TERMINAL_COLUMNS]
    for index in keep:
        header = COLUMNS[index].replace(" ", "\n")
        table.add_column(header, justify="left" if index == 0 else "right", no_wrap=True)
    group = None
    for row in rows(results):
        if group is not None and row.variant.group != group:
            table.add_section()
        group = row.variant.group
        table.add_row(*(row.cells[index] for index in keep))
    return table


def write(results: Results, path: Path) -> None:
    """report.md, atomically."""
    partial = path.with_suffix(".partial")
    partial.write_text(markdown(results))
    os.replace(partial, path)


def markdown(results: Results) -> str:
    """The report: headline, a table per group, how to read it, how to repeat it."""
    setting = results.setting
    parts = [f"# {setting.dataset}, {setting.protocol}", "", *(f"{line}  " for line in headline(setting)), ""]
    table = rows(results)
    for group in GROUPS:
        members = [row for row in table if row.variant.group == group]
        if not members:
            continue
        parts += [f"## {HEADINGS[group]}", "", "| " + " | ".join(COLUMNS) + " |"]
        parts.append("| --- |" + " ---: |" * (len(COLUMNS) - 1))
        parts += ["| " + " | ".join(row.cells) + " |" for row in members]
        parts.append("")
    parts += ["## How to read this", "", *(f"- {line.strip()}" for line in footnotes(results)), ""]
    parts += ["## How to repeat it", "", f"    {setting.command}", ""]
    versions = ", ".join(f"{name} {number}" for name, number in setting.versions.items())
    parts += [
        f"- commit {setting.git_revision or 'unknown'}; {versions}",
        f"- data {setting.data_sha256[:16]} from {setting.source}",
        f"- {setting.device}, {setting.threads} threads, started {setting.started}",
        "",
    ]
    return "\n".join(parts)


def _best(results: Results, key: str) -> list[float]:
    return [score.best_on_test for score in results.of(key) if score.best_on_test is not None]


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def spread(shares: Sequence[float | None]) -> str:
    known = [share for share in shares if share is not None]
    if not known:
        return "-"
    if len(known) == 1:
        return percent(known[0])
    return f"{percent(statistics.mean(known))} ± {percent(statistics.stdev(known))}"


def _median(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):,.0f}" if known else "-"
