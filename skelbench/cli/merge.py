"""`skelbench merge`: the runs of several jobs as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Make one run of several that have the same data and settings: the shards of an array job, or further seeds.

    Runs that do not belong together are refused, with what differs. Examples:

      skelbench eval xview --seeds 0,1,2 --shard 1/4 --out runs/shard1
      skelbench merge runs/shard1 runs/shard2 runs/shard3 runs/shard4 --out runs/all
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Output folders of skelbench eval."""
    out: Path
    """Folder of the merged run."""


def run(options: Merge, words: Sequence[str]) -> int:
    """Merge, write the report, print the table: 0, or 1 where a variant had failed."""
    from skelbench.cli.terminal import Terminal
    from skelbench.pages import markdown
    from skelbench.pages import run as page
    from skelbench.runs.folder import RunFolder
    from skelbench.runs.merge import merge

    results = merge(options.runs, options.out)
    folder = RunFolder(options.out)
    markdown.write(results, folder.markdown)
    page.write(folder)
    Terminal().end(results, folder.path)
    return 1 if results.failures else 0
