"""Stored weights that the encoder of a new training starts from (`--init`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from skelbench.errors import SkelbenchError
from skelbench.models.conmlp import InputShape
from skelbench.training.built import BuiltFrom, read

# How `inference` names its encoder; one of resampled clips stands inside another (skelbench.models.heads.Centred).
_ENCODER = "encoder."
_MEAN = "encoder.mean"


class InitError(SkelbenchError):
    """Weights that a training cannot start from; one line that names what differs."""


@dataclass(eq=False)
class Initial:
    """The encoder of a weights file."""

    name: str
    """`RUN:VARIANT, seed S`."""
    built: BuiltFrom
    encoder: Mapping[str, Tensor]
    """Its weights, by their names within it."""
    sha256: str
    """Of the file."""
    used: bool = False
    """Whether an encoder has been given the weights."""

    @staticmethod
    def of(path: Path, name: str, sha256: str) -> Initial:
        """Read a weights file.

        Raises:
            WeightsError: it cannot be read.
        """
        built, tensors = read(path)
        prefix = _ENCODER * 2 if _MEAN in tensors else _ENCODER
        encoder = {
            key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
        }
        return Initial(name, built, encoder, sha256)

    def shape(self, own: InputShape) -> InputShape:
        """The padded row of clips for a model with these weights: no smaller than the one that they were trained on."""
        there = self.built.shape
        return replace(
            own,
            length=max(own.length, there["length"]),
            max_bodies=max(own.max_bodies, there["max_bodies"]),
        )

    def load_into(self, encoder: nn.Module) -> None:
        """Give an encoder these weights.

        Raises:
            InitError: the shapes differ; the first of those that do is named.
        """
        own = encoder.state_dict()
        for name in sorted(own.keys() | self.encoder.keys()):
            here, there = (
                tuple(weights[name].shape) if name in weights else "missing"
                for weights in (own, self.encoder)
            )
            if here != there:
                raise InitError(f"--init {self.name}: encoder.{name} is {there} there, and {here} here")
        encoder.load_state_dict(dict(self.encoder))
        self.used = True
