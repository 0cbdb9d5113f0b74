"""Where an interrupted training is resumed: all that its loop changes, written after an epoch, read back bit by bit.

One safetensors file: tensors (weights, the optimizer's buffers, random states, which clips were seen) and a record
(epoch, schedule, history). The one before it is kept beside it, so that a damaged file costs some epochs, not all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from skelbench.parallel.ranks import Ranks
from skelbench.training.log import EpochLog
from skelbench.training.sampling import Sampler
from skelbench.training.tensors import TensorFileError, load_tensors, save_tensors

# Share of the time that may go into writing: where an epoch lasts 20 times a write, every epoch is written.
SHARE = 0.05
# What a step of a torch schedule changes.
SCHEDULE = ("last_epoch", "_step_count", "_last_lr")


@dataclass
class LoopState:
    """What a training loop changes from epoch to epoch; `history` and `curve` are filled in place."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    fabric: Fabric
    generator: torch.Generator | None = None
    """Of the draws, where they are not torch's own."""
    sampler: Sampler | None = None
    """Its count of clips seen is kept."""
    history: list[EpochLog] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, test top-1)."""

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor, on the CPU."""
        found = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for place, buffers in self.optimizer.state_dict()["state"].items():
            found |= {
                f"optimizer.{place}.{name}": value
                for name, value in buffers.items()
                if isinstance(value, Tensor)
            }
        found["random.torch"] = torch.get_rng_state()
        if self.generator:
            found["random.draws"] = self.generator.get_state()
        if self.sampler:
            found["sampler.seen"] = self.sampler.seen
        if self.fabric.device.type == "cuda":
            found["random.cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        return {name: value.detach().cpu().contiguous() for name, value in found.items()}

    def numbers(self) -> dict[str, Any]:
        """The rest, as JSON keeps it (floats come back to the bit)."""
        schedule, optimizer = self.schedule.state_dict(), self.optimizer.state_dict()
        return {
            "schedule": {name: schedule[name] for name in SCHEDULE},
            "rates": [group["lr"] for group in optimizer["param_groups"]],
            "precision": self.fabric.strategy.precision.state_dict(),
            "history": [asdict(log) for log in self.history],
            "curve": self.curve,
        }

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Put everything back."""
        self.model.load_state_dict(_under("model.", tensors))
        kept = self.optimizer.state_dict()
        buffers: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer.", tensors).items():
            place, _, buffer = name.partition(".")
            buffers.setdefault(int(place), {})[buffer] = value
        for group, rate in zip(kept["param_groups"], numbers["rates"], strict=True):
            group["lr"] = rate
        self.optimizer.load_state_dict({"state": buffers, "param_groups": kept["param_groups"]})
        self.schedule.load_state_dict(numbers["schedule"])
        self.fabric.strategy.precision.load_state_dict(numbers["precision"])
        if self.generator:
            self.generator.set_state(tensors["random.draws"])
        if self.sampler:
            self.sampler.seen.copy_(tensors["sampler.seen"])
        self.history[:] = [EpochLog(**log) for log in numbers["history"]]
        self.curve[:] = [(epoch, share) for epoch, share in numbers["curve"]]
        torch.set_rng_state(tensors["random.torch"])
        if "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.fabric.device)


class Checkpoint:
    """The file of one training, and the one before it."""

    def __init__(self, path: Path, identity: str = "") -> None:
        """A checkpoint of one training.

        Args:
            path: where it lies.
            identity: what the training depends on; a checkpoint of another one is not resumed.
        """
        self.path = path
        self.previous = path.with_suffix(".previous")
        self.identity = identity
        self.notes: list[str] = []
        self._written = -float("inf")
        self._cost = 0.0

    def part(self, name: str) -> Checkpoint:
        """That of one of several models which are trained in turn; it goes when the whole is discarded."""
        path = self.path.with_name(f"{self.path.stem}.{name}{self.path.suffix}")
        return Checkpoint(path, f"{self.identity} {name}")

    def restore(self, state: LoopState) -> int:
        """Put `state` where it was; the number of finished epochs, 0 where the training starts.

        A file that is damaged or belongs to another training is left aside for the one before it, which `notes` says.
        """
        found = [path for path in (self.path, self.previous) if path.exists()]
        if not found:
            return 0
        fresh = {name: tensor.clone() for name, tensor in state.tensors().items()}, state.numbers()
        for path in found:
            try:
                tensors, numbers = load_tensors(path)
                if numbers.pop("identity", "") != self.identity:
                    self.notes.append(f"{path.name} belongs to a training with other settings: not resumed")
                    continue
                state.restore(tensors, numbers)
            except (TensorFileError, KeyError, ValueError, TypeError, RuntimeError) as error:
                reason = str(error).splitlines()[0]
                self.notes.append(f"{path.name} cannot be resumed ({reason})")
                state.restore(*fresh)
                continue
            if self.notes:
                self.notes[-1] += f"; epoch {len(state.history)} of the checkpoint before it was"
            return len(state.history)
        if self.notes:
            self.notes[-1] += "; the training started again"
        return 0

    def due(self) -> bool:
        """Whether writing now would take less than SHARE of the time."""
        return time.monotonic() - self._written >= self._cost / SHARE

    def save(self, state: LoopState) -> None:
        """Write.

        Raises:
            FileError: the file cannot be written.
        """
        now = time.monotonic()
        if self.path.exists():
            os.replace(self.path, self.previous)
        save_tensors(self.path, state.tensors(), state.numbers() | {"identity": self.identity})
        self._written = time.monotonic()
        self._cost = self._written - now

    def discard(self) -> None:
        """The training is scored: nothing is left to resume."""
        for path in self.path.parent.glob(f"{self.path.stem}.*"):
            path.unlink(missing_ok=True)
        if self.path.parent.exists() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()


def keep(
    checkpoint: Checkpoint,
    ranks: Ranks,
    state: LoopState,
    last: bool,
    whole: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Write where it is due, and after the last epoch. The first process writes, for any number of processes.

    Args:
        checkpoint: the file.
        ranks: the processes; each has the same state but for what `whole` brings together.
        state: of the loop.
        last: whether this was the last epoch.
        whole: makes the state that of one process meanwhile.

    Raises:
        FileError: the file cannot be written.
    """
    if ranks.told(last or checkpoint.due()):
        with whole():
            if ranks.first:
                checkpoint.save(state)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
