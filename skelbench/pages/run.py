"""report.html: a run as one page that needs nothing but itself.

Written from the run's folder alone, so it can be written again at any time:

    from skelbench.pages import run
    run.write(RunFolder.at("runs/one"))
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from skelbench.pages import base, charts, evaluations, overview, protocols, verdicts
from skelbench.pages.marks import Fill, mark
from skelbench.pages.overview import Dot
from skelbench.pages.tables import columns, comparable, computes, fold_table, footnotes, published, tables
from skelbench.pages.text import clean
from skelbench.runs.folder import RunFolder
from skelbench.runs.literature import figures
from skelbench.runs.looks import Look, looks
from skelbench.runs.numbers import count, mean_deviation
from skelbench.runs.results import GROUPS, Results, RunInfo, Score, VariantInfo
from skelbench.runs.samples import NEIGHBOURS, Agreement, Map, Samples
from skelbench.runs.significance import ClipScores, compare_all, confusion, pooled_interval

Cost = tuple[str, bool, Callable[[Score], float | None], str]
"""Axis, whether more is better, the value, caption."""
MODEL_COSTS: tuple[Cost, ...] = (
    ("parameters, millions", False, lambda score: score.inference_parameters / 1e6, "Parameters in use."),
    ("multiply-adds, millions", False, lambda score: score.macs / 1e6, "Multiply-adds of one padded clip."),
    ("latency, ms", False, lambda score: score.speed.latency_p50_ms, "One clip at a time, p50."),
)
"""What a model costs whoever uses it: the page's main picture."""
SPEEDS: tuple[Cost, ...] = (
    ("training, clips/s", True, lambda score: score.speed.train_clips_per_s, "Training; right is faster."),
    (
        "inference, clips/s",
        True,
        lambda score: score.speed.inference_clips_per_s,
        "Inference in batches of 512.",
    ),
)


def write(folder: RunFolder) -> Path:
    """Write report.html of a run; returns its path.

    Raises:
        RunError: the folder holds no run, or a file of it cannot be read; the message names it.
        FileError: the page cannot be written.
    """
    return base.save(render(folder.load(), folder), folder.page)


def render(results: Results, folder: RunFolder) -> str:
    """The page as text."""
    info = results.info
    scores = folder.load_all_scores(results)
    comparisons = compare_all(scores)
    look = looks(results.variants)
    dots = dots_of(results, look)
    controls = [dot for dot in dots if dot.group == "control"]
    control = max(controls, key=lambda dot: dot.mean, default=None)
    shown = {
        row.key: Samples.load(folder.samples(row.key, own[0].seed, own[0].fold))
        for row, own in results.rows()
    }
    machine = info.machine
    return base.render(
        "report.html.j2",
        title=f"{info.dataset}, {info.protocol}",
        synthetic=info.synthetic,
        info=info,
        clips=f"{count(info.n_train, 'training clip')}, {count(info.n_test, 'test clip')}",
        machine=machine,
        facts=verdicts.facts(results),
        verdicts=verdicts.verdicts(dots, comparisons),
        caveats=verdicts.caveats(results),
        accuracy_chart=overview.accuracy(dots, control.mean if control else None),
        several=any(len(dot.seeds) > 1 for dot in dots),
        control=control and control.name,
        published=bool(published(results)),
        comparable=comparable(results),
        columns=columns("page", results),
        tables=_tables(results, look),
        literature=[] if info.synthetic else figures(info.dataset, info.protocol),
        folds=fold_table(results),
        families=sorted({row.family for row, _ in results.rows()}),
        groups=[group for group in GROUPS if any(row.group == group for row, _ in results.rows())],
        differences=verdicts.differences(results),
        footnotes=footnotes(results),
        marks=[(mark_of(look[dot.name]), dot.name) for dot in dots],
        model_charts=cost_charts([(dot, results.of(dot.name)) for dot in dots], MODEL_COSTS),
        speed_charts=cost_charts([(dot, results.of(dot.name)) for dot in dots], SPEEDS),
        against=[found.cells for found in evaluations.against_controls(results, folder, scores)],
        against_titles=evaluations.AGAINST_TITLES,
        evaluated=protocols.table(results),
        evaluated_reading=protocols.READING,
        evaluated_words=protocols.words(results),
        curves=evaluations.curves(results, dots),
        matrix_keys=list(scores),
        matrix=verdicts.matrix(list(scores), comparisons),
        no_matrix=verdicts.no_matrix(results),
        pairs=count(len(comparisons), "pair"),
        details=[
            {
                "place": place,
                "rate": verdicts.rate_words(info),
                **_detail(row, own, info, shown[row.key], look[row.key]),
            }
            for place, (row, own) in enumerate(results.rows())
        ],
        repeat=_repeat(info),
        scores=[
            (
                score,
                *(
                    quote(folder.link(path(score.variant, score.seed, score.fold)))
                    for path in (folder.scores, folder.weights)
                ),
            )
            for score in results.scores
        ],
        data=base.embed(
            {
                "classes": [clean(name) for name in info.class_names],
                "variants": [
                    _data(row.key, scores[row.key], shown[row.key], len(info.class_names))
                    for row, _ in results.rows()
                ],
            }
        ),
    )


