"""Reading NTU .skeleton files: the Python face of csrc/skeleton_file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import DataError

BODY_FIELDS = (
    "clipped_edges",
    "hand_left_confidence",
    "hand_left_state",
    "hand_right_confidence",
    "hand_right_state",
    "is_restricted",
    "lean_x",
    "lean_y",
    "tracking_state",
)
"""The columns of `SkeletonFile.body_fields`, as Kinect's BodyFrame gives them."""


@dataclass(frozen=True, eq=False)
class SkeletonFile:
    """All that one .skeleton file holds. F frames, B bodies over all frames, in file order."""

    bodies: NDArray[np.int32]
    """(F,) bodies tracked in each frame; can be 0."""
    ids: NDArray[np.uint64]
    """(B,) the tracker's bodyID."""
    body_fields: NDArray[np.float32]
    """(B, 9), columns as BODY_FIELDS."""
    joints: NDArray[np.float32]
    """(B, 25, 12), the file's columns; the properties below are views of it."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.bodies)

    @property
    def frame(self) -> NDArray[np.int64]:
        """(B,) frame index of each body."""
        return np.repeat(np.arange(len(self.bodies)), self.bodies)

    @property
    def positions(self) -> NDArray[np.float32]:
        """(B, 25, 3) x, y, z in metres, camera space."""
        return self.joints[:, :, 0:3]

    @property
    def depth_positions(self) -> NDArray[np.float32]:
        """(B, 25, 2) pixels in the depth image."""
        return self.joints[:, :, 3:5]

    @property
    def color_positions(self) -> NDArray[np.float32]:
        """(B, 25, 2) pixels in the colour image."""
        return self.joints[:, :, 5:7]

    @property
    def orientations(self) -> NDArray[np.float32]:
        """(B, 25, 4) quaternion w, x, y, z."""
        return self.joints[:, :, 7:11]

    @property
    def tracking_states(self) -> NDArray[np.float32]:
        """(B, 25) 0 not tracked, 1 inferred, 2 tracked."""
        return self.joints[:, :, 11]


def read_skeleton(source: str | os.PathLike[str] | bytes) -> SkeletonFile:
    """The content of a .skeleton file, given by its path or as its bytes. Runs without the GIL.

    x, y, z must be finite; the other numbers of a joint may be NaN or infinite, as the coordinate mapper gives them for
    points outside the image.

    Raises:
        DataError: the file cannot be read, or is malformed: path, line and what was expected.
    """
    from skelbench.data import _skeleton_file  # built extension; everything else here works without it

    where = "skeleton bytes" if isinstance(source, bytes) else os.fspath(source)
    with _named(where):
        return SkeletonFile(
            *(_skeleton_file.parse(source) if isinstance(source, bytes) else _skeleton_file.read(where))
        )


def read_positions(path: str) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.float32]]:
    """`bodies`, `ids` and `positions`, contiguous, of a .skeleton file: as read_skeleton, in less time and memory.

    Raises:
        DataError: as read_skeleton does; the fields that are not returned must be right, too.
    """
    from skelbench.data import _skeleton_file

    with _named(path):
        bodies, ids, _, positions = _skeleton_file.positions(path)
        return bodies, ids, positions


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Errors of the extension as DataErrors that begin with `where`."""
    from skelbench.data import _skeleton_file

    try:
        yield
    except _skeleton_file.ParseError as error:
        raise DataError(f"{where}: {error}") from None
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror}") from None
