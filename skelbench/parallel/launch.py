"""What torchrun tells a process of the job it belongs to. Imports nothing heavy."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """The place of a process in its job."""

    rank: int = 0
    """Among all processes; the first one writes, draws and prints."""
    size: int = 1
    """Processes of the job."""
    local_size: int = 1
    """Processes of the job on this machine."""

    @property
    def machines(self) -> int:
        """Machines of the job."""
        return self.size // self.local_size


def launched() -> Launch:
    """The place that torchrun gave this process; a job of one where it was started without torchrun."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Launch()
    rank, size, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    return Launch(rank, size, local)
