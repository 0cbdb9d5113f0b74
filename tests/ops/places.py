"""Where the tests of the ops compute: every instruction set of this CPU, and a CUDA device where there is one."""

from __future__ import annotations

import pytest
import torch

from skelbench import ops

LEVELS = ops.isa_levels() if ops.built else []
needs_extension = pytest.mark.skipif(not ops.built, reason="the extension is not built")
needs_cuda = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
DEVICES = ["cpu", pytest.param("cuda", marks=needs_cuda)]
# Where the extension computes: (device, instruction set).
PLACES = [("cpu", level) for level in LEVELS] + [
    pytest.param("cuda", level, marks=needs_cuda) for level in LEVELS[-1:]
]
