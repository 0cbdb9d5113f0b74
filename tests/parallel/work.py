"""What the processes of a test do; each function is given its process's `Ranks`, those of one process by ALONE."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

import skelbench.data
from skelbench import losses, ops
from skelbench.models.conmlp import ConMLP
from skelbench.parallel.norm import SyncedBatchNorm, synchronised
from skelbench.parallel.ranks import RankError, Ranks, gather, scatter_sum, total
from skelbench.training.checkpoint import Checkpoint
from skelbench.training.dataset import PackedDataset
from skelbench.training.log import EpochLog, TrainingError
from skelbench.training.settings import Settings
from skelbench.training.streams import StreamInput
from skelbench.training.task import Fitted, Task
from skelbench.training.tensors import load_tensors
from skelbench.variants import choose

# 51 training clips in batches of 16: 16, 16, 16, 3.
SETTINGS = Settings(
    epochs=5, batch_size=16, lr=0.02, probe_epochs=2, sequence_epochs=5, sequence_batch_size=16, stream_epochs=5,
    stream_batch_size=16, stream_lr=0.002, windows=4, embedding="op",
)  # fmt: skip


def task_of(
    ranks: Ranks, data: Path, settings: Settings, checkpoint: Path | None = None, precision: Any = "32-true"
) -> Task:
    clips = skelbench.data.load(data)
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    train, test = torch.arange(len(clips)).tensor_split(2)
    return Task(
        clips,
        PackedDataset(clips, fabric.device),
        train,
        test,
        settings,
        0,
        fabric,
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint),
        ranks=ranks,
    )


class ReadsWholeClips(ConMLP):
    """An encoder of another package: its first layer is not known to be divisible."""


class OtherLoss(nn.Module):
    """A loss that is not of skelbench: of all rows, no sum of parts."""

    def forward(self, rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (rows.std(0) * rows[labels == 1].mean(0)).sum()


def sgd(parameters: Any, lr: float, weight_decay: float = 0.0) -> torch.optim.Optimizer:
    """In the place of Adam, which takes a step of its full rate along a gradient that is nothing but rounding."""
    return torch.optim.SGD(parameters, lr, momentum=0.9, weight_decay=weight_decay)


@contextmanager
def in_double() -> Iterator[None]:
    """Weights and what becomes of the clips' streams in float64; the streams are made in float32, as ever."""

    def widened(make: Callable[..., Any]) -> Callable[..., Any]:
        def wide(*arguments: Any) -> Any:
            torch.set_default_dtype(torch.float32)
            narrow = [a.float() if isinstance(a, Tensor) and a.is_floating_point() else a for a in arguments]
            try:
                made = make(*narrow)
            finally:
                torch.set_default_dtype(torch.float64)
            if isinstance(made, tuple):
                return tuple(part.double() if part.is_floating_point() else part for part in made)
            return made.double()

        return wide

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with ExitStack() as replaced:
            for name in ("plain", "view", "positions"):
                made = widened(getattr(StreamInput, name))
                replaced.enter_context(mock.patch.object(StreamInput, name, made))
            yield
    finally:
        torch.set_default_dtype(before)


def train(
    ranks: Ranks,
    key: str,
    data: Path,
    checkpoint: Path,
    isa: str = "",
    adam: bool = True,
    stop: int = 0,
    whole_clips: bool = False,
    double: bool = False,
    **changes: object,
) -> dict[str, object]:
    """Losses, weights and buffers of the optimizer after the last epoch (or after epoch `stop`), logits, bytes sent."""
    torch.manual_seed(1000 + ranks.rank)  # a recipe has to seed what it draws
    precision = "64-true" if double else "32-true"
    task = task_of(ranks, data, replace(SETTINGS, **changes), checkpoint, precision)
    (row,) = choose([key])
    if whole_clips:
        row = replace(row, encoder=ReadsWholeClips)
    torch.use_deterministic_algorithms(True)
    before = ranks.sent
    with ops.use_isa(isa), ExitStack() as replaced:
        for name in () if adam else ("Adam", "AdamW"):
            replaced.enter_context(mock.patch.object(torch.optim, name, sgd))
        if double:
            replaced.enter_context(in_double())
        task = replace(task, on_epoch=lambda log: stopped(log, stop))
        try:
            fitted: Fitted = row.fit(task)
        except TrainingError:
            if not stop:
                raise
            return {"stopped": stop}
    found = {
        "losses": [log.loss for log in fitted.history if log.stage == "train"],
        "curve": fitted.pretraining_curve or fitted.test_curve,
        "inference": {name: value.numpy() for name, value in fitted.inference.state_dict().items()},
        "logits": fitted.test_logits.numpy(),
        "sent": ranks.sent - before,
    }
    if ranks.first:
        found["checkpoint"] = {name: value.numpy() for name, value in load_tensors(checkpoint)[0].items()}
    return found


