"""The hyper-parameters of a study: which are searched of a row, and what `--grid` may name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from skelbench.errors import SkelbenchError
from skelbench.options import require_in_range
from skelbench.training.settings import Settings
from skelbench.training.variant import Variant

CROSSOVER = "crossover"
"""s* = ln k1 / (1 / tau + 1), the similarity below which TCL's hard positives outweigh its positives: it sets k1."""
Value = float | str

# Searched on a logarithmic scale. The NITAP report's TCL: tau 0.1, k1 5000, k2 1.
RANGES = {
    "lr": (1e-3, 0.3),
    "stream_lr": (2e-4, 0.02),
    "stream_strength": (0.25, 2.0),
    "temperature": (0.01, 1.0),
    "k1": (1.0, 1e5),
    "k2": (0.01, 100.0),
}
LABELS = {"lr": "rate", "stream_lr": "rate", "stream_strength": "strength", "temperature": "tau"}
# What a row that trains on packed clips also depends on.
_PACKED = ("epochs", "batch_size", "lr", "momentum", "weight_decay", "probe_epochs", "probe_lr", "stream")


class GridError(SkelbenchError):
    """A grid that cannot be tried; one line."""


@dataclass(frozen=True)
class Axis:
    """One hyper-parameter of a grid."""

    name: str
    values: tuple[Value, ...]


def searched(variant: Variant) -> tuple[str, ...]:
    """The settings that a search varies."""
    own = ("lr",) if variant.plan is None else ("stream_lr", "stream_strength")
    return (*own, *variant.loss_options)


def label(name: str) -> str:
    """What pages and lines call a hyper-parameter."""
    return LABELS.get(name, name.removeprefix("stream_").replace("_", " "))


def temperature(variant: Variant, settings: Settings) -> float:
    """The tau where a trial does not choose it."""
    planned = variant.plan.temperature if variant.plan else None
    return settings.temperature or planned or (0.1 if "k1" in variant.loss_options else 0.07)


def defaults(variant: Variant, settings: Settings) -> dict[str, float]:
    """What the first trial of a search tries: the settings as they are, or the row's own."""
    plan = variant.plan
    own = {
        "lr": settings.lr,
        "stream_lr": settings.stream_lr or (plan.lr if plan else 0.0),
        "stream_strength": settings.stream_strength or 1.0,
        "temperature": temperature(variant, settings),
        "k1": settings.k1,
        "k2": settings.k2,
    }
    return {name: own[name] for name in searched(variant)}


def applied(variant: Variant, settings: Settings, chosen: dict[str, Any]) -> Settings:
    """Settings with what a trial chose."""
    found = dict(chosen)
    if CROSSOVER in found:
        tau = found.get("temperature") or temperature(variant, settings)
        found["k1"] = math.exp(found.pop(CROSSOVER) * (1 / tau + 1))
    return replace(settings, **found)


def grid_of(words: Sequence[str], variant: Variant, settings: Settings) -> tuple[Axis, ...]:
    """The axes that `NAME=VALUE,VALUE` name.

    Raises:
        GridError: another form, a name that the row does not depend on, or one that stands twice.
        ConfigError: a value out of its range.
    """
    names = {item.name for item in fields(Settings) if item.name.startswith("stream")}
    known = {*(names if variant.plan else _PACKED), *variant.loss_options}
    known |= {CROSSOVER} if "k1" in known else set()
    axes: list[Axis] = []
    for word in words:
        front, _, back = word.partition("=")
        name, texts = front.replace("-", "_"), [text for text in back.split(",") if text]
        if name not in known or not texts:
            have = ", ".join(sorted(each.replace("_", "-") for each in known))
            raise GridError(
                f"--grid {word}: it must be NAME=VALUE,VALUE with a name that {variant.key} has: {have}"
            )
        axes.append(Axis(name, tuple(dict.fromkeys(_value(text) for text in texts))))
    tried = [axis.name for axis in axes]
    if len(set(tried)) < len(tried) or {CROSSOVER, "k1"} <= set(tried):
        raise GridError("--grid: each hyper-parameter once, and either crossover or k1")
    for axis in axes:
        for value in axis.values:
            if axis.name == CROSSOVER:
                if not (isinstance(value, float | int) and 0 < value < math.inf):
                    raise GridError(f"--grid {CROSSOVER}: {value!r} must be a finite number above 0")
                continue
            changed: dict[str, Any] = {axis.name: value}
            require_in_range(replace(settings, **changed))
    return tuple(axes)


def _value(text: str) -> Value:
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text
