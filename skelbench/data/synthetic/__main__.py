"""`python -m skelbench.data.synthetic OUT --clips N`: a raw NTU folder that is made up."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Options:
    """Write made-up .skeleton files with NTU's names, format and frame counts, to try things on.

    python -m skelbench.data.synthetic raw/ --clips 2000 --faults 0.01
    """

    out: tyro.conf.Positional[Path]
    """Folder for the files; new or empty, or of an earlier run."""
    clips: int = 720
    seed: int = 0
    mean_frames: float = 83.0
    """Frames of a clip, on average; at most 300."""
    ghosts: float = 0.05
    """Share of clips in which the tracker sees a body that is none."""
    faults: float = 0.0
    """Share of files that are empty, cut short, or have no body in any frame."""


def main() -> int:
    """Write the files; the exit code."""
    options = tyro.cli(Options, prog="python -m skelbench.data.synthetic")
    from rich.console import Console
    from rich.progress import Progress

    from skelbench.data import DataError
    from skelbench.data.synthetic.raw import write_raw_folder

    console = Console(stderr=True)
    try:
        with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task("writing", total=options.clips)
            found = write_raw_folder(
                options.out,
                options.clips,
                options.seed,
                options.mean_frames,
                options.ghosts,
                options.faults,
                lambda done: bar.update(task, completed=done),
            )
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        f"{options.clips} synthetic .skeleton files in {options.out}, {len(found)} of them faulty on purpose"
    )
    for name, fault in found.items():
        print(f"  {name}: {fault}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
