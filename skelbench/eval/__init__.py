"""The main job: train variants and score them on the whole test split.

    from skelbench.eval import Config, run
    results = run(Config(protocol="xview", data="nw_ucla.npz", variants=("conmlp-supcon",)))

Names are loaded when they are first used, so that `python -m skelbench.eval --help` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skelbench.eval.config import Config as Config
    from skelbench.eval.results import Results as Results
    from skelbench.eval.runner import run as run

_HOMES = {"Config": "config", "Results": "results", "run": "runner"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
