"""The command line that stands for a configuration: what a run records, so that it can be repeated."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

from skelbench.eval.config import ONCE, Config
from skelbench.training.settings import PRESETS, Settings


def command_of(config: Config) -> str:
    """`skelbench eval PROTOCOL ...`, which is read as the same configuration, numbers to the bit.

    Options at their defaults are left out, and settings of the preset that leaves the fewest. So is what continues a
    run, `--resume` and `--restart`: the command makes the run from its beginning.
    """
    words = ["skelbench", "eval", config.protocol]
    for item in fields(Config):
        if item.name not in (*ONCE, "protocol", "settings") and getattr(config, item.name) != item.default:
            words += _option(item.name, getattr(config, item.name))
    name, changed = min(
        ((name, _changes(config.settings, preset)) for name, preset in PRESETS.items()),
        key=lambda pair: len(pair[1]),
    )
    if name != "quick":
        words += ["--preset", name]
    for setting, value in changed.items():
        words += _option(setting, value)
    return shlex.join(words)


def _changes(settings: Settings, preset: Settings) -> dict[str, Any]:
    """The settings that differ from a preset's."""
    names = [item.name for item in fields(Settings)]
    return {
        name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(preset, name)
    }


def _option(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return [f"--{flag}", text]
