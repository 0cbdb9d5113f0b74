"""A made-up run of any size, with every file that a report is written from."""

import json
from dataclasses import replace

import numpy as np

from skelbench.eval import metrics, samples
from skelbench.runs.folder import RunFolder
from skelbench.runs.results import Curve, Results, RunInfo, Score, Speed, Stage, VariantInfo
from skelbench.runs.significance import ClipScores, score_hash, wilson
from skelbench.training.settings import Settings
from skelbench.variants import choose
from tests.conftest import make_clips


def info(classes=4, test=60, dataset="made up", protocol="xview", synthetic=True, **changes) -> RunInfo:
    values = dict(
        dataset=dataset, source="nowhere", synthetic=synthetic, unit="metre", protocol=protocol,
        description="train view 1, test view 2", class_names=[f"class <{c}> of people" for c in range(classes)],
        n_train=100, n_test=test, data_sha256="0" * 64, dropped=[["S001", "NaN"]], caveats=["a warning"],
        config={"align": "none"}, settings=vars(Settings()), command="python -m skelbench.eval xview", device="CPU",
        threads=1, versions={"torch": "2"}, git_revision="abc", started="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    return RunInfo(**{**values, **changes})


def write_run(
    folder, accuracies=(("conmlp-supcon", 0.8), ("majority", 0.2)), seeds=(0, 1), classes=4, test=60, epochs=5,
    map_clips=0, worst=0, row=(), **changes,
) -> Results:  # fmt: skip
    """Write `folder` and return its results; every variant is right on about the given share of the clips.

    `row` changes what is said of the rows that the registry does not know.
    """
    rng = np.random.default_rng(0)
    label = np.arange(test) % classes
    names = np.array([f"S{index:06}" for index in range(test)])
    known = {row.key: row.info for row in choose(["all"])}
    rows = [
        known.get(key)
        or replace(VariantInfo(key, f"title of {key}", "supervised", "lab", "lab"), **dict(row))
        for key, _ in accuracies
    ]
    results, run = Results(info(classes, test, **changes), rows), RunFolder(folder)
    for place, (key, share) in enumerate(accuracies):
        for seed in seeds:
            logits = rng.normal(size=(test, classes)).astype(np.float32)
            right = rng.random(test) < share
            logits[
                np.arange(test),
                np.where(right, label, (label + 1 + rng.integers(0, max(classes - 1, 1), test)) % classes),
            ] += 8
            correct = int((logits.argmax(1) == label).sum())
            run.save_scores(key, seed, ClipScores(names, logits, label))
            curves = [
                Curve(stage, rng.random(epochs).tolist(), rng.random(epochs).tolist())
                for stage in ("train", "probe")
            ]
            trained = key not in ("majority",)
            results.scores.append(
                Score(
                    variant=key,
                    seed=seed,
                    top1=correct / test,
                    top1_interval=wilson(correct, test),
                    top5=None,
                    mean_class=metrics.mean_class(logits, label),
                    knn1=None,
                    best_on_test=None,
                    released_score=None,
                    correct=correct,
                    n_train=100,
                    n_test=test,
                    coverage=100,
                    training_parameters=11_000_000 + place,
                    inference_parameters=10,
                    macs=10_000_000 * (place + 1) if trained else 0,
                    seconds=1.0,
                    scores_sha256=score_hash(logits),
                    speed=Speed(100.0 + place, 1000.0 + place, 1.0, 2.0, 3.0),
                    curves=curves if trained else [],
                    test_curve=[(epoch + 1, float(rng.random())) for epoch in range(epochs)]
                    if trained
                    else [],
                    stages=[Stage("train", epochs, 64, 0.003, "SGD")] if trained else [],
                )
            )
        path = run.samples(key, seeds[0])
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(_samples(rng, map_clips, worst, classes)))
    results.save(run.results)
    return results


def _samples(rng, map_clips, worst, classes):
    clips = make_clips(clips=8, joints=25, bodies=2)
    shown = None
    if map_clips:
        shown = {
            "x": rng.integers(0, 1001, map_clips).tolist(), "y": rng.integers(0, 1001, map_clips).tolist(),
            "label": rng.integers(0, classes, map_clips).tolist(), "view": rng.integers(1, 4, map_clips).tolist(),
            "subject": rng.integers(1, 41, map_clips).tolist(), "test": rng.integers(0, 2, map_clips).tolist(),
            "agreement": [{"what": what, "share": 0.9, "chance": 0.1} for what in ("class", "view")],
            "of_train": 100, "of_test": 60,
        }  # fmt: skip
    failures = [
        {
            "figure": vars(samples.figure(clips, index)),
            "label": 0,
            "predicted": 1,
            "probability": 0.9,
            "probability_label": 0.1,
        }
        for index in range(worst)
    ]
    return {"edges": [list(edge) for edge in clips.skeleton.edges], "map": shown, "worst": failures}


def rescore(folder, variant, seed, change) -> None:
    """Replace the stored scores of one variant with one seed by `change(scores)`, and the result with them."""
    run = RunFolder(folder)
    results = run.load()
    (score,) = (score for score in results.of(variant) if score.seed == seed)
    changed = change(run.load_scores(score))
    run.save_scores(variant, seed, changed)
    score.n_test, score.correct = len(changed.label), int(changed.right.sum())
    score.top1, score.scores_sha256 = score.correct / score.n_test, score_hash(changed.logits)
    results.save(run.results)
