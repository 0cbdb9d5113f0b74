"""`python -m skelbench.eval`: the main job on the command line."""

from __future__ import annotations

import shlex
import sys

import tyro

from skelbench.eval.config import Config


def main() -> int:
    """Parse, run, and turn what can go wrong into one line."""
    config = tyro.cli(Config, prog="python -m skelbench.eval")
    # Imported after the options are read: --help must not wait for torch.
    from skelbench.data import DataError
    from skelbench.eval.config import ConfigError
    from skelbench.eval.progress import Terminal
    from skelbench.eval.runner import run
    from skelbench.training.log import TrainingError

    terminal = Terminal()
    try:
        run(config, terminal, shlex.join(["python", "-m", "skelbench.eval", *sys.argv[1:]]))
    except (ConfigError, DataError, TrainingError) as error:
        terminal.close()
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        terminal.close()
        print("stopped; finished variants are in the output folder", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
