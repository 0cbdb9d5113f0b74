"""report.html: a run as one page that needs nothing but itself.

Written from the run's folder alone (results.json, scores/, exhibits/), so it can be written again at any time:

    from skelbench.eval import html
    html.write(Path("runs/one"))
"""

from __future__ import annotations

import json
import os
import statistics as python_statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import skelbench
from skelbench.eval import charts, exhibits, report
from skelbench.eval.results import Results, Score, Setting
from skelbench.eval.statistics import ClipScores, Comparison, compare_all, confusion, load_all, mean_deviation
from skelbench.training.settings import Settings
from skelbench.variants import VARIANTS, Variant

PUBLISHED_ON = ("NTU RGB+D", "xview")
SECTIONS = ("Supervised", "Self-supervised", "With a decoder", "graph2vec", "Controls")
FIRST = ("variant", "top-1 %", "95 % interval", "published %", "params M", "published M")
ORDER = sorted(
    range(len(report.COLUMNS)), key=lambda index: (*FIRST, report.COLUMNS[index]).index(report.COLUMNS[index])
)
COSTS: tuple[tuple[str, bool, Callable[[Score], float | None], str], ...] = (
    (
        "trained parameters, millions",
        False,
        lambda score: score.training_parameters / 1e6,
        "Parameters in training.",
    ),
    ("multiply-adds, millions", False, lambda score: score.macs / 1e6, "Multiply-adds of one padded clip."),
    ("training, clips/s", True, lambda score: score.speed.train_clips_per_s, "Training; right is faster."),
    (
        "inference, clips/s",
        True,
        lambda score: score.speed.inference_clips_per_s,
        "Inference in batches of 512.",
    ),
)
"""Axis, whether more is better, the value, caption."""


@cache
def environment() -> Environment:
    """The templates; a name that is missing in a page is an error."""
    return Environment(
        loader=PackageLoader("skelbench.eval"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def embed(data: Any) -> Markup:
    """JSON for a `<script>`: no text in it can end the element."""
    return Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))


def save(page: str, path: Path) -> None:
    """Write atomically."""
    partial = path.with_suffix(".partial")
    partial.write_text(page, encoding="utf-8")
    os.replace(partial, path)


def write(folder: Path) -> Path:
    """report.html of the run in `folder`.

    Raises:
        ValueError: the folder holds no run, or a file of it cannot be read; the message names it.
    """
    path = folder / "report.html"
    save(render(Results.load(folder / "results.json"), folder), path)
    return path


def render(results: Results, folder: Path) -> str:
    """The page as text."""
    setting = results.setting
    scores = load_all(results, folder)
    comparisons = compare_all(scores)
    dots = dots_of(results)
    controls = [dot for dot in dots if dot.group == "control"]
    control = max(controls, key=lambda dot: dot.mean, default=None)
    variants = [row for row in VARIANTS if results.of(row.key)]
    shown = {row.key: exhibits.read(_exhibit(results, folder, row)) for row in variants}
    classes = setting.class_names
    page = {
        "version": skelbench.__version__,
        "title": f"{setting.dataset}, {setting.protocol}",
        "synthetic": setting.synthetic,
        "setting": setting,
        "facts": _facts(results),
        "verdicts": verdicts(dots, comparisons),
        "cautions": _cautions(results),
        "accuracy_chart": charts.accuracy(dots, control.mean if control else None),
        "control": control and control.name,
        "comparable": (setting.dataset, setting.protocol) == PUBLISHED_ON,
        "columns": [report.COLUMNS[index] for index in ORDER],
        "tables": _tables(results),
        "differences": _differences(setting),
        "footnotes": [line.strip() for line in report.footnotes(results)],
        "dots": [asdict(dot) | {"color": css(dot.color)} for dot in dots],
        "cost_charts": cost_charts([(dot, results.of(dot.name)) for dot in dots]),
        "matrix_keys": list(scores),
        "matrix": matrix(list(scores), comparisons),
        "pairs": len(comparisons),
        "details": [_detail(row, results, shown[row.key], dots) for row in variants],
        "repeat": _repeat(setting),
        "scores": results.scores,
        "data": embed(
            {
                "classes": classes,
                "variants": [_data(row, scores[row.key], shown[row.key], len(classes)) for row in variants],
            }
        ),
    }
    return environment().get_template("report.html.j2").render(page)


