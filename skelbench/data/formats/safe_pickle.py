"""Pickles, by an unpickler that admits numpy arrays and plain containers only."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from skelbench.data.clips import DataError
from skelbench.data.regular import regular

MAX_BYTES = 1 << 38

# What a pickle of arrays and containers refers to. numpy.core became numpy._core in numpy 2.
_ADMITTED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    *(
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    ),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise DataError(f"asks for {module}.{name}; only numpy arrays and plain containers are read")
        return super().find_class(module, name)


def unpickle(path: Path) -> Any:
    """The object in the file.

    Raises:
        DataError: the pickle is broken, or refers to anything but numpy arrays, scalars and plain containers.
    """
    regular(path, MAX_BYTES)
    try:
        with open(path, "rb") as file:
            # Python 2 wrote the label files of ST-GCN and 2s-AGCN.
            return _Unpickler(file, encoding="latin1").load()
    except DataError as error:
        raise DataError(f"{path}: the pickle {error}") from None
    except OSError:
        raise
    except (Exception, RecursionError) as error:  # a broken pickle can raise almost anything
        raise DataError(f"{path}: not a readable pickle ({type(error).__name__}: {error})") from None
