"""The main job: train variants and score them on the whole test split.

    from skelbench.eval import Config, run
    results = run(Config(protocol="xview", data="nw_ucla.npz", variants=("conmlp-supcon",)))

Names are loaded when they are first used, so that `skelbench eval --help` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skelbench.eval.config import Config
    from skelbench.eval.probing import probe
    from skelbench.eval.runner import run
    from skelbench.runs.results import Results
    from skelbench.training.settings import Settings

__all__ = ["Config", "Results", "Settings", "probe", "run"]

_HOMES = {
    "Config": "skelbench.eval.config",
    "Results": "skelbench.runs.results",
    "Settings": "skelbench.training.settings",
    "probe": "skelbench.eval.probing",
    "run": "skelbench.eval.runner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