def dots_of(results: Results) -> list[charts.Dot]:
    """Every variant of a run as a mark of the overview charts, in the registry's order; per cent."""
    dots: list[charts.Dot] = []
    controls = 0
    for row in VARIANTS:
        scores = results.of(row.key)
        if not scores:
            continue
        if row.group == "control":
            color, controls = charts.series(charts.SERIES - 1), controls + 1
        else:
            color = charts.series((len(dots) - controls) % (charts.SERIES - 1))
        tops = tuple(100 * score.top1 for score in scores)
        low, high = (
            100 * python_statistics.mean(score.top1_interval[end] for score in scores) for end in (0, 1)
        )
        dots.append(charts.Dot(row.key, row.group, color, python_statistics.mean(tops), low, high, tops))
    return dots


def css(stand_in: str) -> str:
    """The CSS variable behind a series' stand-in colour."""
    return f"var(--s{int(stand_in[3:5], 16)})"


def section(row: Variant) -> str:
    """The report's table that a variant belongs to: supervised, self-supervised, with a decoder, graph2vec."""
    if row.group == "control":
        return "Controls"
    if row.encoder is None or "graph" in row.key:
        return "graph2vec"
    if row.reconstruct:
        return "With a decoder"
    return report.HEADINGS[row.group]


def verdicts(dots: Sequence[charts.Dot], comparisons: Sequence[Comparison]) -> list[str]:
    """What may be said, in sentences."""
    if not dots:
        return ["No variant is finished yet."]
    leader = max(dots, key=lambda dot: dot.mean)
    lines = [f"Highest top-1: {leader.name}, {leader.mean:.1f} % ({leader.low:.1f} to {leader.high:.1f})."]
    mine = [pair for pair in comparisons if leader.name in (pair.first, pair.second)]
    other = {pair: pair.second if pair.first == leader.name else pair.first for pair in mine}
    beaten = [other[pair] for pair in mine if pair.verdict == leader.name]
    open_ = [other[pair] for pair in mine if not pair.verdict]
    if beaten:
        lines.append(f"It beats {words(beaten)} on the same clips (p < 0.05, corrected).")
    if open_:
        lines.append(f"Its lead over {words(open_)} may be chance: no order is claimed.")
    controls = [dot for dot in dots if dot.group == "control"]
    if controls:
        control = max(controls, key=lambda dot: dot.mean)
        above = {pair.verdict for pair in comparisons if control.name in (pair.first, pair.second)}
        weak = [dot.name for dot in dots if dot.group != "control" and dot.name not in above]
        if weak:
            lines.append(
                f"Not shown to be better than the best control ({control.name}, {control.mean:.1f} %): {words(weak)}."
            )
        elif len(dots) > len(controls):
            lines.append(
                f"Every trained variant beats the best control ({control.name}, {control.mean:.1f} %)."
            )
    return lines


def words(names: Sequence[str]) -> str:
    """a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def matrix(
    keys: Sequence[str], comparisons: Sequence[Comparison]
) -> list[tuple[str, list[dict[str, str] | None]]]:
    """Rows of cells: difference, corrected p, and whether the row's variant wins; None where nothing was compared."""
    if not comparisons:
        return []
    pairs = {(pair.first, pair.second): pair for pair in comparisons}
    return [(row, [_cell(row, column, pairs) for column in keys]) for row in keys]


