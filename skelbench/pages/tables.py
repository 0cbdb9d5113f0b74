"""The table of a run, as text: one list of columns for the page, Markdown and the terminal."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from skelbench.runs.numbers import count, listed, median, percent, spread
from skelbench.runs.results import (
    Failure,
    Published,
    Results,
    RunInfo,
    Score,
    Stage,
    VariantInfo,
    training_name,
)
from skelbench.runs.significance import pooled_interval

Where = Literal["page", "markdown", "terminal"]
_EVERYWHERE: tuple[Where, ...] = ("page", "markdown", "terminal")
_WIDE: tuple[Where, ...] = ("page", "markdown")


@dataclass(frozen=True)
class Column:
    """One column: its title, the text of a row, and where it is shown."""

    title: str
    value: Callable[[VariantInfo, Sequence[Score]], str]
    where: tuple[Where, ...] = _WIDE
    kind: Literal["", "main", "published", "text"] = ""
    """How the page shows and sorts it: all but `text` are numbers."""


@dataclass(frozen=True)
class Row:
    """One variant over its seeds."""

    variant: VariantInfo
    scores: list[Score]

    def cells(self, columns: Sequence[Column]) -> list[str]:
        """The row as text."""
        return [column.value(self.variant, self.scores) for column in columns]


def _interval(row: VariantInfo, scores: Sequence[Score]) -> str:
    low, high = pooled_interval([(score.seed, score.correct, score.n_test) for score in scores])
    return f"{percent(low)}-{percent(high)}"


def _latency(row: VariantInfo, scores: Sequence[Score]) -> str:
    if not computes(scores):
        return "-"
    p50 = statistics.median(score.speed.latency_p50_ms for score in scores)
    known = [score.speed.latency_p95_ms for score in scores if score.speed.latency_p95_ms is not None]
    return f"{p50:.2f} / {statistics.median(known):.2f}" if known else f"{p50:.2f}"


def _size(row: VariantInfo, scores: Sequence[Score]) -> str:
    size = scores[0].model_bytes
    return "-" if size is None or not computes(scores) else f"{size / 1e6:.2f}"


def _seconds(row: VariantInfo, scores: Sequence[Score]) -> str:
    seconds = statistics.median(score.seconds for score in scores)
    return f"{seconds:.1f}" if seconds < 99.95 else f"{seconds:,.0f}"


def _training(row: VariantInfo, scores: Sequence[Score]) -> str:
    stages = [stage_words(stage) for stage in scores[0].stages]
    # Of each seed's weights, results.json says the file.
    begin = [f"from {scores[0].init.split(', ')[0]}"] if scores[0].init else []
    return "; ".join(begin + stages) or "-"


def computes(scores: Sequence[Score]) -> bool:
    """Whether anything is multiplied: the majority class has no cost to speak of."""
    return any(score.macs for score in scores)


def stage_words(stage: Stage) -> str:
    """`200 epochs, batch 64, rate 0.003`."""
    batch = "" if stage.batch_size is None else f", batch {stage.batch_size}"
    name = "" if stage.name == "train" else f"{stage.name} "
    return f"{name}{count(stage.epochs, 'epoch')}{batch}, rate {stage.lr:.3g}"


COLUMNS: tuple[Column, ...] = (
    Column("variant", lambda row, scores: row.key, _EVERYWHERE, "text"),
    Column("top-1 %", lambda row, scores: spread([score.top1 for score in scores]), _EVERYWHERE, "main"),
    Column("95 % interval", _interval, _EVERYWHERE),
    Column(
        "published %",
        lambda row, scores: f"{row.published.top1:.2f}" if row.published else "-",
        _EVERYWHERE,
        "published",
    ),
    Column(
        "params M",
        lambda row, scores: f"{scores[0].training_parameters / 1e6:.2f}" if computes(scores) else "-",
        _EVERYWHERE,
    ),
    Column(
        "published M",
        lambda row, scores: f"{row.published.parameters:.2f}" if row.published else "-",
        _WIDE,
        "published",
    ),
    Column("top-5 %", lambda row, scores: spread([score.top5 for score in scores])),
    Column("mean class %", lambda row, scores: spread([score.mean_class for score in scores])),
    Column("kNN-1 %", lambda row, scores: spread([score.knn1 for score in scores]), _EVERYWHERE),
    Column("MACs M", lambda row, scores: f"{scores[0].macs / 1e6:.2f}" if computes(scores) else "-"),
    Column("training", _training, kind="text"),
    Column("time s", _seconds),
    Column(
        "train clips/s",
        lambda row, scores: median([score.speed.train_clips_per_s for score in scores]),
        _EVERYWHERE,
    ),
    Column(
        "test clips/s",
        lambda row, scores: (
            median([score.speed.inference_clips_per_s for score in scores]) if computes(scores) else "-"
        ),
    ),
    Column("one clip, p50 / p95 ms", _latency),
    Column("model MB", _size),
    Column(
        "peak MB",
        lambda row, scores: (
            median([score.speed.peak_memory_mb for score in scores]) if computes(scores) else "-"
        ),
    ),
)
"""Every column, in order."""


def columns(where: Where, results: Results) -> list[Column]:
    """The columns that are shown there; published figures stand beside their own data set only."""
    hidden = set() if published(results) else {"published"}
    return [column for column in COLUMNS if where in column.where and column.kind not in hidden]


def published(results: Results) -> list[Published]:
    """The published figures of the run's rows that are of its data set."""
    info = results.info
    found = dict.fromkeys(row.published for row, _ in results.rows() if row.published)
    return [item for item in found if item.dataset == info.dataset and not info.synthetic]