def mark_of(look: Look, fill: Fill = "full") -> Markup:
    """The mark of a variant in a legend."""
    return mark(look.marker, charts.css(charts.series(look.series)), fill)


def dots_of(results: Results, look: Mapping[str, Look], fill: Fill = "full") -> list[Dot]:
    """Every variant of a run as a mark of the overview charts, in per cent.

    Args:
        results: the run.
        look: of every variant, by key.
        fill: which run it is, where several are shown.
    """
    dots: list[Dot] = []
    for row, scores in results.rows():
        own = look[row.key]
        tops = tuple(100 * score.top1 for score in scores)
        low, high = (100 * end for end in pooled_interval(results.counts(row.key)))
        dots.append(
            Dot(
                row.key,
                row.group,
                charts.series(own.series),
                own.marker,
                statistics.mean(tops),
                low,
                high,
                tops,
                fill,
            )
        )
    return dots


def _tables(results: Results, look: Mapping[str, Look]) -> list[dict[str, Any]]:
    # The first column is the row's name.
    shown = columns("page", results)[1:]
    return [
        {
            "title": heading,
            "rows": [
                {
                    "key": row.variant.key,
                    "title": row.variant.title,
                    "family": row.variant.family,
                    "group": row.variant.group,
                    "mark": mark_of(look[row.variant.key]),
                    "cells": list(zip(row.cells(shown), shown, strict=True)),
                }
                for row in rows
            ],
        }
        for heading, rows in tables(results).items()
    ]


def cost_charts(
    scored: Sequence[tuple[Dot, Sequence[Score]]], costs: Sequence[Cost] = MODEL_COSTS + SPEEDS
) -> list[tuple[str, str]]:
    """Top-1 against each cost that is known: the SVG and its caption."""
    drawn = []
    for label, more, cost, caption in costs:
        values = []
        for _, scores in scored:
            known = [value for score in scores if (value := cost(score))] if computes(scores) else []
            values.append(statistics.median(known) if known else None)
        if any(values):
            drawn.append((overview.against([dot for dot, _ in scored], values, label, more), caption))
    return drawn


