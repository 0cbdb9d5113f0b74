"""Members of a fused row that the run has trained as rows of their own: their stored weights, not a second training."""

from __future__ import annotations

import math

from skelbench.runs.folder import RunFolder
from skelbench.runs.results import Results
from skelbench.training import weights
from skelbench.training.built import read
from skelbench.training.log import EpochLog
from skelbench.training.task import Fitted, Task
from skelbench.training.variant import Variant


def taken(task: Task, fold: str, folder: RunFolder, results: Results, variant: Variant) -> Fitted | None:
    """The row as the run trained it with the task's seed and fold; None where it has not.

    Raises:
        WeightsError: its weights cannot be read.
    """
    found = [score for score in results.of(variant.key) if (score.seed, score.fold) == (task.seed, fold)]
    if not found:
        return None
    (score,) = found
    path = folder.weights(variant.key, task.seed, fold)
    encoder = weights.load(path, variant, str(task.fabric.device))
    model, batch = encoder.model, encoder.inputs(task.clips, encoder.device)
    _, stored = read(path)
    rate = score.speed.train_clips_per_s
    return Fitted(
        model,
        batch,
        task.outputs(model, batch, task.test),
        task.outputs(model[0], batch, task.train),
        task.outputs(model[0], batch, task.test),
        tables={name: tensor for name, tensor in stored.items() if name not in model.state_dict()},
        training_parameters=score.training_parameters,
        coverage=score.coverage,
        train_clips_per_s=rate,
        history=[
            EpochLog(curve.stage, epoch, len(curve.loss), loss, lr, math.nan if rate is None else rate)
            for curve in score.curves
            for epoch, (loss, lr) in enumerate(zip(curve.loss, curve.lr, strict=True), 1)
        ],
        stages=score.stages,
        taken_s=score.seconds,
    )