def tables(results: Results) -> dict[str, list[Row]]:
    """Rows of variants that have scores, by the heading of their table; controls come last."""
    found: dict[str, list[Row]] = {}
    for row, scores in sorted(results.rows(), key=lambda item: item[0].group == "control"):
        found.setdefault(row.table, []).append(Row(row, scores))
    return found


def comparable(results: Results) -> bool:
    """Whether the published figures belong to these data and this protocol: by name, and by the number of clips."""
    found, info = published(results), results.info
    return bool(found) and info.official and all(item.protocol == info.protocol for item in found)


def headline(info: RunInfo, variants: Sequence[VariantInfo]) -> list[str]:
    """What is run on what, in a few lines."""
    lines = [
        f"{info.dataset}, {info.protocol}: {info.description}",
        f"{count(info.n_train, 'training clip')}, {count(info.n_test, 'test clip')}, "
        f"{count(len(info.class_names), 'class', 'classes')}; {info.machine}",
        *training_words(info, variants),
    ]
    if stream := info.settings.get("stream"):
        lines.append(f"stream: {stream}")
    if init := info.config.get("init"):
        lines.append(f"encoders start from {init}")
    if info.synthetic:
        lines.insert(
            0, "SYNTHETIC DATA: made-up skeletons, to see that everything works. Not a result about people."
        )
    if info.dropped:
        verb = "was" if len(info.dropped) == 1 else "were"
        lines.append(
            f"{count(len(info.dropped), 'clip')} {verb} left out; results.json names each with its reason"
        )
    return lines + [f"note: {caveat}" for caveat in info.caveats]


def training_words(info: RunInfo, variants: Sequence[VariantInfo]) -> list[str]:
    """How the families are trained whose settings are the run's; other rows have their own, which the table shows."""
    settings = info.settings
    families = {row.family for row in variants if row.group != "control"}
    lines = []
    if "conmlp" in families:
        lines.append(
            f"training: {count(settings['epochs'], 'epoch')}, batch {settings['batch_size']}, rate {settings['lr']:g}"
        )
    if "graph" in families:
        lines.append(
            f"training, graph family: {count(settings['sequence_epochs'], 'epoch')}, "
            f"batch {settings['sequence_batch_size']}, {count(settings['windows'], 'window')}"
        )
    return lines


def score_line(score: Score) -> str:
    """One finished training in one line."""
    low, high = (percent(end) for end in score.top1_interval)
    fold = f" {score.fold}" if score.fold else ""
    line = f"{score.variant:18} seed {score.seed}{fold}  top-1 {percent(score.top1)} ({low} to {high})"
    if score.knn1 is not None:
        line += f"  kNN-1 {percent(score.knn1)}"
    return f"{line}  {score.seconds:.0f} s"


