"""`finetune`: the encoder goes on training, with a new linear classifier, on all labels of the training clips.

The random encoder of a control begins where it is: that is training from scratch, for comparison.
"""

from __future__ import annotations

import copy
from dataclasses import replace

from torch import nn

from skelbench.errors import SkelbenchError
from skelbench.eval.protocols.frozen import Found, Frozen
from skelbench.models.heads import Centred
from skelbench.runs.numbers import count
from skelbench.training.encoder import cross_entropy
from skelbench.training.penalised_probe import folds_like_test
from skelbench.training.reference import train_supervised
from skelbench.training.stream_rows import FINE_TUNING
from skelbench.training.task import Fitted, Task, top1
from skelbench.training.variant import Variant

# Rows of packed clips: epochs at most; a run of fewer epochs is a trial.
EPOCHS = 50
# Rates that are tried, as factors of the recipe's (rows on resampled clips) or the run's; among equals, the first.
FACTORS = (1.0, 0.3, 3.0)
# Folds that choose, at most: each costs a training per rate.
FOLDS = 2


class FineTuningError(SkelbenchError):
    """A row whose encoder cannot be trained further; one line."""


def finetune(frozen: Frozen, argument: str) -> Found:
    """Cross-entropy on the training clips, the whole network at once; last epoch.

    The rate is chosen on folds of the training clips that hold out what the test split does.

    Raises:
        FineTuningError: the row's encoder is no module that its own recipe trains on clips.
    """
    variant, task = frozen.variant, frozen.task
    if variant.members:
        raise FineTuningError(f"{variant.key} fuses trained rows: fine-tune each as a row of its own")
    if variant.plan is None and (variant.restore is not None or variant.encoder is None):
        raise FineTuningError(f"{variant.key} is trained on the labels end to end")
    trained: nn.Module = frozen.encoder.model[0]
    if isinstance(trained, Centred):
        trained = trained.encoder
    masks, rule = folds_like_test(frozen.clips, frozen.train, frozen.test, task.seed)
    folds = [mask.to(task.train.device) for mask in masks[:FOLDS]]
    right = dict.fromkeys(FACTORS, 0.0)
    for factor in FACTORS:
        for held in folds:
            part = replace(task, train=task.train[~held], test=task.train[held])
            right[factor] += top1(
                _fitted(variant, part, trained, factor).test_logits, task.data.label[part.test]
            )
    best = max(FACTORS, key=lambda factor: right[factor])
    fitted = _fitted(variant, task, trained, best)
    (stage,) = fitted.stages
    rates = ", ".join(f"{stage.lr / best * factor:.3g}" for factor in sorted(FACTORS))
    return Found(
        fitted.test_logits.numpy(),
        words=f"{stage.epochs} epochs, rate {stage.lr:.3g} of {rates}, chosen on {count(len(folds), 'fold')} that hold "
        f"out {rule}",
    )


def _fitted(variant: Variant, task: Task, trained: nn.Module, factor: float) -> Fitted:
    """A copy of the encoder, trained further at so many times the recipe's rate."""

    def begun(shape: object) -> nn.Module:
        return copy.deepcopy(trained)

    settings = task.settings
    if variant.plan is None:
        settings = replace(settings, epochs=min(EPOCHS, settings.epochs), lr=factor * settings.lr)
        row = replace(variant, group="supervised", encoder=begun, loss=None, reconstruct=False)
        return cross_entropy(replace(task, settings=settings), row)
    plan = replace(
        FINE_TUNING,
        streams=variant.plan.streams,
        frames=variant.plan.frames,
        epochs=min(FINE_TUNING.epochs, settings.stream_epochs or FINE_TUNING.epochs),
        lr=factor * FINE_TUNING.lr,
    )
    settings = replace(
        settings,
        stream_epochs=None,
        stream_lr=None,
        stream_batch_size=None,
        stream_strength=None,
        stream_predict=None,
        temperature=None,
    )
    return train_supervised(replace(task, settings=settings), replace(variant, plan=plan, encoder=begun))
