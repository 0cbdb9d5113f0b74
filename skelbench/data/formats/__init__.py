"""One file per format, reader beside writer; `skelbench.data.load` recognises a file by its content.

docs/formats.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from skelbench.data.clips import Clips
from skelbench.data.formats.csv_long import write_long_csv
from skelbench.data.formats.ctrgcn_npz import write_ctrgcn
from skelbench.data.formats.files import stem_of
from skelbench.data.formats.hdf5 import write_hdf5
from skelbench.data.formats.nctvm_npy import write_nctvm
from skelbench.data.formats.pyskl_pkl import write_pyskl
from skelbench.data.formats.ragged_npz import write_ragged

EXPORTS: dict[str, Callable[[Clips, Path], list[Path]]] = {
    "ctrgcn": write_ctrgcn,
    "pyskl": write_pyskl,
    "nctvm": write_nctvm,
    "ragged": lambda clips, folder: [write_ragged(clips, folder / f"{stem_of(clips.dataset)}.npz")],
    "hdf5": lambda clips, folder: [write_hdf5(clips, folder / f"{stem_of(clips.dataset)}.h5")],
    "csv": lambda clips, folder: [write_long_csv(clips, folder / f"{stem_of(clips.dataset)}.csv")],
}
"""Writers of a whole data set by the format's short name: (clips, folder) -> the files written."""