def stopped(log: EpochLog, epoch: int) -> None:
    if log.stage == "train" and log.epoch == epoch:
        raise TrainingError("stopped")


def exchanges(ranks: Ranks, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """The differentiable exchanges with a loss that differs from process to process: values and gradients."""
    draw = torch.Generator().manual_seed(0)
    everyone = torch.randn(sum(sizes), 3, generator=draw, dtype=torch.float64)
    begin = sum(sizes[: ranks.rank])
    own = everyone[begin : begin + sizes[ranks.rank]].clone().requires_grad_()
    weights = torch.randn(ranks.size, sum(sizes), 3, generator=draw, dtype=torch.float64)
    found = gather(own, ranks, ranks.sizes(own))
    (found.square() * weights[ranks.rank]).sum().backward()
    partial = weights[ranks.rank].clone().requires_grad_()
    scattered = scatter_sum(partial, ranks, sizes)
    (scattered.square() * (1 + ranks.rank)).sum().backward()
    value = (own.detach().sum(0) + ranks.rank).requires_grad_()
    summed = total(value, ranks)
    (summed.square() * (1 + ranks.rank)).sum().backward()
    tensors = found, own.grad, scattered, partial.grad, summed, value.grad
    return [tensor.detach().numpy() for tensor in tensors]


def global_loss(
    ranks: Ranks, name: str, sizes: tuple[int, ...], dtype: torch.dtype, isa: str, gradients: str
) -> tuple[float, np.ndarray]:
    """A process's part of a loss, and the gradient of its rows and of a layer that all processes have."""
    rows, labels, layer = batch(sizes, dtype)
    begin = sum(sizes[: ranks.rank])
    own = slice(begin, begin + sizes[ranks.rank])
    loss = losses.GlobalBatchLoss(getattr(losses, name)(), ranks, gradients=gradients)
    with ops.use_isa(isa):
        part = loss(layer(rows[own]), labels[own])
        part.backward()
    return float(part.detach()), layer.weight.grad.numpy()


def other_loss(ranks: Ranks, sizes: tuple[int, ...]) -> tuple[float, np.ndarray]:
    """A process's part of a loss that is not of skelbench, and its gradient of a layer that all have."""
    rows, labels, layer = batch(sizes, torch.float64)
    begin = sum(sizes[: ranks.rank])
    own = slice(begin, begin + sizes[ranks.rank])
    part = losses.part_of(OtherLoss(), ranks)(layer(rows[own]), labels[own], sizes)
    part.backward()
    return float(part.detach()), layer.weight.grad.numpy()


def batch(sizes: tuple[int, ...], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, nn.Linear]:
    """Rows whose labels differ from process to process; some have no positive."""
    draw = torch.Generator().manual_seed(1)
    count = sum(sizes)
    labels = torch.cat(
        [torch.randint(2 + 3 * rank, (size,), generator=draw) for rank, size in enumerate(sizes)]
    )
    labels[-1] = 99
    rows = torch.randn(count, 6, generator=draw, dtype=dtype)
    torch.manual_seed(2)
    return rows, labels, nn.Linear(6, 8, dtype=dtype)


def norms(ranks: Ranks, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Outputs, gradients and running statistics of a batch normalisation after two steps."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(4))
    with torch.no_grad():
        model[0].weight.uniform_(0.5, 2)
        model[0].bias.uniform_(-1, 1)
    assert synchronised(model, ranks) == int(ranks.size > 1)
    assert isinstance(model[0], SyncedBatchNorm) == (ranks.size > 1)
    begin = sum(sizes[: ranks.rank])
    own = slice(begin, begin + sizes[ranks.rank])
    for _ in range(2):
        rows = 3 + 2 * torch.randn(sum(sizes), 4, 5)
        wanted = torch.randn(sum(sizes), 4, 5)
        input = rows[own].requires_grad_()
        output = model(input)
        (output.sin() * wanted[own]).sum().backward()
    ranks.reduce_gradients(model.parameters())
    model.eval()
    tensors = [output, input.grad, model[0].weight.grad, model[0].bias.grad]
    tensors += [model[0].running_mean, model[0].running_var, model(rows[:2])]
    return [tensor.detach().numpy() for tensor in tensors]


def evaluate(ranks: Ranks, data: Path) -> tuple[list[int], np.ndarray]:
    """The clips that this process computed, and the outputs of all."""
    task = task_of(ranks, data, SETTINGS)
    seen: list[int] = []

    def batch_of(indices: torch.Tensor) -> torch.Tensor:
        seen.extend(indices.tolist())
        return indices[:, None].float()

    return seen, task.outputs(nn.Identity(), batch_of, task.test).numpy()


def collect_twice(ranks: Ranks) -> str:
    """What is said where a clip was computed twice."""
    try:
        ranks.collected(torch.arange(2), torch.zeros(2, 1), 2 * ranks.size)
    except RankError as error:
        return str(error)
    return ""