def _cell(row: str, column: str, pairs: Mapping[tuple[str, str], Comparison]) -> dict[str, str] | None:
    if (row, column) not in pairs and (column, row) not in pairs:
        return None
    pair, sign = (pairs[row, column], 1) if (row, column) in pairs else (pairs[column, row], -1)
    low, high = sorted(100 * sign * end for end in pair.interval)
    wins, losses = (pair.wins, pair.losses) if sign == 1 else (pair.losses, pair.wins)
    return {
        "kind": "win" if pair.verdict == row else "loss" if pair.verdict else "",
        "text": f"{round(100 * sign * pair.difference, 1) + 0.0:+.1f}",
        "p": p_words(pair.p_holm),
        "title": f"{row} against {column}: {low:+.1f} to {high:+.1f} points; "
        f"right more often on {wins} clips, less often on {losses}; p before correction {pair.p:.2g}",
    }


def p_words(p: float) -> str:
    """A probability with two digits."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.995 else "p = 1"


def _exhibit(results: Results, folder: Path, row: Variant) -> Path:
    return folder / "exhibits" / f"{row.key}-seed{results.of(row.key)[0].seed}.json"


def _facts(results: Results) -> list[tuple[str, str]]:
    setting, settings = results.setting, results.setting.settings
    seeds = sorted({score.seed for score in results.scores})
    return [
        ("Dataset", setting.dataset + (" (synthetic)" if setting.synthetic else "")),
        ("Protocol", setting.protocol),
        ("Training clips", f"{setting.n_train:,}"),
        ("Test clips", f"{setting.n_test:,}"),
        ("Classes", str(len(setting.class_names))),
        ("Seeds", ", ".join(map(str, seeds)) or "none yet"),
        (
            "Training",
            f"{settings['epochs']:,} epochs, batch {settings['batch_size']}, rate {settings['lr']:g}",
        ),
        ("Device", f"{setting.device}, {setting.threads} threads"),
    ]


def _cautions(results: Results) -> list[str]:
    setting = results.setting
    lines = list(setting.warnings)
    partly = {score.variant: score.n_test for score in results.scores if score.n_test != setting.n_test}
    for variant, count in partly.items():
        lines.insert(0, f"{variant} was scored on {count:,} of the {setting.n_test:,} test clips.")
    if setting.dropped:
        lines.insert(0, f"{len(setting.dropped)} clips were left out; they are named at the end.")
    if setting.settings["sampling"] == "conmlp60":
        lines.insert(0, "Released sampler (conmlp60): a demonstration of what it yields, no result.")
    return lines


def _differences(setting: Setting) -> list[str]:
    """This run against the report's, as far as it says."""
    settings, own = setting.settings, Settings()
    lines = []
    if (setting.dataset, setting.protocol) != PUBLISHED_ON:
        lines.append(f"Data: {setting.dataset}, {setting.protocol} here; {PUBLISHED_ON[0]}, X-View there.")
    for name, title in (("epochs", "Epochs"), ("batch_size", "Batch"), ("lr", "Rate")):
        if settings[name] != getattr(own, name):
            lines.append(f"{title}: {settings[name]:,} here; {getattr(own, name):,} there.")
    if settings["sampling"] == "full":
        lines.append(
            "Sampling: every training clip once an epoch here. The sampler released with ConMLP draws from as many "
            "clips as there are classes (60 on NTU RGB+D)."
        )
    if setting.config.get("align") == "body":
        lines.append(
            "Alignment: each clip is turned so that the shoulders lie along x and the spine points up."
        )
    lines.append("Score: the whole test split after the last epoch here.")
    return lines


def _tables(results: Results) -> list[dict[str, Any]]:
    rows = report.rows(results)
    grouped = {
        title: [
            {"title": row.variant.title, "cells": [row.cells[index] for index in ORDER]}
            for row in rows
            if section(row.variant) == title
        ]
        for title in SECTIONS
    }
    return [{"title": title, "rows": members} for title, members in grouped.items() if members]


def cost_charts(scored: Sequence[tuple[charts.Dot, Sequence[Score]]]) -> list[tuple[str, str]]:
    """Top-1 against each cost that is known: the SVG and its caption."""
    drawn = []
    for label, more, cost, caption in COSTS:
        values = []
        for _, scores in scored:
            # Where nothing is multiplied (the majority class) there is no cost to be weighed.
            known = [value for score in scores if score.macs and (value := cost(score))]
            values.append(python_statistics.median(known) if known else None)
        if any(values):
            drawn.append((charts.against([dot for dot, _ in scored], values, label, more, label), caption))
    return drawn