def _detail(
    row: VariantInfo,
    scores: Sequence[Score],
    info: RunInfo,
    shown: Samples | None,
    look: Look,
) -> dict[str, Any]:
    mean, deviation = mean_deviation([100 * score.top1 for score in scores])
    best = [score.best_on_test for score in scores if score.best_on_test is not None]
    found = shown.map if shown else None
    return {
        "key": row.key,
        "title": row.title,
        "note": row.note,
        "mark": mark_of(look),
        "seeds": len(scores),
        "first_seed": scores[0].seed,
        "top1": f"{mean:.1f}" + (f" ± {deviation:.1f}" if deviation is not None else ""),
        "best": f"{100 * max(best):.1f}" if best else None,
        "training_charts": _training_charts(row, scores, charts.series(look.series)),
        "training_caption": "A thin line per seed, their mean thick. " * (len(scores) > 1)
        + "Test accuracy is looked at, nothing is chosen by it.",
        "map": found is not None,
        "map_words": _map_words(found.agreement) if found else "",
        "agreement": found.agreement if found else [],
        "map_caption": _map_caption(found, scores[0].seed) if found else "",
        "perfect": scores[0].correct == scores[0].n_test,
        "worst": [
            {
                "true": info.class_names[mistake.label],
                "predicted": info.class_names[mistake.predicted],
                "probability": f"{100 * mistake.probability:.0f} % against {100 * mistake.probability_label:.0f} %",
                "name": mistake.figure.name,
                "frames": count(mistake.figure.frames, "frame"),
            }
            for mistake in (shown.worst if shown else [])
        ],
    }


def _training_charts(row: VariantInfo, scores: Sequence[Score], color: str) -> list[str]:
    """Loss and learning rate of every stage, and the test accuracy while each was trained."""
    lines, name = {}, ""
    for place, first in enumerate(scores[0].curves):
        runs = [score.curves[place] for score in scores]
        epochs = np.arange(1, len(first.loss) + 1)
        name = {"train": "training", "probe": "linear probe"}.get(first.stage, first.stage)
        lines[f"{name}: loss"] = charts.Line(epochs, [run.loss for run in runs])
        lines[f"{name}: rate"] = charts.Line(epochs, [first.lr])
    tested = {
        "training: test top-1 of a ridge probe, %": [score.pretraining_curve for score in scores],
        f"{name}: test top-1, %": [score.test_curve for score in scores],
    }
    for title, curves in tested.items():
        if curves[0]:
            lines[title] = charts.Line(
                [epoch for epoch, _ in curves[0]], [[100 * share for _, share in curve] for curve in curves]
            )
    return [charts.curve(title, line, color, row.key) for title, line in lines.items()]


def _map_words(agreement: Sequence[Agreement]) -> str:
    """Action or camera: neighbours that share a thing more often than chance, relative to what could be shared."""
    gain = {row.what: (row.share - row.chance) / max(1 - row.chance, 1e-9) for row in agreement}
    known = [name for name in ("class", "view", "subject") if name in gain]
    if not known:
        return "The clips of the map are all of one class, one view and one subject."
    told = [f"{name} {100 * gain[name]:.0f} %" for name in known]
    lead = max(known, key=lambda name: gain[name])
    return (
        f"Between chance (0 %) and always (100 %), a clip's neighbours share its {', its '.join(told)} of the way: "
        f"the {lead} shapes this representation most."
    )


def _map_caption(found: Map, seed: int) -> str:
    tests = sum(found.test)
    return (
        f"t-SNE of {tests:,} of {count(found.of_test, 'test clip')} (filled) and {len(found.test) - tests:,} of "
        f"{count(found.of_train, 'training clip')} (rings), drawn at random; seed {seed}. Distances between far groups "
        f"mean little. Neighbours: the {NEIGHBOURS} nearest of these clips by cosine, in the representation itself."
    )


def _data(key: str, scores: Mapping[int, ClipScores], shown: Samples | None, classes: int) -> dict[str, Any]:
    names = ("x", "y", "label", "view", "subject", "test")
    found = shown.map if shown else None
    return {
        "key": clean(key),
        "seeds": len(scores),
        "confusion": confusion(list(scores.values()), classes).ravel().tolist(),
        "map": {name: getattr(found, name) for name in names} if found else None,
        "edges": shown.edges if shown else [],
        "worst": [{"figure": asdict(mistake.figure)} for mistake in (shown.worst if shown else [])],
    }


def _repeat(info: RunInfo) -> list[tuple[str, str]]:
    return [
        ("Commit", info.git_revision or "unknown"),
        ("Data", info.source),
        ("Data, SHA-256", info.data_sha256),
        ("Started", info.started),
        *info.versions.items(),
    ]
