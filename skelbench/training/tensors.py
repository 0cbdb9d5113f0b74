"""Tensors and a record in one safetensors file, whole and with a hash of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from skelbench.errors import SkelbenchError
from skelbench.runs.files import replacing

_RECORD, _HASH = "skelbench", "sha256"


class TensorFileError(SkelbenchError):
    """A file that cannot be read as tensors and a record; one line that names it."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors and a record of plain values, atomically.

    Raises:
        FileError: the file cannot be written.
    """
    kept = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    # One key: safetensors writes several in any order, and equal content shall be equal bytes.
    text = json.dumps(dict(record) | {_HASH: _digest(kept, record)})
    content = to_bytes(kept, metadata={_RECORD: text})
    with replacing(path) as partial:
        partial.write_bytes(content)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_tensors` wrote. A file of version 0.1.0 has no hash and is taken as it is.

    Raises:
        TensorFileError: the file is missing, damaged, or another one.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        record = json.loads(metadata[_RECORD])
        if not isinstance(record, dict):
            raise TypeError("its record is no mapping")
    except KeyError as error:
        raise TensorFileError(f"{path} was not written by skelbench: it has no {error}") from error
    except (SafetensorError, OSError, TypeError, ValueError, RecursionError) as error:
        raise TensorFileError(f"{path} is damaged: {str(error).splitlines()[0]}") from error
    expected = record.pop(_HASH, None)
    if expected is not None and expected != _digest(tensors, record):
        raise TensorFileError(f"{path} is damaged: its content does not fit its hash")
    return tensors, record


def _digest(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(dict(record)).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content: Any = tensor.reshape(-1).view(torch.uint8).numpy()
        digest.update(content)
    return digest.hexdigest()