def failure_words(failure: Failure) -> str:
    """What failed and why."""
    return f"{training_name(failure.variant, failure.seed, failure.fold)}: {failure.reason}"


def fold_table(results: Results) -> list[list[str]]:
    """Top-1 of each variant in each fold, over its seeds: a row of titles, then a row per variant."""
    if not results.info.folds:
        return []
    rows = [["variant", *results.info.folds, "mean"]]
    for row, scores in results.rows():
        folds = [[score.top1 for score in scores if score.fold == fold] for fold in results.info.folds]
        means = [statistics.mean(values) for values in folds if values]
        rows.append([row.key, *(spread(values) for values in folds), spread(means)])
    return rows


def footnotes(results: Results) -> list[str]:
    """How to read the table: what is honest about it and what cannot be compared."""
    info = results.info
    seeds = sorted({score.seed for score in results.scores})
    over = (
        f"seed {seeds[0]}"
        if len(seeds) == 1
        else f"mean and deviation over seeds {', '.join(map(str, seeds))}"
    )
    if info.folds:
        over = f"mean and deviation over {count(len(info.folds), 'fold')}, {over}"
    lines = []
    if seeds:
        lines.append(
            f"Top-1 after the last epoch on all {count(info.n_test, 'test clip')}; {over}; the interval is Wilson's"
            + (", averaged over seeds." if len(seeds) > 1 else ".")
        )
    if found := published(results):
        sources = sorted({f"the {item.source} on {item.dataset} {item.protocol}" for item in found})
        other = "other training" if comparable(results) else "other data and other training"
        lines.append(f"Published: {listed(sources)}, with the released sampler; {other} than here.")
    lines += [f"{row.key}: {row.note}" for row, _ in results.rows() if row.note]
    for (test, train), keys in partly(results).items():
        lines.append(
            f"{listed(keys)} {'rests' if len(keys) == 1 else 'rest'} on {test:,} of the test clips and {train:,} of "
            "the training clips: those with two people are left out, as the NITAP report did."
        )
    best = {
        row.key: max(values)
        for row, scores in results.rows()
        if (values := [score.best_on_test for score in scores if score.best_on_test is not None])
    }
    if best:
        words = ", ".join(f"{key} {percent(value)}" for key, value in best.items())
        lines.append(f"Best epoch chosen on the test split (optimistic, not a result): {words}.")
    if results.scores:
        lines.append(
            "Time: training, scoring and measuring"
            + (
                ", median over seeds and folds."
                if info.folds
                else ", median over seeds."
                if len(seeds) > 1
                else "."
            )
        )
    lines += [f"Failed: {failure_words(failure)}" for failure in results.failures]
    if info.settings["sampling"] == "conmlp60":
        lines += _released(results)
    return lines


def partly(results: Results) -> dict[tuple[int, int], list[str]]:
    """Keys of the variants that rest on a part of the test clips, by their numbers of test and training clips."""
    found: dict[tuple[int, int], list[str]] = {}
    for row, scores in results.rows():
        fewer = next(
            (score for score in scores if score.n_test < results.info.n_test and not score.fold), None
        )
        if fewer:
            found.setdefault((fewer.n_test, fewer.n_train), []).append(row.key)
    return found


def _released(results: Results) -> list[str]:
    lines = ["Released sampler (conmlp60): no result, a demonstration of what it yields."]
    for row, all_scores in results.rows():
        scores = [score for score in all_scores if score.released_score is not None]
        if scores:
            released = statistics.mean(score.released_score or 0.0 for score in scores)
            honest = statistics.mean(score.top1 for score in scores)
            lines.append(
                f"{row.key}: {scores[0].coverage:,} of {scores[0].n_train:,} training clips seen; "
                f"the released code would print {percent(released)} %, "
                f"the whole test split gives {percent(honest)} % ({100 * (released - honest):+.1f} points)."
            )
    return lines
