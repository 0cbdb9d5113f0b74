"""Controls: what accuracy costs nothing, and what the raw coordinates give a linear classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelbench.models.ragged_input import RaggedInput
from skelbench.ops.clips import RaggedClips
from skelbench.training.dataset import PackedDataset
from skelbench.training.probe import fit_softmax, probe_stage
from skelbench.training.task import Fitted, Task, count_parameters, top1
from skelbench.training.variant import Variant

# The squared norm of a standardised representation, for which the probe's rate is meant.
PROBE_WIDTH = 256


class Constant(nn.Module):
    """The same logits for every clip."""

    logits: Tensor

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.register_buffer("logits", logits)

    def forward(self, clips: RaggedClips) -> Tensor:
        """(B clips) -> (B, classes)."""
        return self.logits.expand(len(clips), -1)


def majority(task: Task, variant: Variant) -> Fitted:
    """Always the most frequent class of the training clips, then the next (for top-5)."""
    counts = torch.bincount(task.data.label[task.train], minlength=task.shape.classes)
    model = Constant(counts / counts.sum())
    return Fitted(
        model, task.data.batch, task.outputs(model, task.data.batch, task.test), coverage=len(task.train)
    )


def raw_linear_probe(task: Task, variant: Variant) -> Fitted:
    """Softmax regression on the padded coordinates themselves, trained as the linear probe is.

    The rate is scaled to the inputs' mean squared norm, which stands in for the standardising of the probe's inputs
    (the padded rows are never formed, so their columns cannot be standardised).
    """
    torch.manual_seed(task.seed)
    module = RaggedInput(task.shape.features, task.shape.classes).to(task.fabric.device)
    nn.init.zeros_(module.weight)
    rate = task.settings.probe_lr * PROBE_WIDTH / _mean_squared_norm(task.data, task.train)
    label = task.data.label[task.test]
    curve: list[tuple[int, float]] = []

    def after_epoch() -> None:
        logits = task.outputs(module, task.data.batch, task.test)
        curve.append((len(curve) + 1, top1(logits, label)))

    history = fit_softmax(task, module, task.data.batch, rate, after_epoch)
    return Fitted(
        module,
        task.data.batch,
        task.outputs(module, task.data.batch, task.test),
        test_curve=curve,
        training_parameters=count_parameters(module),
        coverage=len(task.train),
        history=history,
        stages=[probe_stage(task, rate)],
    )


def _mean_squared_norm(data: PackedDataset, clips: Tensor) -> float:
    chosen = data.clips.select(clips)
    ends = chosen.offsets + chosen.frames * chosen.bodies
    total = sum(
        float(chosen.joints[begin:end].double().square().sum())
        for begin, end in zip(chosen.offsets.tolist(), ends.tolist(), strict=True)
    )
    return total / len(clips)
