"""The base of every error that a user can cause."""

from __future__ import annotations


class SkelbenchError(Exception):
    """An error that a user can cause: the command line shows its one line and ends with exit code 2.

    Every other exception is a bug and shows its traceback. The message names the file, clip, row or argument, and says
    what to do.
    """

    def __init__(self, *message: object) -> None:
        # Another library's words, quoted in ours, may be of several lines.
        super().__init__(*(" ".join(str(part).split("\n")) for part in message))
