"""Continuing an interrupted run: only with the configuration it was begun with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from skelbench.eval.config import Config, ConfigError
from skelbench.options import changeable
from skelbench.runs.results import Results, RunInfo, VariantInfo
from skelbench.training.settings import Settings

# What changeable options stand for is compared as it was understood.
_SAME_CLIPS = ("protocol", "data_sha256", "n_train", "n_test")
_SAME = (*_SAME_CLIPS, "device", "threads")
# Of the machine and the code that trained.
_TRAINED_BY = ("device", "threads", "versions", "git_revision")


def resumed(old: Results, new: RunInfo, variants: list[VariantInfo], trains: bool = True) -> Results:
    """The finished scores of `old`, as results of the command that continues the run.

    Failures are left behind: what failed is tried again. A run without a finished score may continue with other
    hyper-parameters, and one in which nothing is left to train, on another machine.

    Args:
        old: the run so far.
        new: of the command that continues it.
        variants: that it asks for.
        trains: whether anything is left to train.

    Raises:
        ConfigError: something that a score depends on differs; the message shows both values.
    """
    settings = bool(old.scores)
    differences = [
        f"{name} was {before}, is now {now}"
        for name, before, now in _differences(old.info, new, settings, _SAME if trains else _SAME_CLIPS)
    ]
    if differences:
        raise ConfigError(
            f"--resume: this is not the run in --out {new.config['out']}: {'; '.join(differences)}. "
            "Rerun with the original options, or name another folder"
        )
    caveats = list(dict.fromkeys(old.info.caveats + new.caveats))
    for name, before, now in _code(old.info, new):
        caveats.append(f"resumed with {name} {now}, begun with {before}: the bits may differ")
    if not trains and old.info.device != new.device:
        caveats.append(f"protocols of --evaluate were computed on {new.device}")
    merged = {
        name: list(dict.fromkeys([*old.info.config.get(name, ()), *new.config[name]]))
        for name in ("variants", "seeds", "evaluate")
    }
    info = replace(new, started=old.info.started, caveats=caveats, config=new.config | merged)
    if not trains:
        # The scores are theirs, whatever is added to them.
        info = replace(info, **{name: getattr(old.info, name) for name in _TRAINED_BY})
    asked = {row.key for row in variants}
    kept = [row for row in old.variants if row.key not in asked]
    return Results(info, variants + kept, old.scores, evaluations=old.evaluations, lists=old.lists)


Trained = tuple[str, int, str]
"""Variant, seed and fold of one training."""


def thrown_away(old: Results, config: Config, asked: Sequence[VariantInfo]) -> set[Trained]:
    """The trainings that `--restart` makes again; nothing is removed here.

    Raises:
        ConfigError: the run has no such variant, or this command would not train it again.
    """
    restart = config.restart
    if not restart:
        return set()
    begun = {(score.variant, score.seed, score.fold) for score in old.scores}
    begun |= {(failure.variant, failure.seed, failure.fold) for failure in old.failures}
    keys = {key for key, _, _ in begun} | {row.key for row in old.variants}
    unknown = sorted(set(restart) - keys - {"all"})
    if unknown:
        raise ConfigError(f"--restart {unknown[0]}: the run in {config.out} has {', '.join(sorted(keys))}")
    gone = {job for job in begun if job[0] in restart or "all" in restart}
    lost = gone - {(row.key, seed, fold) for row in asked for seed in config.seeds for _, _, fold in begun}
    if lost:
        variant, seed, _ = min(lost)
        raise ConfigError(
            f"--restart would throw away {variant}, seed {seed}, and not train it again: "
            "name it in --variants and --seeds"
        )
    return gone


def without(old: Results, gone: set[Trained]) -> Results:
    """The results without the trainings to be made again."""
    scores = [score for score in old.scores if (score.variant, score.seed, score.fold) not in gone]
    found = [item for item in old.evaluations if (item.variant, item.seed, item.fold) not in gone]
    return replace(old, scores=scores, evaluations=found)


def _differences(
    old: RunInfo, new: RunInfo, settings: bool, same: Sequence[str]
) -> Iterator[tuple[str, Any, Any]]:
    for name in same:
        yield from _pair(name, getattr(old, name), getattr(new, name))
    # A setting that an older version did not have was at its default.
    before, now = asdict(Settings()) | old.settings, new.settings
    for name in sorted(now if settings else ()):
        yield from _pair(name, before[name], now[name])
    free = changeable(Config)
    for name in sorted(new.config.keys() - free):
        yield from _pair(name, old.config.get(name), new.config[name])


def _code(old: RunInfo, new: RunInfo) -> Iterator[tuple[str, Any, Any]]:
    yield from _pair("commit", old.git_revision, new.git_revision)
    for name in sorted(old.versions.keys() | new.versions.keys()):
        yield from _pair(name, old.versions.get(name), new.versions.get(name))


def _pair(name: str, before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    if before != now:
        yield name, before, now
