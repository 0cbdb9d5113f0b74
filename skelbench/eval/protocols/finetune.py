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
from skelbench.training.encoder import cross_entropy
from skelbench.training.reference import train_supervised
from skelbench.training.stream_rows import FINE_TUNING

# Rows of packed clips: epochs at the run's own rate. At most so many: a run of fewer epochs is a trial.
EPOCHS = 50


class FineTuningError(SkelbenchError):
    """A row whose encoder cannot be trained further; one line."""


def finetune(frozen: Frozen, argument: str) -> Found:
    """Cross-entropy on the training clips, the whole network at once; last epoch.

    Raises:
        FineTuningError: the row's encoder is no module that its own recipe trains on clips.
    """
    variant, task = frozen.variant, frozen.task
    if variant.members:
        raise FineTuningError(f"{variant.key} fuses trained rows: fine-tune each as a row of its own")
    trained: nn.Module = frozen.encoder.model[0]
    if isinstance(trained, Centred):
        trained = trained.encoder

    def begun(shape: object) -> nn.Module:
        return copy.deepcopy(trained)

    if variant.plan is not None:
        epochs = min(FINE_TUNING.epochs, task.settings.stream_epochs or FINE_TUNING.epochs)
        plan = replace(FINE_TUNING, streams=variant.plan.streams, frames=variant.plan.frames, epochs=epochs)
        settings = replace(
            task.settings,
            stream_epochs=None,
            stream_lr=None,
            stream_batch_size=None,
            stream_strength=None,
            temperature=None,
        )
        fitted = train_supervised(
            replace(task, settings=settings), replace(variant, plan=plan, encoder=begun)
        )
        words = f"{epochs} epochs, rate {plan.lr:g}"
    elif variant.restore is None and variant.encoder is not None:
        settings = replace(task.settings, epochs=min(EPOCHS, task.settings.epochs))
        begun_row = replace(variant, group="supervised", encoder=begun, loss=None, reconstruct=False)
        fitted = cross_entropy(replace(task, settings=settings), begun_row)
        words = f"{settings.epochs} epochs, rate {settings.lr:g}"
    else:
        raise FineTuningError(f"{variant.key} is trained on the labels end to end")
    return Found(fitted.test_logits.numpy(), words=words)
