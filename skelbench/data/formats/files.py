"""Writing a file whole or not at all, under a name that any file system takes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path


def written(path: Path, write: Callable[[Path], None]) -> Path:
    """Writes beside `path` and moves it into place; nothing is left of a write that failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def stem_of(name: str) -> str:
    """A name as the stem of a file: letters, digits, dot, dash and underscore, at most 80 of them."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.")[:80] or "data"
