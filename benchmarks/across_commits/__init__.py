"""The benchmarks that asv runs at every commit.

asv imports everything in its benchmark folder with the skelbench of the commit, so the folder holds the suite alone,
and the cases are imported one family at a time. `benchmarks` is made importable by itself: the root of the repository
on the path would put its skelbench, of another commit and perhaps not built, before the one that asv installed.
"""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("benchmarks") is None:
    _folder = Path(__file__).resolve().parents[1]
    _spec = importlib.util.spec_from_file_location(
        "benchmarks", _folder / "__init__.py", submodule_search_locations=[str(_folder)]
    )
    assert _spec is not None
    sys.modules["benchmarks"] = importlib.util.module_from_spec(_spec)
