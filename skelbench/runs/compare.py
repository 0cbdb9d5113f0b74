"""Runs side by side: what differs between them, with significance tests on the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skelbench.errors import SkelbenchError
from skelbench.runs.folder import RunFolder
from skelbench.runs.numbers import count, percent, spread
from skelbench.runs.results import Results
from skelbench.runs.significance import ClipScores, Comparison, holm, pooled_interval
from skelbench.runs.significance import compare as compare_pair


class CompareError(SkelbenchError):
    """Runs that cannot be compared; one line."""


@dataclass(frozen=True)
class Row:
    """One variant in one run."""

    run: str
    variant: str
    top1: str
    interval: str
    seeds: str
    against: Comparison | None
    """With the first run, where both have the variant with a common seed on the same clips."""
    why_not: str = ""
    """Why there is no comparison."""


@dataclass(frozen=True)
class RunComparison:
    """Two runs or more, and each variant of each."""

    folders: list[Path]
    titles: list[str]
    """Short names that tell the runs apart."""
    runs: list[Results]
    rows: list[Row]
    comparable: bool
    """Whether all were tested on the same clips."""
    differences: list[tuple[str, list[str]]]
    """What was set or installed differently: a name, and its value in every run."""


def compare(paths: Sequence[Path], anyway: bool = False) -> RunComparison:
    """Compare runs variant by variant; the first is what the others are compared with.

    Args:
        paths: folders of two runs or more.
        anyway: also show runs on different data or protocols, without tests.

    Raises:
        CompareError: fewer than two runs, or other data or protocols and not `anyway`.
        RunError: a folder that is no run, or a file of it that cannot be read.
    """
    if len(paths) < 2:
        raise CompareError("comparing needs two runs or more")
    folders = [RunFolder(path) for path in paths]
    runs = [folder.load() for folder in folders]
    for path, results in zip(paths[1:], runs[1:], strict=True):
        if not same(runs[0], results) and not anyway:
            raise CompareError(
                f"{path} was tested on {_data(results)}, {paths[0]} on {_data(runs[0])}: "
                "--anyway compares them all the same"
            )
    titles = _titles(paths)
    rows = _rows(runs, folders, titles)
    comparable = all(same(runs[0], results) for results in runs)
    return RunComparison(list(paths), titles, runs, rows, comparable, _differences(runs))


def same(first: Results, other: Results) -> bool:
    """Whether two runs were tested on the same clips."""
    return all(
        getattr(first.info, name) == getattr(other.info, name)
        for name in ("data_sha256", "protocol", "n_test")
    )


def _data(results: Results) -> str:
    info = results.info
    return f"{info.dataset} {info.protocol} (data {info.data_sha256[:12]})"


def _titles(paths: Sequence[Path]) -> list[str]:
    """The folder's own name where that is enough, else its path."""
    short = [path.resolve().name for path in paths]
    return short if len(set(short)) == len(short) else [str(path) for path in paths]


def _order(runs: Sequence[Results]) -> list[str]:
    """Keys of every variant of every run, controls last."""
    control = {row.key: row.group == "control" for results in runs for row in results.variants}
    return sorted(control, key=lambda key: control[key])


def _rows(runs: Sequence[Results], folders: Sequence[RunFolder], titles: Sequence[str]) -> list[Row]:
    """A row per variant and run, variant by variant; p Holm-corrected over all of them."""
    stored = [folder.load_all_scores(results) for folder, results in zip(folders, runs, strict=True)]
    found: list[Row] = []
    for variant in _order(runs):
        for place, results in enumerate(runs):
            scores = results.of(variant)
            if not scores:
                continue
            low, high = pooled_interval(results.counts(variant))
            against, why_not = None, ""
            if place and not same(runs[0], results):
                why_not = "other test clips"
            elif place:
                against, why_not = _against(stored, titles, variant, place)
            found.append(
                Row(
                    titles[place],
                    variant,
                    spread([score.top1 for score in scores]),
                    f"{percent(low)}-{percent(high)}",
                    ", ".join(map(str, sorted({score.seed for score in scores}))),
                    against,
                    why_not,
                )
            )
    corrected = iter(holm([row.against for row in found if row.against]))
    return [replace(row, against=next(corrected)) if row.against else row for row in found]


def _against(
    stored: Sequence[dict[str, dict[int, ClipScores]]], titles: Sequence[str], variant: str, place: int
) -> tuple[Comparison | None, str]:
    first, own = stored[0].get(variant, {}), stored[place].get(variant, {})
    if not first:
        return None, f"{titles[0]} has no {variant}"
    common = sorted(first.keys() & own.keys())
    if not common:
        mine, theirs = (", ".join(map(str, sorted(side))) for side in (own, first))
        return None, f"no common seed: {mine} here, {theirs} in {titles[0]}"
    pair = compare_pair(
        titles[place], [own[seed] for seed in common], titles[0], [first[seed] for seed in common]
    )
    return pair, ""


def _differences(runs: Sequence[Results]) -> list[tuple[str, list[str]]]:
    def told(results: Results) -> dict[str, str]:
        info = results.info
        base = {
            name: getattr(info, name) for name in ("dataset", "protocol", "data_sha256", "n_train", "n_test")
        }
        base |= {"seeds": ", ".join(map(str, sorted({score.seed for score in results.scores}))) or "none"}
        base |= {name: getattr(info, name) for name in ("git_revision", "device", "threads", "started")}
        base |= {name: info.config.get(name) for name in ("align", "precision", "init")}
        return {name: str(value) for name, value in (base | info.settings | info.versions).items()}

    every = [told(results) for results in runs]
    keys = dict.fromkeys(name for one in every for name in one)
    values = {name: [one.get(name, "-") for one in every] for name in keys}
    return [(name, value) for name, value in values.items() if len(set(value)) > 1]


def summary(results: Results) -> str:
    """A run in one line."""
    info = results.info
    return (
        f"{info.dataset} {info.protocol}, {count(info.n_train, 'training clip')}, "
        f"{count(info.n_test, 'test clip')}, data {info.data_sha256[:16]}; commit {info.git_revision or 'unknown'}; "
        f"{info.started}"
    )
