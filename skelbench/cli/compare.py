"""`skelbench compare`: finished runs side by side, with significance tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Compare:
    """Compare the results of two or more runs: variants, seeds, commits, settings.

    Each variant of a later run is compared with the same variant of the first run, clip by clip. Runs on different
    data or protocols are refused unless --anyway is given; they are then shown without paired tests. Examples:

      skelbench compare runs/before runs/after
      skelbench compare runs/a runs/b runs/c --out compare.html
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Output folders of skelbench eval; the first is the one the others are compared with."""
    out: Path = Path("compare.html")
    """The page."""
    anyway: bool = False
    """Also compare runs on different data or protocols."""
    force: bool = False
    """Overwrite the page where it exists."""


def run(options: Compare, words: Sequence[str]) -> int:
    """Compare, print the table, write the page."""
    from skelbench.cli.terminal import table
    from skelbench.pages import base
    from skelbench.pages.compare import difference, render
    from skelbench.pages.text import clean
    from skelbench.runs.compare import compare
    from skelbench.runs.files import require_absent

    require_absent(options.out, options.force)
    found = compare(options.runs, options.anyway)
    base.save(render(found), options.out)
    for name, values in found.differences:
        print(clean(f"{name}: {' | '.join(values)}"))
    rows = []
    for row in found.rows:
        told = difference(row.against) or {"points": "", "interval": "", "p": row.why_not}
        rows.append(
            [row.variant, row.run, row.top1, row.interval, told["points"], told["interval"], told["p"]]
        )
    titles = ["variant", "run", "top-1 %", "95 % interval", "difference", "95 % interval", "p"]
    table(titles, rows, left=2)
    print(f"\nPage: {options.out}")
    return 0
