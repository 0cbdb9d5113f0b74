"""Going on in the folder of a run that was stopped: only with the configuration it was begun with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from skelbench.eval.config import ConfigError
from skelbench.eval.results import Results, Setting

# How the data are named, where they lie and which runs are wanted may change: none of it changes what a run computes.
# What the options stand for (split, hyper-parameters, data) is compared as it was understood.
FREE = {
    "protocol",
    "data",
    "variants",
    "seeds",
    "preset",
    "epochs",
    "batch_size",
    "lr",
    "device",
    "threads",
    "out",
    "cache",
    "resume",
}
SAME = ("protocol", "data_sha256", "n_train", "n_test", "device", "threads")


def go_on(old: Results, new: Setting) -> Results:
    """The finished scores of `old` under the setting of the command that goes on.

    Raises:
        ConfigError: something differs that a score depends on; the message shows both values.
    """
    differences = [f"{name} {before} then, {now} now" for name, before, now in _differences(old.setting, new)]
    if differences:
        raise ConfigError(
            f"--resume: this is not the run in --out {new.config['out']}: {'; '.join(differences)}. "
            "Name another folder, or give the options of then"
        )
    warnings = list(dict.fromkeys(old.setting.warnings + new.warnings))
    for name, before, now in _code(old.setting, new):
        warnings.append(f"resumed with {name} {now}, begun with {before}: the bits may differ")
    merged: dict[str, Any] = {
        name: [
            *old.setting.config[name],
            *(item for item in new.config[name] if item not in old.setting.config[name]),
        ]
        for name in ("variants", "seeds")
    }
    setting = replace(new, started=old.setting.started, warnings=warnings, config=new.config | merged)
    return Results(setting, old.scores)


def _differences(old: Setting, new: Setting) -> Iterator[tuple[str, Any, Any]]:
    for name in SAME:
        yield from _pair(name, getattr(old, name), getattr(new, name))
    for name in sorted(old.settings.keys() | new.settings.keys()):
        yield from _pair(name, old.settings.get(name), new.settings.get(name))
    for name in sorted((old.config.keys() | new.config.keys()) - FREE - new.settings.keys()):
        yield from _pair(name, old.config.get(name), new.config.get(name))


def _code(old: Setting, new: Setting) -> Iterator[tuple[str, Any, Any]]:
    yield from _pair("commit", old.git_revision, new.git_revision)
    for name in sorted(old.versions.keys() | new.versions.keys()):
        yield from _pair(name, old.versions.get(name), new.versions.get(name))


def _pair(name: str, before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    if before != now:
        yield name, before, now
