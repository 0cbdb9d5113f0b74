"""What a weights file says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from skelbench.data.clips import Skeleton
from skelbench.data.skeletons import NTU_25, skeleton_from

FORMAT = 1


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
    format: int = FORMAT

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the training clips."""
        names = tuple(self.joint_names)
        if names == NTU_25.joint_names:
            return NTU_25
        found = skeleton_from(names, tuple((child, parent) for child, parent in self.edges))
        return found if self.root is None else replace(found, root=self.root)
