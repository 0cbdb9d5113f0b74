"""What of a batch a process computes, and random numbers that do not depend on how many processes there are.

Every process draws the numbers of the whole batch from the same state and keeps those of its own clips. So one process
and several train with the same views and the same dropout, and their random states stay the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


def part_sizes(count: int, parts: int) -> tuple[int, ...]:
    """Sizes of `parts` consecutive parts of `count` things; the larger ones come first."""
    return tuple((count + parts - 1 - part) // parts for part in range(parts))


@dataclass(frozen=True)
class Share:
    """The share of one process in a batch of clips."""

    rank: int
    sizes: tuple[int, ...]
    """Clips of each process."""

    @property
    def begin(self) -> int:
        """Place in the batch of the share's first clip."""
        return sum(self.sizes[: self.rank])

    @property
    def own(self) -> slice:
        """Places of the share's clips."""
        return slice(self.begin, self.begin + self.sizes[self.rank])

    @property
    def total(self) -> int:
        """Clips of the batch."""
        return sum(self.sizes)

    @property
    def whole(self) -> bool:
        """Whether one process has the whole batch."""
        return len(self.sizes) == 1

    def rows(self, views: int) -> tuple[int, ...]:
        """Rows of each process, of `views` views of every clip."""
        return tuple(size * views for size in self.sizes)

    def places(self, views: int, device: torch.device) -> Tensor:
        """Where each row of the whole batch stands when the processes' rows are put one after the other.

        int64 (views * total,); rows are ordered view by view in the batch, and within each process.
        """
        rows = torch.arange(views * self.total, device=device).view(views, self.total)
        order = torch.cat([part.flatten() for part in rows.split(list(self.sizes), dim=1)])
        return order.argsort()

    def drawn_for_all(self, views: int = 1, places: Tensor | None = None) -> AbstractContextManager[Any]:
        """A context in which random numbers of this share's rows are drawn as for the whole batch.

        The first dimension of what is drawn is the share's rows: its clips, `views` times over, or a multiple (bodies
        of a clip side by side). Scalars, and anything else, are drawn as they are.

        Args:
            views: of each clip, view by view.
            places: int64 (n,), rows are those of the clips at these places of the batch, not of the share's own.
        """
        if self.whole:
            return nullcontext()
        own = torch.arange(self.total)[self.own] if places is None else places
        return _DrawnForAll(own, self.begin, self.total, views)


_active: list[Any] = []


def clips_before() -> int:
    """Clips of the batch that come before this process's share, where numbers are drawn for the whole batch; else 0."""
    return _active[-1].begin if _active else 0


class _DrawnForAll(TorchFunctionMode):
    """Random functions of torch, for the rows of a whole batch, of which a process keeps its own."""

    def __init__(self, own: Tensor, begin: int, count: int, views: int) -> None:
        super().__init__()
        self.own, self.begin, self.count, self.views = own, begin, count, views

    def __enter__(self) -> _DrawnForAll:
        # The outer one would take what the inner one draws for all for its own rows.
        assert not _active, "numbers are drawn for all rows already"
        _active.append(self)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        _active.pop()

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        handle = _HANDLERS.get(func)
        if handle is None:
            return func(*args, **(kwargs or {}))
        return handle(self, func, *args, **(kwargs or {}))

    def rows_of_all(self, rows: int) -> int:
        """Rows of the whole batch that `rows` of this process are part of; 0 where they are no rows of clips."""
        own = len(self.own) * self.views
        if own == 0:
            return self.count * self.views if rows == 0 else 0
        return 0 if rows % own else rows // own * self.count * self.views

    def kept(self, drawn: Tensor, rows: int) -> Tensor:
        """This process's `rows` of what was drawn for all."""
        each = len(drawn) // (self.count * self.views)
        by_clip = drawn.unflatten(0, (self.views, self.count, each))
        found: Tensor = by_clip.index_select(1, self.own.to(drawn.device)).flatten(0, 2)
        assert len(found) == rows
        return found


