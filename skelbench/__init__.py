"""skelbench: honest, fast benchmarks of compact models for skeleton-based action recognition.

Start with `python -m skelbench.eval --help`. Importing the package is cheap: torch is loaded by the parts that need it.
"""

__version__ = "0.1.0"