def _detail(
    row: Variant, results: Results, shown: Mapping[str, Any] | None, dots: Sequence[charts.Dot]
) -> dict[str, Any]:
    scores = results.of(row.key)
    mean, deviation = mean_deviation([100 * score.top1 for score in scores])
    best = [score.best_on_test for score in scores if score.best_on_test is not None]
    color = next(dot.color for dot in dots if dot.name == row.key)
    classes = results.setting.class_names
    found = shown and shown["map"]
    return {
        "key": row.key,
        "title": row.title,
        "seeds": len(scores),
        "first_seed": scores[0].seed,
        "top1": f"{mean:.1f}" + (f" ± {deviation:.1f}" if deviation is not None else ""),
        "best": f"{100 * max(best):.1f}" if best else None,
        "training_charts": _training_charts(row, scores, color),
        "training_caption": "A thin line per seed, their mean thick. " * (len(scores) > 1)
        + "Test accuracy is looked at, nothing is chosen by it.",
        "map": bool(found),
        "map_words": _map_words(found["agreement"]) if found else "",
        "agreement": found["agreement"] if found else [],
        "map_caption": _map_caption(found, scores[0].seed) if found else "",
        "shows": shown is not None,
        "worst": [
            {
                "true": classes[failure["label"]],
                "predicted": classes[failure["predicted"]],
                "probability": f"{100 * failure['probability']:.0f} % against "
                f"{100 * failure['probability_label']:.0f} %",
                "name": failure["figure"]["name"],
                "frames": failure["figure"]["frames"],
            }
            for failure in (shown["worst"] if shown else [])
        ],
    }


def _training_charts(row: Variant, scores: Sequence[Score], color: str) -> list[str]:
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
    return [charts.curve(title, line, color, f"{row.key} {title}") for title, line in lines.items()]


def _map_words(agreement: Sequence[Mapping[str, Any]]) -> str:
    """Action or camera: neighbours that share a thing more often than chance, relative to what could be shared."""
    gain = {row["what"]: (row["share"] - row["chance"]) / max(1 - row["chance"], 1e-9) for row in agreement}
    told = [f"{name} {100 * gain[name]:.0f} %" for name in ("class", "view", "subject") if name in gain]
    lead = max((name for name in ("class", "view", "subject") if name in gain), key=lambda name: gain[name])
    return (
        f"Between chance (0 %) and always (100 %), a clip's neighbours share its {', its '.join(told)} of the way: "
        f"the {lead} shapes this representation most."
    )


def _map_caption(found: Mapping[str, Any], seed: int) -> str:
    tests = sum(found["test"])
    return (
        f"t-SNE of {tests:,} of {found['of_test']:,} test clips (filled) and {len(found['test']) - tests:,} of "
        f"{found['of_train']:,} training clips (rings), drawn at random; seed {seed}. Distances between far groups "
        f"mean little. Neighbours: the {exhibits.NEIGHBOURS} nearest of these clips by cosine, in the "
        "representation itself."
    )


def _data(
    row: Variant, scores: Mapping[int, ClipScores], shown: Mapping[str, Any] | None, classes: int
) -> dict[str, Any]:
    kept = (
        {name: shown["map"][name] for name in ("x", "y", "label", "view", "subject", "test")}
        if shown and shown["map"]
        else None
    )
    return {
        "key": row.key,
        "seeds": len(scores),
        "confusion": confusion(list(scores.values()), classes).ravel().tolist(),
        "map": kept,
        "edges": shown["edges"] if shown else [],
        "worst": [{"figure": failure["figure"]} for failure in shown["worst"]] if shown else [],
    }


def _repeat(setting: Setting) -> list[tuple[str, str]]:
    return [
        ("Commit", setting.git_revision or "unknown"),
        ("Data", setting.source),
        ("Data, SHA-256", setting.data_sha256),
        ("Started", setting.started),
        *setting.versions.items(),
    ]
