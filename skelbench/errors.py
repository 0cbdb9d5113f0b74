"""The base of every error that a user can cause."""

from __future__ import annotations


class SkelbenchError(Exception):
    """An error that a user can cause: the command line shows its one line and ends with exit code 2.

    Every other exception is a bug and shows its traceback. The message names the file, clip, row or argument, and says
    what to do.
    """
