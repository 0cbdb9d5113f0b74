"""skelbench: honest, fast benchmarks of compact models for skeleton-based action recognition.

Start with `skelbench eval --help`. `skelbench.load(run, variant)` gives a trained encoder. Importing the package is
cheap: torch is loaded by the parts that need it.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from skelbench.errors import SkelbenchError

if TYPE_CHECKING:
    from skelbench.loading import load

    __version__: str

__all__ = ["SkelbenchError", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("skelbench")
    if name == "load":
        from skelbench.loading import load

        return load
    raise AttributeError(f"module 'skelbench' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
