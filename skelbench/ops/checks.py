"""Checks of the ops' arguments. An error names the argument, says what is expected and what was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
"""The floating dtypes that the ops compute with."""

_INTEGERS = (int, np.integer, torch.SymInt)
_NUMBERS = (*_INTEGERS, float, np.floating, torch.SymFloat)


def check_tensor(
    name: str,
    value: object,
    shape: tuple[int | str, ...],
    *dtypes: torch.dtype,
    like: Tensor | None = None,
) -> None:
    """Raise unless `value` is a dense tensor of this shape and of one of these dtypes.

    Args:
        name: of the argument, for the message.
        value: the argument.
        shape: expected sizes; a string stands for any size, and names it.
        dtypes: those that are allowed.
        like: the tensor whose device it must share.

    Raises:
        TypeError: not a tensor.
        ValueError: another shape, dtype, layout or device.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, not {_shown(value)}")
    # Not `zip(..., strict=True)`: the sizes may be symbolic.
    fits = value.dim() == len(shape) and all(
        isinstance(wanted, str) or value.shape[place] == wanted for place, wanted in enumerate(shape)
    )
    if value.dtype not in dtypes or not fits or value.layout != torch.strided:
        names = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        sizes = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        layout = "" if value.layout == torch.strided else f" {value.layout}"
        raise ValueError(f"{name} must be {names} ({sizes}), not {value.dtype}{layout} {tuple(value.shape)}")
    if like is not None and value.device != like.device:
        raise ValueError(f"{name} is on {value.device}, but the other tensors are on {like.device}")


def check_dense(name: str, value: Tensor) -> None:
    """Raise ValueError where a tensor has no values to look at."""
    if value.is_meta and not torch.compiler.is_compiling():
        raise ValueError(f"{name} must have values, but lies on the meta device")


def check_integer(name: str, value: object, low: int, high: int) -> None:
    """Raise unless `value` is an integer in [low, high].

    Raises:
        TypeError: not an integer; a whole float and a bool are none.
        ValueError: outside the range.
    """
    if not isinstance(value, _INTEGERS) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {_shown(value)}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be in [{low}, {high}], not {value}")


def check_number(name: str, value: object, low: float, high: float, *, or_zero: bool = False) -> None:
    """Raise unless `value` is a real number in [low, high]; NaN is in no range.

    Args:
        name: of the argument, for the message.
        value: the argument.
        low: smallest value allowed.
        high: largest value allowed.
        or_zero: 0 is allowed besides.

    Raises:
        TypeError: not a real number.
        ValueError: outside the range.
    """
    if not isinstance(value, _NUMBERS) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, not {_shown(value)}")
    if not (low <= value <= high or (or_zero and value == 0)):
        zero = "0 or " if or_zero else ""
        raise ValueError(f"{name} must be {zero}in [{low:g}, {high:g}], not {value}")


def _shown(value: Any) -> str:
    """Type and value of an argument, shortened."""
    if value is None:
        return "None"
    text = "" if isinstance(value, (list, tuple, dict, Tensor, np.ndarray)) else f" {str(value)[:40]!r}"
    return f"{type(value).__name__}{text}"
