"""`linear`: the penalised probe on frozen representations, for rows of every family alike."""

from __future__ import annotations

import torch

from skelbench.eval.protocols.frozen import Found, Frozen
from skelbench.training.penalised_probe import folds_like_test, penalised_probe


def linear(frozen: Frozen, argument: str) -> Found:
    """Softmax regression; its penalty is chosen on folds of the training clips that hold out what the test does."""
    train = frozen.train_representations
    masks, rule = folds_like_test(frozen.clips, frozen.train, frozen.test, frozen.task.seed)
    chosen = penalised_probe(train, frozen.train_label, frozen.clips.classes, masks, rule)
    with torch.inference_mode():
        logits = chosen.layer(frozen.test_representations).numpy()
    return Found(logits, words=f"penalty {chosen.penalty:g}, chosen on folds that hold out {rule}")
