"""Merging the runs of several jobs into one: the shards of an array job, or seeds trained on several machines."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from skelbench.errors import SkelbenchError
from skelbench.runs.files import FileError, reason, replacing, write_text
from skelbench.runs.folder import RunFolder
from skelbench.runs.results import Results, Score

# What every score of a run rests on.
_SAME = ("dataset", "protocol", "data_sha256", "n_train", "n_test", "folds", "class_names", "settings")
# What bits may depend on.
_NOTED = ("device", "threads", "processes", "git_revision", "versions")


class MergeError(SkelbenchError):
    """Runs that do not belong together; one line."""


def merge(paths: Sequence[Path], out: Path) -> Results:
    """Make one run of several, in a new folder; the runs themselves stay as they are.

    Args:
        paths: folders of the runs.
        out: the folder of the merged run; it may not hold a run.

    Raises:
        MergeError: the runs were made of other data or with other settings, or disagree on a score.
        RunError: a folder that is no run, or a file of it that cannot be read.
        FileError: a file cannot be written.
    """
    if len(paths) < 2:
        raise MergeError("merging needs two runs or more")
    folder = RunFolder(out)
    if folder.exists():
        raise MergeError(f"--out {out} already holds a run: name another folder")
    sources = [RunFolder(path) for path in paths]
    runs = [source.load() for source in sources]
    for path, results in zip(paths[1:], runs[1:], strict=True):
        _require_same(paths[0], runs[0], path, results)
    merged = _together(paths, runs, out)
    folder.make()
    for source, results in zip(sources, runs, strict=True):
        for score in results.scores:
            source.load_scores(score)
            _copy(source, folder, score)
        for found in results.evaluations:
            if found.scores_sha256:
                source.load_evaluation(found)
                job = found.protocol, found.variant, found.seed, found.fold
                _copy_file(source.evaluation(*job), folder.evaluation(*job))
    merged.save(folder.results)
    _write_config(sources[0], folder, merged)
    return merged


def _write_config(source: RunFolder, folder: RunFolder, merged: Results) -> None:
    """The options of a run made from the command line, with which one command repeats the whole."""
    if not source.config.exists():
        return
    try:
        options = yaml.safe_load(source.config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MergeError(f"{source.config} cannot be read: {error}") from error
    if not isinstance(options, dict):
        raise MergeError(f"{source.config} holds no options, but a {type(options).__name__}")
    whole = {name: merged.info.config[name] for name in ("variants", "seeds", "shard")}
    write_text(folder.config, yaml.safe_dump(options | whole | {"out": str(folder.path)}, sort_keys=False))


def _require_same(first: Path, one: Results, path: Path, other: Results) -> None:
    for name in _SAME:
        before, now = getattr(one.info, name), getattr(other.info, name)
        if before != now:
            raise MergeError(
                f"{path} does not belong to {first}: {name} is {_short(now)}, not {_short(before)}"
            )
    for name, what in (
        ("precision", "was trained in another precision"),
        ("init", "started from other weights"),
    ):
        if one.info.config.get(name) != other.info.config.get(name):
            raise MergeError(f"{path} does not belong to {first}: it {what}")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _together(paths: Sequence[Path], runs: Sequence[Results], out: Path) -> Results:
    variants = {row.key: row for results in runs for row in results.variants}
    scores: dict[tuple[str, int, str], Score] = {}
    for path, results in zip(paths, runs, strict=True):
        for score in results.scores:
            key = (score.variant, score.seed, score.fold)
            if key in scores and scores[key].scores_sha256 != score.scores_sha256:
                raise MergeError(f"{path} disagrees with another run on {score.variant}, seed {score.seed}")
            scores.setdefault(key, score)
    found = {
        (item.variant, item.seed, item.fold, item.protocol): item
        for results in runs
        for item in results.evaluations
    }
    order = list(variants)
    first = runs[0].info
    caveats = list(dict.fromkeys(caveat for results in runs for caveat in results.info.caveats))
    for name in _NOTED:
        if any(getattr(results.info, name) != getattr(first, name) for results in runs):
            caveats.append(f"the merged runs differ in {name}")
    seeds = sorted({score.seed for score in scores.values()})
    config = first.config | {"variants": order, "seeds": seeds, "shard": None}
    command = shlex.join(["skelbench", "merge", *map(str, paths), "--out", str(out)])
    return Results(
        replace(first, caveats=caveats, config=config, command=command),
        list(variants.values()),
        sorted(scores.values(), key=lambda score: (order.index(score.variant), score.seed, score.fold)),
        [
            failure
            for results in runs
            for failure in results.failures
            if (failure.variant, failure.seed, failure.fold) not in scores
        ],
        sorted(found.values(), key=lambda item: (order.index(item.variant), item.seed, item.fold)),
        {key: lists for results in runs for key, lists in results.lists.items()},
    )


def _copy(source: RunFolder, folder: RunFolder, score: Score) -> None:
    """The files of one score that are there."""
    job = score.variant, score.seed, score.fold
    for name in ("scores", "weights", "representations", "samples"):
        path: Path = getattr(source, name)(*job)
        if path.exists():
            _copy_file(path, getattr(folder, name)(*job))


def _copy_file(path: Path, target: Path) -> None:
    try:
        with replacing(target) as partial:
            shutil.copyfile(path, partial)
    except OSError as error:
        raise FileError(f"{path} cannot be copied: {reason(error, path)}") from error