def _sized(mode: _DrawnForAll, func: Any, *args: Any, **kwargs: Any) -> Tensor:
    """`torch.rand` and its like, called with a size as one argument or as several."""
    leading, sizes = (), args
    if func is torch.randint:
        leading, sizes = (args[:-1], args[-1:])
    size = tuple(sizes[0]) if sizes and not isinstance(sizes[0], int) else tuple(sizes)
    rows = mode.rows_of_all(size[0]) if size else 0
    if not rows:
        plain: Tensor = func(*args, **kwargs)
        return plain
    return mode.kept(func(*leading, (rows, *size[1:]), **kwargs), size[0])


def _in_place(mode: _DrawnForAll, func: Any, values: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    rows = mode.rows_of_all(len(values)) if values.dim() else 0
    if not rows:
        plain: Tensor = func(values, *args, **kwargs)
        return plain
    drawn = func(values.new_empty(rows, *values.shape[1:]), *args, **kwargs)
    return values.copy_(mode.kept(drawn, len(values)))


def _dropout(
    mode: _DrawnForAll, func: Any, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    rows = mode.rows_of_all(len(input)) if input.dim() else 0
    if not rows or not training or not 0 < p < 1:
        plain: Tensor = func(input, p, training, inplace)
        return plain
    shape = input.shape[:2] + (1,) * (input.dim() - 2) if func is F.dropout1d else input.shape
    return _dropped(mode, input, p, rows, (rows, *shape[1:]), ordered=func is not F.dropout1d)


def _dropped(
    mode: _DrawnForAll, input: Tensor, p: float, rows: int, shape: Sequence[int], ordered: bool
) -> Tensor:
    """`input` without a share p of its numbers, the others scaled up; `ordered`: drawn in the order of its memory."""
    order = list(range(len(shape)))
    if ordered:
        strides = input.stride()
        order.sort(key=lambda dimension: -strides[dimension])
    noise = input.new_empty([shape[dimension] for dimension in order], requires_grad=False)
    noise = noise.permute([order.index(dimension) for dimension in range(len(order))])
    used = mode.kept(noise.bernoulli_(1 - p), len(input)).div(1 - p)
    return input * used


def _recurrent(mode: _DrawnForAll, func: Any, *args: Any) -> Any:
    """Layer by layer, for the dropout between layers; the weights, and what is computed, are the same."""
    if len(args) != 9 or not isinstance(args[3], bool):
        return func(*args)
    input, state, weights, biased, layers, p, training, both, batch_first = args
    if not training or p == 0 or layers == 1:
        return func(*args)
    found = input.transpose(0, 1) if batch_first else input
    per_layer, directions = len(weights) // layers, 2 if both else 1
    ends: list[Any] = []
    for layer in range(layers):
        own = weights[layer * per_layer : (layer + 1) * per_layer]
        places = slice(layer * directions, (layer + 1) * directions)
        begin = tuple(s[places] for s in state) if isinstance(state, tuple) else state[places]
        found, *end = func(found, begin, own, biased, 1, 0.0, True, both, False)
        ends.append(end)
        rows = mode.rows_of_all(found.shape[1])
        if layer < layers - 1 and rows:
            noise = found.new_empty(found.shape[0], rows, *found.shape[2:], requires_grad=False)
            used = mode.kept(noise.bernoulli_(1 - p).transpose(0, 1), found.shape[1]).transpose(0, 1)
            found = found * used.div(1 - p)
    last = [torch.cat(parts) for parts in zip(*ends, strict=True)]
    return (found.transpose(0, 1) if batch_first else found, *last)


_HANDLERS: dict[Any, Any] = {
    torch.rand: _sized,
    torch.randn: _sized,
    torch.randint: _sized,
    torch.Tensor.uniform_: _in_place,
    torch.Tensor.normal_: _in_place,
    F.dropout: _dropout,
    F.dropout1d: _dropout,
    torch.lstm: _recurrent,
    torch.gru: _recurrent,
}
