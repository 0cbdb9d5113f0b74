"""`python -m skelbench.compare RUN RUN ...`: finished runs side by side, with the differences that hold."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from skelbench.eval.results import Results
    from skelbench.eval.statistics import Comparison


@dataclass(frozen=True)
class Compare:
    """Compare the results of two or more runs: variants, seeds, commits, settings.

    Each variant of a later run is compared with the same variant of the first run, clip by clip. Runs on different
    data or protocols are refused unless --anyway is given; they are then shown without paired tests. Examples:

      python -m skelbench.compare runs/before runs/after
      python -m skelbench.compare runs/a runs/b runs/c --out compare.html
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Output folders of skelbench.eval; the first is what the others are compared with."""
    out: Path = Path("compare.html")
    """The page."""
    anyway: bool = False
    """Also compare runs on different data or protocols."""


class CompareError(ValueError):
    """Runs that cannot be compared; one line."""


@dataclass(frozen=True)
class Row:
    """One variant in one run."""

    run: str
    variant: str
    top1: str
    interval: str
    seeds: str
    against: Comparison | None  #: with the first run, where both have it on the same clips


def names(folders: Sequence[Path]) -> list[str]:
    """Short names that tell the runs apart: the folder's own where that is enough, else its path."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def rows(runs: Sequence[Results], folders: Sequence[Path]) -> list[Row]:
    """A row per variant and run, variant by variant; p Holm-corrected over all of them.

    Raises:
        ValueError: scores that cannot be read.
    """
    from skelbench.eval import report, statistics
    from skelbench.variants import VARIANTS

    stored = [statistics.load_all(results, folder) for results, folder in zip(runs, folders, strict=True)]
    titles = names(folders)
    found: list[Row] = []
    for variant in (row.key for row in VARIANTS):
        for place, results in enumerate(runs):
            scores = results.of(variant)
            if not scores:
                continue
            low, high = (sum(score.top1_interval[end] for score in scores) / len(scores) for end in (0, 1))
            found.append(
                Row(
                    titles[place],
                    variant,
                    report.spread([score.top1 for score in scores]),
                    f"{100 * low:.1f}-{100 * high:.1f}",
                    ", ".join(str(score.seed) for score in scores),
                    _against(stored, titles, variant, place) if same(runs[0], results) else None,
                )
            )
    corrected = iter(statistics.holm([row.against for row in found if row.against]))
    return [replace(row, against=next(corrected)) if row.against else row for row in found]


def _against(stored: Sequence[Any], titles: Sequence[str], variant: str, place: int) -> Comparison | None:
    from skelbench.eval import statistics

    first, own = stored[0].get(variant, {}), stored[place].get(variant, {})
    common = sorted(first.keys() & own.keys())
    if place == 0 or not common:
        return None
    picked = ([side[seed] for seed in common] for side in (own, first))
    return statistics.compare(titles[place], next(picked), titles[0], next(picked))


def same(first: Results, other: Results) -> bool:
    """Whether two runs were tested on the same clips."""
    return all(
        getattr(first.setting, name) == getattr(other.setting, name)
        for name in ("data_sha256", "protocol", "n_test")
    )


def differences(runs: Sequence[Results]) -> list[tuple[str, list[str]]]:
    """What was set or installed differently: a name and its value in every run."""

    def told(results: Results) -> dict[str, str]:
        setting = results.setting
        base = {
            name: getattr(setting, name)
            for name in ("dataset", "protocol", "data_sha256", "n_train", "n_test")
        }
        base |= {name: getattr(setting, name) for name in ("git_revision", "device", "threads", "started")}
        base |= {"align": setting.config.get("align"), "precision": setting.config.get("precision")}
        return {name: str(value) for name, value in (base | setting.settings | setting.versions).items()}

    every = [told(results) for results in runs]
    keys = dict.fromkeys(name for one in every for name in one)
    values = {name: [one.get(name, "-") for one in every] for name in keys}
    return [(name, value) for name, value in values.items() if len(set(value)) > 1]


