"""The command line: one thin file per command, the terminal, and one way from an exception to an exit code."""
