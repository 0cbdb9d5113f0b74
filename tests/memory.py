"""What the tests of memory measure by."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

STATM = Path("/proc/self/statm")

needs_statm = pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc/self/statm")


def resident() -> int:
    """Bytes of this process that lie in memory now."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize()
