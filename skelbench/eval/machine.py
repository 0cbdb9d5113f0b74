"""The device, the precision and the threads of a run."""

from __future__ import annotations

import logging
import warnings

import torch
from lightning_fabric import Fabric

from skelbench.eval.config import ConfigError, MachineOptions

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
    try:
        # Fabric's own notes are the caveats of the run, see precision_used.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fabric = Fabric(
                accelerator=accelerator, devices=[int(index)] if index else 1, precision=options.precision
            )
    except Exception as error:  # Fabric has no common base class for what it refuses
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {options.device} --precision {options.precision}: {reason}") from error
    fabric.launch()
    return fabric


def precision_used(fabric: Fabric) -> str:
    """The precision that Fabric trains in: a CPU has no 16-mixed and takes bf16-mixed."""
    return str(fabric.strategy.precision.precision)
