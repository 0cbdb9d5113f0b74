"""Arrays by key, as .npz and HDF5 files hold them: read in pieces, with no object ever unpickled.

What a header claims is held against the bytes that are there before anything is allocated, and a small array may not
unpack to more than SMALL bytes, so that neither an absurd header nor a zip bomb fills the memory.
"""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import DataError, release

SMALL = 1 << 30
"""Bytes that an array which is read whole may have."""

DAMAGE = (
    OSError, ValueError, TypeError, EOFError, OverflowError, MemoryError, SyntaxError, RecursionError, RuntimeError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError,
)  # fmt: skip
"""What numpy and zipfile raise for files that are damaged, encrypted, or were made to do harm."""

_PIECE = 1 << 18  # bytes unpacked in one go


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


class Rows(Protocol):
    """An array whose first axis is read in order, some rows at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its numbers."""
        ...

    def read(self, count: int) -> NDArray[Any]:
        """The next `count` rows."""


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of a file; indexing reads one whole, `rows` reads one in pieces."""

    path: Path

    def __contains__(self, key: object) -> bool:
        # That of Mapping would read the array.
        return any(key == other for other in self)

    def rows(self, key: str) -> Rows:
        """The array `key`, to be read a few rows at a time."""
        """The array of that key, to be read in order."""
        raise NotImplementedError

    def mapped(self, key: str) -> NDArray[Any] | None:
        """The array `key` as a memory map; None where it is compressed."""
        """The array as a memory map, None where the file cannot be mapped."""
        return None


class NpzArrays(Arrays):
    """The arrays of an .npz; one stored without compression is memory-mapped instead of read.

    Raises:
        DataError: the file is no zip archive; and on access, an array cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self._infos = {
                    info.filename.removesuffix(".npy"): info
                    for info in archive.infolist()
                    if info.filename.endswith(".npy")
                }
        except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError) as error:
            raise DataError(
                f"{path}: an npz that is cut short or damaged ({error}); fetch or write it again"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def __getitem__(self, key: str) -> np.ndarray:
        info = self._infos[key]
        try:
            if info.compress_type == zipfile.ZIP_STORED:
                return self._mapped(info)
            if info.file_size > SMALL:
                raise ValueError(f"it unpacks to {info.file_size:,} bytes")
            with zipfile.ZipFile(self.path) as archive, archive.open(info) as file:
                shape, fortran, dtype = _header(file, info)
                data = np.frombuffer(file.read(), dtype=dtype)
                return data.reshape(shape, order="F" if fortran else "C")
        except DAMAGE as error:
            raise DataError(f"{self.path}: array '{key}' cannot be read: {one_line(error)}") from None

    def rows(self, key: str) -> Rows:
        """The array `key`, to be read a few rows at a time."""
        info = self._infos[key]
        if info.compress_type == zipfile.ZIP_STORED:
            return _Whole(self[key])
        return _Deflated(self.path, key, info, self)

    def mapped(self, key: str) -> NDArray[Any] | None:
        """The array `key` as a memory map; None where it is compressed."""
        return self[key] if self._infos[key].compress_type == zipfile.ZIP_STORED else None

    def _mapped(self, info: zipfile.ZipInfo) -> np.ndarray:
        """The member's bytes lie in the file as they are, after a zip header of 30 bytes, a name and extra fields."""
        with open(self.path, "rb") as file:
            file.seek(info.header_offset)
            name_length, extra_length = struct.unpack("<26x2H", file.read(30))
            begin = info.header_offset + 30 + name_length + extra_length
            file.seek(begin)
            shape, fortran, dtype = _header(file, info, begin)
            if 0 in shape:
                return np.zeros(shape, dtype)
            order = "F" if fortran else "C"
            memory: NDArray[Any] = np.memmap(self.path, dtype, "r", file.tell(), shape, order)  # type: ignore[call-overload]
            return memory


def _header(
    file: IO[bytes], info: zipfile.ZipInfo, begin: int = 0
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype of a .npy file; raises ValueError where it holds objects or claims what is not there."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"version {version} of the npy format is not known")
    # Version 3 differs from 2 by an encoding that numbers do not need.
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if any(size < 0 for size in shape):
        raise ValueError(f"its shape is {shape}")
    claimed, there = math.prod(shape) * dtype.itemsize, info.file_size - (file.tell() - begin)
    if claimed != there:
        raise ValueError(f"its header claims {claimed:,} bytes, there are {there:,}")
    return tuple(shape), fortran, dtype


class _Whole:
    """Rows of an array that is in memory or mapped; pages of a map are given back as they have been read."""

    def __init__(self, array: np.ndarray) -> None:
        self._array, self._at = array, 0
        self.shape, self.dtype = array.shape, array.dtype

    def read(self, count: int) -> NDArray[Any]:
        release(self._array)
        self._at += count
        return self._array[self._at - count : self._at]


class _Deflated:
    """Rows of a compressed member of an .npz, unpacked as they are read."""

    def __init__(self, path: Path, key: str, info: zipfile.ZipInfo, arrays: NpzArrays) -> None:
        self._where = f"{path}: array '{key}'"
        self._archive = zipfile.ZipFile(path)
        self._whole: _Whole | None = None
        try:
            self._file = self._archive.open(info)
            self.shape, fortran, self.dtype = _header(self._file, info)
        except DAMAGE as error:
            raise DataError(f"{self._where} cannot be read: {one_line(error)}") from None
        if fortran and len(self.shape) > 1:
            self._whole = _Whole(arrays[key])

    def read(self, count: int) -> NDArray[Any]:
        if self._whole is not None:
            return self._whole.read(count)
        size = count * math.prod(self.shape[1:]) * self.dtype.itemsize
        data, at = bytearray(size), 0
        try:
            # Little by little: zipfile holds several copies of what it is asked for in one go.
            while at < size and (piece := self._file.read(min(_PIECE, size - at))):
                data[at : at + len(piece)] = piece
                at += len(piece)
        except DAMAGE as error:
            raise DataError(f"{self._where} cannot be read: {one_line(error)}") from None
        if at != size:
            raise DataError(f"{self._where} is cut short")
        return np.frombuffer(data, dtype=self.dtype).reshape(count, *self.shape[1:])


def is_text(array: NDArray[Any]) -> bool:
    """Whether an array holds texts, of characters that there are; numpy takes any 32 bits for one."""
    if array.dtype.kind == "S":
        return True
    if array.dtype.kind != "U":
        return False
    native = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
    return (
        not native.size
        or not native.dtype.itemsize
        or int(native.reshape(-1).view(np.uint32).max()) < 0x110000
    )


def text(arrays: Arrays, key: str, default: str) -> str:
    """A single text of a file, `default` where it has none.

    Raises:
        DataError: it is no single text.
    """
    if key not in arrays:
        return default
    array = np.asarray(arrays[key])
    if array.size != 1 or not is_text(array):
        raise DataError(f"{arrays.path}: '{key}' is {array.dtype} {array.shape}, expected one text")
    return texts(arrays, key)[0]


def texts(arrays: Arrays, key: str) -> list[str]:
    """The texts of an array.

    Raises:
        DataError: it holds no texts, or texts that are not UTF-8.
    """
    array = np.asarray(arrays[key])
    if not is_text(array):
        raise DataError(f"{arrays.path}: '{key}' is {array.dtype}, expected text")
    try:
        return [item.decode() if isinstance(item, bytes) else item for item in array.reshape(-1).tolist()]
    except UnicodeDecodeError as error:
        raise DataError(f"{arrays.path}: '{key}' is not UTF-8: {error}") from None


def flag(arrays: Arrays, key: str) -> bool:
    """Whether a file has a mark that is set."""
    return key in arrays and bool(np.asarray(arrays[key]).astype(bool).any())


def whole(arrays: Arrays, key: str) -> int | None:
    """A single whole number of a file, None where it has none.

    Raises:
        DataError: it is no single whole number from 1 to 2^31.
    """
    if key not in arrays:
        return None
    array = np.asarray(arrays[key])
    if array.size != 1 or array.dtype.kind not in "iu" or not 1 <= int(array.reshape(-1)[0]) < 1 << 31:
        raise DataError(f"{arrays.path}: '{key}' should be one positive whole number")
    return int(array.reshape(-1)[0])
