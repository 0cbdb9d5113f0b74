"""HDF5 files with the keys of a ragged npz or of a CTR-GCN npz. Needs h5py, the extra `hdf5`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import Clips, DataError
from skelbench.data.formats.arrays import SMALL, Arrays, Rows
from skelbench.data.formats.files import written
from skelbench.data.formats.ragged_npz import ragged_arrays

MAGIC = b"\x89HDF\r\n\x1a\n"


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise DataError(f"{path}: reading HDF5 needs h5py: pip install 'skelbench[hdf5]'") from None
    return h5py


class Hdf5Arrays(Arrays):
    """The datasets at the top of an HDF5 file.

    Raises:
        DataError: h5py is not installed, or the file cannot be opened; and on access, a dataset cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        h5py = _h5py(path)
        try:
            self._file = h5py.File(path, "r")
            # A link that leads out of the file would read another one.
            self._keys = [
                key
                for key in self._file
                if isinstance(self._file.get(key, getlink=True), h5py.HardLink)
                and isinstance(self._file[key], h5py.Dataset)
            ]
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise DataError(f"{path}: an HDF5 file that cannot be opened: {error}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self._keys:
            raise KeyError(key)
        found = _Rows(self.path, key, self._file[key])
        size = math.prod(found.shape) * found.dtype.itemsize
        if size > SMALL:
            raise DataError(f"{self.path}: '{key}' holds {size:,} bytes, which is too much")
        return found.all()

    def rows(self, key: str) -> Rows:
        """The array `key`, to be read a few rows at a time."""
        return _Rows(self.path, key, self._file[key])


class _Rows:
    def __init__(self, path: Path, key: str, dataset: Any) -> None:
        self._where, self._dataset, self._at = f"{path}: '{key}'", dataset, 0
        if dataset.external or dataset.is_virtual:
            raise DataError(f"{self._where} lies in another file, which is not followed")
        self.shape, self.dtype = tuple(dataset.shape or ()), dataset.dtype
        if self.dtype.hasobject and not self._is_text():
            raise DataError(f"{self._where} holds objects")

    def _is_text(self) -> bool:
        import h5py

        return h5py.check_string_dtype(self._dataset.dtype) is not None

    def _read(self, where: Any) -> NDArray[Any]:
        try:
            found = np.asarray(self._dataset[where])
        except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as error:
            raise DataError(f"{self._where} cannot be read: {error}") from None
        if self._is_text():
            try:
                texts = [
                    item.decode() if isinstance(item, bytes) else str(item) for item in found.reshape(-1)
                ]
            except UnicodeDecodeError as error:
                raise DataError(f"{self._where} is not UTF-8: {error}") from None
            return np.array(texts, dtype=str).reshape(found.shape)
        return found

    def all(self) -> NDArray[Any]:
        return self._read(())

    def read(self, count: int) -> NDArray[Any]:
        self._at += count
        return self._read(slice(self._at - count, self._at))


def write_hdf5(clips: Clips, path: Path) -> Path:
    """Writes the keys of a ragged npz as HDF5 datasets.

    Raises:
        DataError: h5py is not installed.
    """
    h5py = _h5py(path)

    def write(partial: Path) -> None:
        with h5py.File(partial, "w") as file:
            for key, array in ragged_arrays(clips).items():
                text = array.dtype.kind == "U"
                data = array.astype(object) if text else array
                file.create_dataset(key, data=data, dtype=h5py.string_dtype() if text else None)

    return written(path, write)
