"""`python -m skelbench.eval`: the same as `skelbench eval`."""

from __future__ import annotations

import sys

from skelbench.cli.main import main as skelbench


def main() -> int:
    """Run the main job with the words of the command line; the exit code."""
    return skelbench(["eval", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
