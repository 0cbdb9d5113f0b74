"""Results kept on disk, one npz file each, named by a hash of everything that they depend on.

joblib.Memory would not serve: it keeps pickles, which run code when they are loaded, recomputes a damaged file without
naming it, and wants all documents in memory to hash them.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 2
"""Increase it when a stored array changes its meaning, or the same settings give another result."""

_KEY = "key"

Arrays = dict[str, NDArray[Any]]


def key(*, embedding: str, **configuration: Any) -> str:
    """SHA-256 of a configuration of plain values, of the format, and of gensim's version where it embeds."""
    from importlib.metadata import version

    configuration |= {"format": FORMAT, "embedding": embedding}
    if embedding == "gensim":
        configuration["gensim"] = version("gensim")
    return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()


def digest(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256 over the contents of arrays, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def load(folder: str | Path | None, name: str) -> Arrays | None:
    """The arrays kept under a hash.

    Args:
        folder: of the cache; None for no cache.
        name: the hash, by `key`.

    Returns:
        The arrays, or None where there are none.

    Raises:
        ValueError: the file (named) is damaged or holds another configuration's result.
    """
    if folder is None:
        return None
    path = _path(folder, name)
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: damaged ({error}); delete it") from error
    if str(arrays.pop(_KEY, "")) != name:
        raise ValueError(f"{path}: holds the result of another configuration; delete it")
    return arrays


def store(folder: str | Path | None, name: str, arrays: Arrays) -> None:
    """Keep arrays under a hash; the file appears whole or not at all.

    Args:
        folder: of the cache; None for no cache.
        name: the hash, by `key`.
        arrays: without objects.
    """
    if folder is None:
        return
    path = _path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            np.savez(file, allow_pickle=False, **arrays, **{_KEY: np.array(name)})
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _path(folder: str | Path, name: str) -> Path:
    return Path(folder) / f"graph2vec-{name[:32]}.npz"