def page(runs: Sequence[Results], folders: Sequence[Path], found: Sequence[Row]) -> str:
    """compare.html as text."""
    import skelbench
    from skelbench.eval import charts, html

    titles = names(folders)
    marks = [
        (replace(dot, name=f"{dot.name}, {title}", color=charts.series(place)), results.of(dot.name))
        for place, (results, title) in enumerate(zip(runs, titles, strict=True))
        for dot in html.dots_of(results)
    ]
    order = list(dict.fromkeys(row.variant for row in found))
    marks.sort(key=lambda mark: order.index(mark[0].name.split(", ")[0]))
    dots, scored = [dot for dot, _ in marks], [scores for _, scores in marks]
    setting = runs[0].setting
    comparable = all(same(runs[0], results) for results in runs)
    return html.environment().get_template("compare.html.j2").render(
        version=skelbench.__version__,
        title=f"{len(runs)} runs on "
        + (f"{setting.dataset}, {setting.protocol}" if comparable else "different data"),
        synthetic=any(results.setting.synthetic for results in runs),
        comparable=comparable,
        runs=[
            {"title": title, "folder": str(folder), "setting": results.setting}
            for title, folder, results in zip(titles, folders, runs, strict=True)
        ],
        chart=charts.accuracy(dots, None),
        cost_charts=html.cost_charts(list(zip(dots, scored, strict=True))),
        legend=[(title, html.css(charts.series(place))) for place, title in enumerate(titles)],
        rows=[(row, difference(row.against)) for row in found],
        differences=differences(runs),
        titles=titles,
    )  # fmt: skip


def difference(pair: Comparison | None) -> dict[str, str] | None:
    """A comparison in words."""
    from skelbench.eval.html import p_words

    if pair is None:
        return None
    low, high = (100 * end for end in pair.interval)
    return {
        "points": f"{round(100 * pair.difference, 1) + 0.0:+.1f}",
        "interval": f"{low:+.1f} to {high:+.1f}",
        "p": p_words(pair.p_holm),
        "kind": "win" if pair.verdict == pair.first else "loss" if pair.verdict else "",
    }


def show(found: Sequence[Row], changed: Sequence[tuple[str, list[str]]]) -> None:
    """The table on the terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    for name, values in changed:
        console.print(f"{name}: {' | '.join(values)}", markup=False)
    table = Table(box=None, header_style="bold")
    for column in ("variant", "run", "top-1 %", "95 % interval", "difference", "95 % interval", "p"):
        table.add_column(column, justify="left" if column in ("variant", "run") else "right", overflow="fold")
    for row in found:
        told = difference(row.against) or {"points": "", "interval": "", "p": ""}
        table.add_row(
            row.variant, row.run, row.top1, row.interval, told["points"], told["interval"], told["p"]
        )
    console.print(table)


def compare(folders: Sequence[Path], out: Path, anyway: bool = False) -> list[Row]:
    """Compare runs, write the page, return its rows.

    Raises:
        CompareError: fewer than two runs, or other data or protocols and not `anyway`.
        ValueError: a folder that is no run.
    """
    from skelbench.eval import html
    from skelbench.eval.results import Results

    if len(folders) < 2:
        raise CompareError("comparing needs two runs or more")
    runs = [Results.load(folder / "results.json") for folder in folders]
    for folder, results in zip(folders[1:], runs[1:], strict=True):
        if not same(runs[0], results) and not anyway:
            raise CompareError(
                f"{folder} was tested on {results.setting.dataset} {results.setting.protocol} "
                f"(data {results.setting.data_sha256[:12]}), {folders[0]} on {runs[0].setting.dataset} "
                f"{runs[0].setting.protocol} (data {runs[0].setting.data_sha256[:12]}): "
                "--anyway compares them all the same"
            )
    found = rows(runs, folders)
    html.save(page(runs, folders, found), out)
    show(found, differences(runs))
    return found


def main() -> int:
    """The command line."""
    options = tyro.cli(Compare, prog="python -m skelbench.compare")
    try:
        compare(options.runs, options.out, options.anyway)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\nPage: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
