"""tune.html: a study as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from skelbench.pages import base
from skelbench.pages.surface import slice_of, surface
from skelbench.runs.numbers import count, significant
from skelbench.runs.significance import wilson


@dataclass(frozen=True)
class Trial:
    """One trial of a study."""

    number: int
    params: list[float | str]
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
    validation_clips: int
    """What every trial was scored on."""
    grid: bool = False
    """Whether every cell of a grid was tried, and nothing searched."""


def render(study: StudySummary) -> str:
    """The page as text."""
    complete = [trial for trial in study.trials if trial.value is not None]
    best = next(trial for trial in complete if trial.number == study.best)
    first = None if study.grid else next((trial for trial in complete if trial.number == 0), None)
    clips = count(study.validation_clips, "validation clip")
    ranked = sorted(
        study.trials, key=lambda trial: -1.0 if trial.value is None else trial.value, reverse=True
    )
    return base.render(
        "tune.html.j2",
        title=study.title,
        synthetic=study.synthetic,
        facts=study.facts,
        rule=study.rule,
        best=_percent(best),
        best_interval=f"{_words(_interval(study, best))} by Wilson's 95 % interval of {clips}",
        best_params=[(name, _text(value)) for name, value in zip(study.names, best.params, strict=True)],
        first=first and f"{_percent(first)} % ({_words(_interval(study, first))})",
        not_told_apart=_not_told_apart(study, complete, best),
        command=study.command,
        surfaces=_surfaces(study, complete),
        importance=[(name, 100 * share) for name, share in study.importance],
        names=study.names,
        validation=clips,
        trials=[
            (
                trial.number,
                [_text(value) for value in trial.params],
                _percent(trial) if trial.value is not None else trial.stopped or "pruned",
                _words(_interval(study, trial)) if trial.value is not None else "",
            )
            for trial in ranked
        ],
    )


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else significant(value)


def _percent(trial: Trial) -> str:
    return f"{100 * (trial.value or 0.0):.1f}"


def _interval(study: StudySummary, trial: Trial) -> tuple[float, float]:
    """Wilson's, in per cent."""
    clips = study.validation_clips
    low, high = wilson(round((trial.value or 0.0) * clips), clips)
    return 100 * low, 100 * high


def _words(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1f} to {interval[1]:.1f}"


def _not_told_apart(study: StudySummary, complete: Sequence[Trial], best: Trial) -> str:
    low, _ = _interval(study, best)
    near = sum(100 * (trial.value or 0.0) >= low for trial in complete) - 1
    if not near:
        return ""
    verb = "lies" if near == 1 else "lie"
    return f"{count(near, 'other trial')} {verb} within its interval: on so many clips they are hardly told apart."


def _surfaces(study: StudySummary, complete: Sequence[Trial]) -> list[str]:
    scores = [100 * (trial.value or 0.0) for trial in complete]
    numbers: list[tuple[str, list[float]]] = []
    for place, name in enumerate(study.names):
        values = [value for trial in complete if not isinstance(value := trial.params[place], str)]
        # Words have no axis; they stand in the table.
        if len(values) == len(complete) and min(values) > 0:
            numbers.append((name, values))
    surfaces = [surface(x, y, scores, (a, b)) for (a, x), (b, y) in combinations(numbers, 2)]
    intervals = [_interval(study, trial) for trial in complete]
    return surfaces or [slice_of(values, scores, intervals, name) for name, values in numbers]
