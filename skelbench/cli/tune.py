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
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from skelbench.runs.numbers import percent, significant
    from skelbench.tuning.study import tune

    console = Console(highlight=False)
    bar = Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    task = bar.add_task("trials", total=None if options.grid else options.trials)

    def on_trial(
        number: int, value: float | None, params: dict[str, float | str], best: float | None
    ) -> None:
        said = "pruned" if value is None else f"validation top-1 {percent(value)} %"
        tried = ", ".join(
            f"{name} {chosen if isinstance(chosen, str) else significant(chosen)}"
            for name, chosen in params.items()
        )
        lead = "" if best is None else f"; best {percent(best)} %"
        console.print(f"trial {number}: {said} ({tried}){lead}", markup=False, soft_wrap=True)
        bar.advance(task)

    console.print(f"output: {options.out}", markup=False, soft_wrap=True)
    try:
        with bar:
            page = tune(options, on_trial)
    except KeyboardInterrupt as stop:
        stop.args = (f"stopped; the same command continues the study in {options.out}",)
        raise
    print((options.out / "best.json").read_text(), end="")
    print(f"Page: {page}")
    return 0
