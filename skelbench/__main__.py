"""`python -m skelbench`: the same as the command `skelbench`."""

import sys

from skelbench.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
