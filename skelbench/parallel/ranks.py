"""The processes of a job and what they exchange: torch.distributed, for parts of unequal size, with gradients.

A job of one process is `ALONE`: every exchange gives back what it was given. Gradients follow the convention of sums:
each process computes its part of the loss, the parts add up to the loss of the global batch, and so do the gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from skelbench.errors import SkelbenchError
from skelbench.parallel.shares import Share, part_sizes

TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others in an exchange."""
# While the first process computes alone, for instance an embedding, the others wait longer.
_PATIENCE = timedelta(days=30)
# How long a process that failed waits whether all others fail alike.
_MEETING = timedelta(seconds=10)

Found = TypeVar("Found")


class RankError(SkelbenchError):
    """The processes cannot go on together; one line."""


class Ranks:
    """This process among those of its job.

    Attributes:
        rank: this process, from 0.
        size: processes of the job.
        sent: bytes of tensors that this process has sent in exchanges, what the algorithms forward included.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        """Take part in the job.

        Args:
            rank: this process.
            size: processes of the job; with several, torch's default process group must be there.
        """
        self.rank, self.size, self.sent = rank, size, 0

    @classmethod
    def of_torch(cls) -> Ranks:
        """The processes of torch's default process group; one where there is none."""
        return cls(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else cls()

    def __deepcopy__(self, memo: Any) -> Ranks:
        """There is one job: a copy of a module that holds it takes part in the same one."""
        return self

    @cached_property
    def _cpu(self) -> Any:
        """Gloo moves what lies on the CPU, whatever the default group is."""
        return None if dist.get_backend() == "gloo" else dist.new_group(backend="gloo", timeout=TIMEOUT)

    @cached_property
    def _patient(self) -> Any:
        return dist.new_group(backend="gloo", timeout=_PATIENCE)

    @cached_property
    def _meeting(self) -> Any:
        return dist.new_group(backend="gloo", timeout=_MEETING)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, draws and prints."""
        return self.rank == 0

    def share(self, count: int) -> Share:
        """This process's share of a batch of `count` clips: consecutive, and no share two clips larger than another."""
        return Share(self.rank, part_sizes(count, self.size))

    def sizes(self, rows: Tensor) -> tuple[int, ...]:
        """How many rows each process holds, where this one holds `rows`: exchanged."""
        if self.size == 1:
            return (len(rows),)
        own = torch.tensor([len(rows)], device=rows.device)
        found = [torch.empty_like(own) for _ in range(self.size)]
        with self._exchange(own.nbytes * (self.size - 1)):
            dist.all_gather(found, own, group=self._group(own))
        return tuple(int(number) for number in found)

    @torch.no_grad()
    def gathered(self, rows: Tensor, sizes: Sequence[int]) -> Tensor:
        """Rows of all processes, one after the other, without a gradient.

        Args:
            rows: (sizes[rank], ...), of one dtype everywhere.
            sizes: rows of each process.
        """
        if self.size == 1:
            return rows
        # The backends exchange parts of one size only: gloo kills a process, or gives garbage, where they differ.
        most = max(sizes)
        own = rows.new_zeros(most, *rows.shape[1:])
        own[: len(rows)] = rows
        found = [torch.empty_like(own) for _ in range(self.size)]
        with self._exchange(own.nbytes * (self.size - 1)):
            dist.all_gather(found, own, group=self._group(own))
        return torch.cat([part[:count] for part, count in zip(found, sizes, strict=True)])

    @torch.no_grad()
    def scattered_sum(self, rows: Tensor, sizes: Sequence[int]) -> Tensor:
        """The sum, over all processes, of this process's part of rows that each of them has.

        Args:
            rows: (sum of sizes, ...): what this process adds to every process's rows, in the order of the processes.
            sizes: rows of each process.
        """
        if self.size == 1:
            return rows
        own = sizes[self.rank]
        found = rows.new_empty(self.size * own, *rows.shape[1:])
        rows = rows.contiguous()
        kept = rows.nbytes // max(1, len(rows)) * own
        with self._exchange(rows.nbytes - kept):
            dist.all_to_all_single(found, rows, [own] * self.size, list(sizes), group=self._group(rows))
        # In the order of the processes: the same bits wherever they run.
        total: Tensor = found.view(self.size, own, *rows.shape[1:]).sum(0)
        return total

    @torch.no_grad()
    def summed(self, values: Tensor) -> Tensor:
        """The sum over all processes, as a new tensor."""
        if self.size == 1:
            return values
        total = values.detach().clone()
        with self._exchange(2 * total.nbytes * (self.size - 1) // self.size):
            dist.all_reduce(total, group=self._group(total))
        return total

    @torch.no_grad()
    def reduce_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add up the gradients of all processes, in place and in one exchange.

        A parameter without a gradient takes part as zeros where another process may have one.
        """
        if self.size == 1:
            return
        learned = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter in learned:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        total = self.summed(torch.cat([p.grad.reshape(-1) for p in learned if p.grad is not None]))
        for parameter, part in zip(learned, total.split([p.numel() for p in learned]), strict=True):
            assert parameter.grad is not None
            parameter.grad.copy_(part.view_as(parameter))

    def every(self, value: bool) -> bool:
        """Whether it holds for every process."""
        if self.size == 1:
            return value
        return int(self.summed(torch.tensor([int(value)]))) == self.size

    def told(self, value: Found) -> Found:
        """The first process's value, however long it takes to come."""
        if self.size == 1:
            return value
        found: list[Any] = [value]
        with self._exchange(0):
            # Made while all are here: a process that failed could not make it alone.
            assert self._meeting is not None
            dist.broadcast_object_list(found, src=0, group=self._patient)
        told: Found = found[0]
        return told

    def by_first(self, compute: Callable[[], Found]) -> Found:
        """What the first process computes, in every process; the others wait, however long it takes."""
        found: Any = compute() if self.first else None
        told: Found = self.told(found)
        return told

    def same_random_state(self) -> None:
        """Give every process the first one's random state of the CPU."""
        if self.size > 1:
            torch.set_rng_state(self.told(torch.get_rng_state()))

    def collected(self, own: Tensor, rows: Tensor, total: int) -> Tensor:
        """Rows (total, ...) of which this process computed those at `own`, int64 (n,).

        Raises:
            RankError: a row was computed twice or not at all.
        """
        if self.size == 1:
            return rows
        sizes = self.sizes(own)
        places, found = self.gathered(own, sizes), self.gathered(rows, sizes)
        if not torch.equal(places.sort().values, torch.arange(total, device=places.device)):
            raise RankError(f"{total} rows were to be computed once each, but {len(places)} came")
        ordered = torch.empty_like(found)
        ordered[places] = found
        return ordered

    def meet(self, error: SkelbenchError) -> None:
        """After an error: return where every process had one at this place, so that all go on with the next row.

        Raises:
            RankError: the others had none, and cannot go on without this process; the message is the error's.
        """
        if self.size == 1:
            return
        try:
            dist.all_reduce(torch.zeros(1), group=self._meeting)
        except RuntimeError:
            raise RankError(f"rank {self.rank} of {self.size}: {error}") from error

    def close(self) -> None:
        """Leave the job."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def _group(self, tensor: Tensor) -> Any:
        return self._cpu if tensor.device.type == "cpu" else None

    @contextmanager
    def _exchange(self, sent: int) -> Iterator[None]:
        self.sent += sent
        try:
            yield
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise RankError(
                f"rank {self.rank} of {self.size}: another process ended or does not answer, its own message says why "
                f"({reason})"
            ) from error


ALONE = Ranks()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, ranks: Ranks, sizes: Sequence[int]) -> Tensor:
        ctx.ranks, ctx.sizes = ranks, sizes
        return ranks.gathered(rows, sizes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.ranks.scattered_sum(grad, ctx.sizes), None, None


class _ScatterSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, ranks: Ranks, sizes: Sequence[int]) -> Tensor:
        ctx.ranks, ctx.sizes = ranks, sizes
        return ranks.scattered_sum(rows, sizes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.ranks.gathered(grad, ctx.sizes), None, None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks.summed(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.ranks.summed(grad), None


def gather(rows: Tensor, ranks: Ranks, sizes: Sequence[int]) -> Tensor:
    """`Ranks.gathered` with a gradient: each process gets the sum of what all have for its rows."""
    found: Tensor = rows if ranks.size == 1 else _Gather.apply(rows, ranks, sizes)  # type: ignore[no-untyped-call]
    return found


def scatter_sum(rows: Tensor, ranks: Ranks, sizes: Sequence[int]) -> Tensor:
    """`Ranks.scattered_sum` with a gradient: each process gets the gradients of all rows."""
    found: Tensor = rows if ranks.size == 1 else _ScatterSum.apply(rows, ranks, sizes)  # type: ignore[no-untyped-call]
    return found


def total(values: Tensor, ranks: Ranks) -> Tensor:
    """`Ranks.summed` with a gradient: the sum of the gradients of all."""
    found: Tensor = values if ranks.size == 1 else _Sum.apply(values, ranks)  # type: ignore[no-untyped-call]
    return found
