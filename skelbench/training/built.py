"""What a weights file says of itself, and reading it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from skelbench.data.clips import Skeleton
from skelbench.data.skeletons import NTU_25, skeleton_from
from skelbench.errors import SkelbenchError
from skelbench.training.tensors import TensorFileError, load_tensors

FORMAT = 1


class WeightsError(SkelbenchError):
    """Weights that cannot be used; one line that names the file."""


@dataclass(frozen=True)
class BuiltFrom:
    """What a weights file says of itself."""

    variant: str
    seed: int
    encoder: str | None
    """Name of the encoder's class, to be read; None where the variant has none."""
    shape: dict[str, int]
    """Fields of InputShape."""
    joint_names: list[str]
    class_names: list[str]
    align: str
    """How clips were turned before training."""
    dataset: str
    data_sha256: str
    settings: dict[str, Any]
    version: str
    """Of skelbench."""
    restore: str | None = None
    """Name of what makes another kind of model again, to be read."""
    edges: list[list[int]] = field(default_factory=list)
    """Bones of the skeleton: child, parent."""
    root: int | None = None
    """Joint at the origin; None in a file of version 0.1.0."""
    unit: str = ""
    """Of the training clips' coordinates; "" in a file of version 0.1.0."""
    init: str = ""
    """The weights that the training started from, `RUN:VARIANT, seed S`; "" where it started at random."""
    format: int = FORMAT

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the training clips."""
        names = tuple(self.joint_names)
        if names == NTU_25.joint_names:
            return NTU_25
        found = skeleton_from(names, tuple((child, parent) for child, parent in self.edges))
        return found if self.root is None else replace(found, root=self.root)


def read(path: Path) -> tuple[BuiltFrom, dict[str, Tensor]]:
    """What a weights file says of itself, and its tensors.

    Raises:
        WeightsError: the file is missing, damaged, or newer than this version.
    """
    try:
        tensors, raw = load_tensors(path)
        if raw["format"] > FORMAT:
            raise WeightsError(
                f"{path} was written by skelbench {raw['version']}, newer than this one: upgrade"
            )
        built = BuiltFrom(**raw)
    except TensorFileError as error:
        raise WeightsError(f"{path} cannot be read as weights of skelbench: {error}") from error
    except (KeyError, TypeError) as error:
        raise WeightsError(
            f"{path} cannot be read as weights of skelbench: its record lacks {error}"
        ) from error
    bad = [
        name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    if bad:
        raise WeightsError(f"{path}: {bad[0]} holds numbers that are not finite")
    return built, tensors
