"""Loads libskelbench.so, which holds the compiled ops, and chooses its instruction set.

Where the extension is not built, the ops run `skelbench.ops.reference` instead and say so once.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch._C import _dispatch_has_kernel_for_dispatch_key as _dispatch_has_kernel

from skelbench.ops._autograd import has_tangent

_PATH = Path(__file__).resolve().parent.parent / "libskelbench.so"


def _load() -> bool:
    if not _PATH.exists():
        return False
    torch.ops.load_library(str(_PATH))
    if level := os.environ.get("SKELBENCH_ISA"):
        if level not in _levels():
            raise ValueError(f"SKELBENCH_ISA={level}: this machine has {', '.join(_levels())}")
        torch.ops.skelbench.isa_use(level)
    return True


def isa_levels() -> list[str]:
    """Instruction sets that the CPU kernels of this machine can use, the plainest first; [] without the extension."""
    return _levels() if built else []


def _levels() -> list[str]:
    return str(torch.ops.skelbench.isa_levels()).split()


@contextmanager
def use_isa(level: str) -> Iterator[None]:
    """Compute with the CPU kernels of `level` inside a `with` block, for all threads of the process.

    Args:
        level: one of `isa_levels()`, or "" for the present one.

    Raises:
        RuntimeError: the extension is not built.
        ValueError: a level that this machine does not have.
    """
    if not built:
        raise RuntimeError(
            "use_isa: skelbench's extension is not built, so there are no kernels to choose from"
        )
    if level and level not in isa_levels():
        raise ValueError(f"use_isa: {level!r} is not one of this machine's levels, {', '.join(isa_levels())}")
    before = torch.ops.skelbench.isa_use(level)
    try:
        yield
    finally:
        torch.ops.skelbench.isa_use(before)


def computes(
    x: Tensor, *, differentiated: tuple[Tensor, ...] = (), tangents: tuple[Tensor, ...] = ()
) -> bool:
    """Whether the extension computes a padding-free op on `x`: float32, on a device it was built for.

    Args:
        x: the joints.
        differentiated: tensors in which only plain torch can differentiate; one that needs a gradient says no.
        tangents: tensors in which the extension has no forward-mode derivative; one with a tangent says no.
    """
    if not built:
        warn_fallback()
        return False
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in differentiated):
        return False
    return (
        x.dtype == torch.float32 and x.device.type in devices and not has_tangent(*differentiated, *tangents)
    )


def has_kernels(x: Tensor) -> bool:
    """Whether the extension has kernels for the device of `x`, or shapes for the meta device."""
    return built and x.device.type in (*devices, "meta")


@cache
def warn_fallback() -> None:
    """Say once that the extension is missing and what that means."""
    warnings.warn(
        "skelbench's extension is not built. Its ops run in plain torch: correct, but slower and with more memory. "
        "Build it with `pip install --no-build-isolation -e .`",
        RuntimeWarning,
        stacklevel=3,
    )


built = _load()
"""Whether the extension is there."""

devices = ("cpu", "cuda") if built and _dispatch_has_kernel("skelbench::augment", "CUDA") else ("cpu",)
"""Device types that the extension has kernels for: the GPU where it was built with CUDA."""
