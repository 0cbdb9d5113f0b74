"""`skelbench tune`: hyper-parameters, chosen on a part of the training clips."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from skelbench.options import ConfigError
from skelbench.tuning.options import Tune


def run(options: Tune, words: Sequence[str]) -> int:
    """Run the study, print its best."""
    if find_spec("optuna") is None:
        raise ConfigError("skelbench tune needs Optuna: pip install 'skelbench[tune]'")
    from skelbench.tuning.study import tune

    try:
        page = tune(options)
    except KeyboardInterrupt as stop:
        stop.args = (f"stopped; the same command continues the study in {options.out}",)
        raise
    print((options.out / "best.json").read_text(), end="")
    print(f"Page: {page}")
    return 0
