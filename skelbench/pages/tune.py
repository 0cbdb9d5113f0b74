"""tune.html: a study as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from skelbench.pages import base, charts


@dataclass(frozen=True)
class Trial:
    """One trial of a study."""

    number: int
    params: list[float]
    """In the order of the study's names."""
    value: float | None
    """Validation top-1, a share; None where the trial was pruned or stopped."""
    stopped: str = ""
    """Why its training could not go on."""


@dataclass(frozen=True)
class StudySummary:
    """What the page shows."""

    title: str
    synthetic: bool
    facts: list[tuple[str, str]]
    rule: str
    """What was held out, in words."""
    names: list[str]
    """Of the hyper-parameters that were searched."""
    best: int
    """Number of the best trial."""
    command: str
    trials: list[Trial]
    importance: list[tuple[str, float]]
    """Share of the variance that each hyper-parameter explains."""


def render(study: StudySummary) -> str:
    """The page as text."""
    complete = [trial for trial in study.trials if trial.value is not None]
    best = next(trial for trial in complete if trial.number == study.best)
    first = next((trial for trial in complete if trial.number == 0), None)
    return base.render(
        "tune.html.j2",
        title=study.title,
        synthetic=study.synthetic,
        facts=study.facts,
        rule=study.rule,
        best=_percent(best),
        best_params=[(name, f"{value:.4g}") for name, value in zip(study.names, best.params, strict=True)],
        first=first and _percent(first),
        command=study.command,
        surfaces=_surfaces(study.names, complete),
        importance=[(name, f"{100 * share:.0f} %") for name, share in study.importance],
        names=study.names,
        trials=[
            (
                trial.number,
                [f"{value:.4g}" for value in trial.params],
                _percent(trial) if trial.value is not None else trial.stopped or "pruned",
            )
            for trial in sorted(study.trials, key=lambda trial: -1.0 if trial.value is None else trial.value)[
                ::-1
            ]
        ],
    )


def _percent(trial: Trial) -> str:
    return f"{100 * (trial.value or 0.0):.1f}"


def _surfaces(names: Sequence[str], complete: Sequence[Trial]) -> list[str]:
    scores = [100 * (trial.value or 0.0) for trial in complete]
    values = [[trial.params[place] for trial in complete] for place in range(len(names))]
    surfaces = [
        charts.surface(values[a], values[b], scores, (names[a], names[b]), f"{names[a]} {names[b]}")
        for a, b in combinations(range(len(names)), 2)
    ]
    return surfaces or [charts.slice_of(values[0], scores, names[0])]
