"""What a recipe is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from skelbench.data.clips import Clips
from skelbench.models.conmlp import InputShape
from skelbench.parallel.ranks import ALONE, Ranks
from skelbench.runs.results import Stage
from skelbench.training.checkpoint import Checkpoint, LoopState, keep
from skelbench.training.dataset import PackedDataset
from skelbench.training.initial import Initial
from skelbench.training.log import EpochLog
from skelbench.training.settings import Settings


def _silent(log: EpochLog) -> None:
    pass


def _not_trained(variant: object) -> None:
    return None


def _unwatched(epoch: int, represent: Callable[[], tuple[Tensor, Tensor]]) -> None:
    pass


@dataclass(frozen=True)
class Task:
    """One variant on one split with one seed."""

    clips: Clips
    data: PackedDataset
    train: Tensor
    """int64 (n_train,), clip indices."""
    test: Tensor
    """int64 (n_test,)."""
    settings: Settings
    seed: int
    fabric: Fabric
    on_epoch: Callable[[EpochLog], None] = _silent
    watch: Callable[[int, Callable[[], tuple[Tensor, Tensor]]], None] = _unwatched
    """Told of each epoch of an encoder's training, with what computes its representations of the training and the test
    clips; what it raises ends the training."""
    checkpoint: Checkpoint | None = None
    """Where the training is kept and resumed from."""
    embeddings: Path | None = None
    """Folder of the graph family's embeddings, by content."""
    trained: Callable[[Any], Fitted | None] = _not_trained
    """`trained(variant)`: a row as it was trained on this task before, in the same run; None where it was not."""
    initial: Initial | None = None
    """Stored weights that the encoder starts from; None: it starts at random."""
    ranks: Ranks = ALONE
    """The processes that train together."""

    @property
    def shape(self) -> InputShape:
        """What the padded clips look like to a model."""
        return self.data.shape

    def generator(self) -> torch.Generator:
        """A fresh CPU generator for the draws of this run."""
        return torch.Generator().manual_seed(self.seed)

    def outputs(self, module: nn.Module, batch: Callable[[Tensor], Any], indices: Tensor) -> Tensor:
        """`in_batches`, each clip computed once by one of the processes, the outputs then known to all."""
        return outputs(self.ranks, lambda own: in_batches(module, batch, indices[own]), len(indices))

    def keep(
        self, state: LoopState, last: bool, whole: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        """Write the checkpoint if it is time to; `whole` makes the state that of one process meanwhile."""
        if self.checkpoint is not None:
            keep(self.checkpoint, self.ranks, state, last, whole)


@dataclass(frozen=True)
class Fitted:
    """A trained classifier and what its training showed."""

    inference: nn.Module
    """`batch(indices)` -> logits (B, classes)."""
    batch: Callable[[Tensor], Any]
    test_logits: Tensor
    """float32 (n_test, classes), the whole test split, last epoch."""
    train_representations: Tensor | None = None
    """float32 (n_train, width)."""
    test_representations: Tensor | None = None
    test_curve: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, test top-1) while the classifier was trained; it is looked at, nothing is chosen by it."""
    pretraining_curve: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, test top-1 of a ridge probe) while the encoder was trained; likewise only looked at."""
    tables: dict[str, Tensor] = field(default_factory=dict)
    """What was learned besides the weights of `inference`, stored with them."""
    released_score: float | None = None
    """Only for `conmlp60`: the score the released code would print."""
    training_parameters: int = 0
    """All that training used, projection head and decoder included."""
    coverage: int = 0
    """Distinct training clips seen."""
    train_clips_per_s: float | None = None
    history: list[EpochLog] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    """How the training was set up, in the order of its stages."""
    taken_s: float = 0.0
    """Seconds of trainings that were taken as they were, not made here."""
    notes: list[str] = field(default_factory=list)
    """What a reader of the result should know, such as what was left out, for the run's caveats."""

    @property
    def best_on_test(self) -> float | None:
        """Best top-1 of `test_curve`: chosen on the test split, not a result."""
        return max(share for _, share in self.test_curve) if self.test_curve else None


Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class Trained(Generic[Model]):
    """A trained model and what its training showed."""

    model: Model
    history: list[EpochLog]
    curve: list[tuple[int, float]]
    """(epoch, test top-1), where training looks at it."""
    coverage: int
    """Distinct training clips seen."""
    stage: Stage

    @property
    def clips_per_s(self) -> float:
        """Training clips a second, the median over epochs."""
        rates = sorted(log.clips_per_s for log in self.history)
        return rates[len(rates) // 2]


def outputs(ranks: Ranks, compute: Callable[[Tensor], Tensor], count: int) -> Tensor:
    """Rows (count, ...) of which each process computes every so many: `compute(places)`, int64 (n,) -> (n, ...)."""
    own = torch.arange(ranks.rank, count, ranks.size)
    return ranks.collected(own, compute(own), count)


def in_batches(module: nn.Module, batch: Callable[[Tensor], Any], indices: Tensor, size: int = 512) -> Tensor:
    """Outputs of `module` in evaluation mode for the clips at `indices`, float32 on the CPU."""
    was_training = module.training
    module.eval()
    with torch.inference_mode():
        outputs = [module(batch(part)).float().cpu() for part in indices.split(size)]
    module.train(was_training)
    return torch.cat(outputs)


def count_parameters(module: nn.Module) -> int:
    """Trainable numbers in a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def top1(logits: Tensor, label: Tensor) -> float:
    """Share of rows whose largest logit is at their label."""
    return float((logits.argmax(1).cpu() == label.cpu()).double().mean())
