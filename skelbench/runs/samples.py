"""What a page shows beyond numbers: a map of the representations, and the clips that went most wrong.

The schema of `samples/VARIANT-seedS.json`. `skelbench.eval.samples` makes it while the clips are at hand, so that
a page can be written from its folder alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from skelbench.runs.files import write_text
from skelbench.runs.results import RunError

NEIGHBOURS = 10
# Frames a second of a Kinect; figure.js has it too.
USUAL_RATE = 30


@dataclass(frozen=True)
class Agreement:
    """How often a clip's nearest neighbours share something with it."""

    what: str
    """`class`, `view`, `subject` or `part`."""
    share: float
    """Of the NEIGHBOURS nearest by cosine, in the full representation."""
    chance: float
    """The same for clips drawn at random."""


@dataclass(frozen=True)
class Map:
    """Clips on a plane, t-SNE of their representations."""

    x: list[int]
    """0 to 1000."""
    y: list[int]
    label: list[int]
    view: list[int]
    """0 where unknown."""
    subject: list[int]
    test: list[int]
    """1 for a test clip, 0 for a training clip."""
    agreement: list[Agreement]
    of_train: int
    """Training clips there are; the map shows a random part."""
    of_test: int


@dataclass(frozen=True)
class Figure:
    """A clip small enough for a page: joints as bytes along each axis of its bounding box."""

    name: str
    frames: int
    """Of the clip itself."""
    shown: int
    bodies: int
    joints: int
    data: str
    """base64 of uint8 (shown, bodies, joints, 3), y up; 255 is the longest side of the box."""
    absent: list[list[int]]
    """[frame, body] without a skeleton."""
    fps: float | None = None
    """Frames a second; None where the data do not say: pages then take USUAL_RATE."""


@dataclass(frozen=True)
class Mistake:
    """A test clip that was taken for another class."""

    figure: Figure
    label: int
    predicted: int
    probability: float
    """Of the predicted class."""
    probability_label: float


@dataclass(frozen=True)
class Samples:
    """The samples of one variant."""

    edges: list[list[int]]
    """Bones: child, parent."""
    map: Map | None
    """None where the variant has no representation."""
    worst: list[Mistake]

    def save(self, path: Path) -> None:
        """Write as JSON.

        Raises:
            FileError: the file cannot be written.
        """
        write_text(path, json.dumps(asdict(self), separators=(",", ":")))

    @classmethod
    def load(cls, path: Path) -> Samples | None:
        """What `save` wrote; None where there is no such file.

        Raises:
            RunError: the file is damaged; the message names it.
        """
        from pydantic import TypeAdapter, ValidationError

        if not path.exists():
            return None
        try:
            loaded: Samples = TypeAdapter(cls).validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise RunError(
                f"{path} cannot be read as samples of a run: {str(error).splitlines()[0]}"
            ) from error
        return loaded
