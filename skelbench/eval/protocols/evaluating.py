"""The protocols of `--evaluate` on what a run has trained: from the stored weights, so that they may be added later."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skelbench.errors import SkelbenchError
from skelbench.eval.config import Config
from skelbench.eval.protocols.frozen import Found, Frozen
from skelbench.eval.protocols.words import evaluator
from skelbench.runs.evaluations import Evaluation
from skelbench.runs.folder import RunFolder
from skelbench.runs.results import Results
from skelbench.runs.significance import ClipScores, score_hash
from skelbench.training import weights
from skelbench.training.task import Task
from skelbench.training.variant import Variant


def missing(config: Config, results: Results, variant: Variant, seed: int, fold: str) -> list[str]:
    """Protocols that were asked for and are not there; none for a row without an encoder."""
    if variant.encoder is None and variant.restore is None:
        return []
    done = {
        found.protocol
        for found in results.evaluations
        if (found.variant, found.seed, found.fold) == (variant.key, seed, fold)
    }
    return [protocol for protocol in config.evaluate if protocol not in done]


def evaluate(
    wanted: Sequence[str],
    variant: Variant,
    task: Task,
    fold: str,
    config: Config,
    folder: RunFolder,
    results: Results,
) -> None:
    """Add what each protocol finds to the results; one that fails is a caveat."""
    path, frozen = folder.weights(variant.key, task.seed, fold), None
    for protocol in wanted:
        function, argument = evaluator(protocol)
        try:
            if frozen is None:
                encoder = weights.load(path, variant, str(task.fabric.device))
                frozen = Frozen(variant, encoder, path, task, config)
            found = function(frozen, argument)
        except SkelbenchError as error:
            caveat = f"{variant.key}, seed {task.seed}: {protocol} was left out: {error}"
            results.info.caveats += [caveat] if caveat not in results.info.caveats else []
            results.save(folder.results)
            continue
        results.evaluations.append(_stored(found, protocol, frozen, fold, folder, results))
        results.save(folder.results)


def _stored(
    found: Found, protocol: str, frozen: Frozen, fold: str, folder: RunFolder, results: Results
) -> Evaluation:
    """The record of what was found; logits and lists are put where they belong."""
    label = frozen.test_label if found.label is None else found.label
    evaluation = Evaluation(
        frozen.variant.key,
        frozen.task.seed,
        protocol,
        float(np.mean(found.draws)) if found.draws else 0.0,
        len(label),
        fold,
        draws=found.draws,
        points=found.points,
        words=found.words,
    )
    if found.logits is not None:
        names = frozen.clips.names[frozen.test] if found.names is None else found.names
        scores = ClipScores(names, found.logits, label)
        evaluation.correct = int(scores.right.sum())
        evaluation.top1 = evaluation.correct / len(label)
        evaluation.scores_sha256 = score_hash(found.logits)
        folder.save_evaluation(evaluation, scores)
    if found.lists:
        lists = [list(names) for names in found.lists]
        # Rows that leave clips out have lists of their own.
        evaluation.lists = ", ".join(
            filter(None, (protocol, fold, f"of {len(frozen.train):,} training clips"))
        )
        results.lists[evaluation.lists] = lists
    return evaluation
