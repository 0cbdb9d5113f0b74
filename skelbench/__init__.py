"""skelbench: honest, fast benchmarks of compact models for skeleton-based action recognition.

Start with `python -m skelbench.eval --help`. `skelbench.load(run, variant)` gives a trained encoder. Importing the
package is cheap: torch is loaded by the parts that need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skelbench.training.weights import load as load

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from skelbench.training.weights import load

    return load
