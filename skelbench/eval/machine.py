"""The device, the precision and the threads of a run."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import nn

from skelbench.eval.config import ConfigError, MachineOptions
from skelbench.parallel.launch import launched
from skelbench.parallel.ranks import TIMEOUT

# It announces every precision.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


def make_fabric(options: MachineOptions) -> Fabric:
    """Device and precision of the options; the number of threads is set for the process.

    Raises:
        ConfigError: there is no such device, or it does not have this precision.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    accelerator, _, index = options.device.partition(":")
    place = launched()
    if index and place.size > 1:
        raise ConfigError(
            f"--device {options.device}: under torchrun each process takes a device of its own; name {accelerator}"
        )
    several: dict[str, Any] = {"devices": [int(index)] if index else 1}
    if place.size > 1:
        strategy = _OwnReduction(timeout=TIMEOUT)
        several = {"devices": place.local_size, "num_nodes": place.machines, "strategy": strategy}
    try:
        # Fabric's own notes are the caveats of the run, see precision_used.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fabric = Fabric(accelerator=accelerator, precision=options.precision, **several)
    except Exception as error:  # Fabric has no common base class for what it refuses
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {options.device} --precision {options.precision}: {reason}") from error
    fabric.launch()
    return fabric


class _OwnReduction(DDPStrategy):
    """Fabric's processes, devices and backend (gloo on CPUs, NCCL on GPUs) without DistributedDataParallel.

    It would reduce gradients that never exist (`skelbench.models.divided`); the others are `Ranks.reduce_gradients`'.
    """

    def setup_module(self, module: nn.Module) -> Any:
        """The module itself."""
        return module


def precision_used(fabric: Fabric) -> str:
    """The precision that Fabric trains in: a CPU has no 16-mixed and takes bf16-mixed."""
    return str(fabric.strategy.precision.precision)
