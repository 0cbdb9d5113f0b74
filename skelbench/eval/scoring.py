"""One variant with one seed: train, score the whole test split, write scores, weights and samples."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from skelbench.eval import measure, metrics
from skelbench.eval.config import Config
from skelbench.eval.samples import samples
from skelbench.runs.files import replacing
from skelbench.runs.folder import RunFolder
from skelbench.runs.results import Curve, Results, Score, training_name
from skelbench.runs.significance import ClipScores, score_hash, wilson
from skelbench.training import weights
from skelbench.training.initial import InitError
from skelbench.training.log import EpochLog
from skelbench.training.task import Fitted, Task, outputs
from skelbench.training.variant import Variant


@dataclass(frozen=True)
class Found:
    """What the processes found together: the rest is the first one's work."""

    fitted: Fitted
    knn1: float | None
    seconds: float
    """Of training and of finding the nearest neighbours."""


def train(variant: Variant, task: Task) -> Found:
    """Train a variant and find its test clips' nearest neighbours, each clip by one of the processes.

    Raises:
        SkelbenchError: the variant cannot be trained on these data.
    """
    began = time.perf_counter()
    measure.reset_peak(task.fabric.device)
    fitted = variant.fit(task)
    if task.initial and not task.initial.used:
        raise InitError(
            f"--init {task.initial.name}: the recipe of {variant.key} starts from no stored weights"
        )
    train, test = fitted.train_representations, fitted.test_representations
    knn1 = None
    if train is not None and test is not None:
        train_label, label = (task.clips.label[part.cpu().numpy()] for part in (task.train, task.test))
        hits = outputs(
            task.ranks,
            lambda own: torch.from_numpy(
                metrics.knn1_hits(train.numpy(), train_label, test[own].numpy(), label[own.numpy()])
            ),
            len(label),
        )
        knn1 = float(hits.double().mean())
    return Found(fitted, knn1, time.perf_counter() - began + fitted.taken_s)


def score_variant(
    variant: Variant, task: Task, found: Found, fold: str, folder: RunFolder, config: Config, results: Results
) -> Score:
    """Score and write; the first seed of a variant also leaves its samples.

    Raises:
        SkelbenchError: a file cannot be written.
    """
    began = time.perf_counter()
    fitted = found.fitted
    who = training_name(variant.key, task.seed, fold)
    results.info.caveats.extend(f"{who}: {note}" for note in fitted.notes)
    logits = fitted.test_logits.numpy()
    # As arrays: one index alone, a tensor, would give a number.
    train_label, label = (task.clips.label[part.cpu().numpy()] for part in (task.train, task.test))
    correct = int((logits.argmax(1) == label).sum())
    _write(variant, task, fitted, fold, folder, config)
    if not results.of(variant.key):
        samples(task, fitted).save(folder.samples(variant.key, task.seed, fold))
    speed = measure.speed(task, fitted)
    return Score(
        variant=variant.key,
        seed=task.seed,
        top1=correct / len(label),
        top1_interval=wilson(correct, len(label)),
        top5=metrics.top_k(logits, label, 5) if task.shape.classes > 5 else None,
        mean_class=metrics.mean_class(logits, label),
        knn1=found.knn1,
        best_on_test=fitted.best_on_test,
        released_score=fitted.released_score,
        correct=correct,
        n_train=len(train_label),
        n_test=len(label),
        coverage=fitted.coverage,
        training_parameters=fitted.training_parameters,
        inference_parameters=measure.inference_parameters(fitted),
        # Of features, the cost of their encoder is unknown, and that of a probe says nothing.
        macs=measure.macs(fitted, task.test[:1]) if task.clips.skeleton.joint_names else 0,
        seconds=found.seconds + time.perf_counter() - began,
        scores_sha256=score_hash(logits),
        speed=speed,
        curves=_curves(fitted.history),
        test_curve=fitted.test_curve,
        pretraining_curve=fitted.pretraining_curve,
        stages=fitted.stages,
        fold=fold,
        init=f"{task.initial.name}, sha256 {task.initial.sha256[:16]}" if task.initial else "",
        class_recall=metrics.class_recall(logits, label),
        model_bytes=measure.model_bytes(fitted),
    )


def _write(
    variant: Variant, task: Task, fitted: Fitted, fold: str, folder: RunFolder, config: Config
) -> None:
    test = task.test.cpu().numpy()
    names = task.clips.names[test]
    scores = ClipScores(names, fitted.test_logits.numpy(), task.clips.label[test])
    folder.save_scores(variant.key, task.seed, scores, fold)
    weights.save(fitted, variant, task, config.align, folder.weights(variant.key, task.seed, fold))
    if config.representations and fitted.test_representations is not None:
        path = folder.representations(variant.key, task.seed, fold)
        with replacing(path) as partial, open(partial, "wb") as file:
            np.savez(file, names=names, representations=fitted.test_representations.numpy())


def _curves(history: list[EpochLog]) -> list[Curve]:
    curves: dict[str, Curve] = {}
    for log in history:
        curve = curves.setdefault(log.stage, Curve(log.stage))
        curve.loss.append(log.loss)
        curve.lr.append(log.lr)
    return list(curves.values())
