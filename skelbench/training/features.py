"""Probes on features that were computed elsewhere: the two linear probes that our own rows are scored by.

The clips of the task are those of `skelbench.data.features`: their joints are the features.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from skelbench.data.features import feature_rows
from skelbench.training.penalised_probe import folds_like_test, penalised_probe
from skelbench.training.probe import linear_probe, probe_stage
from skelbench.training.task import Fitted, Task, count_parameters, top1
from skelbench.training.variant import Variant


def trained_probe(task: Task, variant: Variant) -> Fitted:
    """The linear probe of the ConMLP rows: softmax regression by SGD (skelbench.training.probe)."""
    values = _values(task)
    label, test = task.data.label[task.test], values[task.test]
    curve: list[tuple[int, float]] = []

    def after_epoch(layer: nn.Linear) -> None:
        with torch.inference_mode():
            curve.append((len(curve) + 1, top1(layer(test), label)))

    layer, history = linear_probe(task, values, after_epoch)
    stage = probe_stage(task, task.settings.probe_lr)
    return _fitted(task, values, layer, test_curve=curve, history=history, stages=[stage])


def chosen_probe(task: Task, variant: Variant) -> Fitted:
    """The probe of the rows on resampled clips: its penalty is chosen on folds of the training clips."""
    values = _values(task)
    masks, rule = folds_like_test(task.clips, task.train.cpu().numpy(), task.test.cpu().numpy(), task.seed)
    held = [mask.to(values.device) for mask in masks]
    chosen = penalised_probe(values[task.train], task.data.label[task.train], task.shape.classes, held, rule)
    note = (
        f"penalty {chosen.penalty:g}, chosen on {len(masks)} folds of the training clips that hold out {rule}"
    )
    return _fitted(task, values, chosen.layer, notes=[note])


def _values(task: Task) -> Tensor:
    """float32 (N, D)."""
    return torch.from_numpy(feature_rows(task.clips)).to(task.fabric.device)


def _fitted(task: Task, values: Tensor, layer: nn.Linear, **shown: object) -> Fitted:
    with torch.inference_mode():
        logits = layer(values[task.test]).float().cpu()
    return Fitted(
        nn.Sequential(OrderedDict(encoder=nn.Identity(), classifier=layer)),
        lambda indices: values[indices],
        logits,
        values[task.train].cpu(),
        values[task.test].cpu(),
        training_parameters=count_parameters(layer),
        coverage=len(task.train),
        **shown,  # type: ignore[arg-type]
    )
