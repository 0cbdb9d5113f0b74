"""A trained encoder and its classifier, ready for clips: representations, logits, predictions, a stream."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skelbench import data as clip_data
from skelbench.data.clips import Clips, DataError
from skelbench.training.built import BuiltFrom
from skelbench.training.task import in_batches

Batch = Callable[[Tensor], Any]
"""Clip indices -> the model's input."""
Inputs = Callable[[Clips, torch.device], Batch]
ClipSource = Clips | str | os.PathLike[str] | NDArray[np.floating[Any]]
"""Clips, a file of any known format, or the joints of one recording, (T, J, 3) or (T, bodies, J, 3)."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities of N clips."""

    names: list[str]
    """Of the clips, (N,)."""
    probability: NDArray[np.float64]
    """(N, classes)."""
    class_names: tuple[str, ...]

    def top(self, k: int = 5) -> list[list[tuple[str, float]]]:
        """The k most likely classes of each clip with their probabilities, the likeliest first."""
        order = np.argsort(-self.probability, axis=1, kind="stable")[:, :k]
        return [
            [(self.class_names[c], float(row[c])) for c in best]
            for row, best in zip(self.probability, order, strict=True)
        ]


class Encoder:
    """A trained encoder and its classifier, ready for clips of the skeleton it was trained on."""

    def __init__(self, model: nn.Sequential, inputs: Inputs, built: BuiltFrom, device: torch.device) -> None:
        self.model = model.to(device).eval()
        self.inputs = inputs
        self.built = built
        self.device = device

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `classify`'s columns."""
        return tuple(self.built.class_names)

    def represent(
        self, clips: ClipSource, window: int | None = None, every: int | None = None
    ) -> NDArray[np.float32]:
        """Representations float32 (N, width) of N clips, given as read or as a path of any known format.

        Clips are moved to their origin and turned as the training clips were. An array is one recording in the unit of
        the training clips, and N are its windows, see `windows`.

        Args:
            clips: what is represented.
            window: of an array, frames of a window.
            every: of an array, frames from the start of one window to that of the next.

        Raises:
            DataError: another skeleton, a clip longer or with more bodies than the encoder takes, coordinates that are
                not finite, or a file that cannot be read.
            ValueError: see `windows`; or a window of what is no array.
        """
        return self._run(self.model[0], self._clips(clips, window, every))

    def classify(
        self, clips: ClipSource, window: int | None = None, every: int | None = None
    ) -> NDArray[np.float32]:
        """Logits float32 (N, classes); arguments and conditions as `represent`."""
        return self._run(self.model, self._clips(clips, window, every))

    def predict(self, clips: ClipSource, window: int | None = None, every: int | None = None) -> Predictions:
        """Class probabilities of N clips, labelled or not; arguments and conditions as `represent`."""
        clips = self._clips(clips, window, every)
        probability = scipy.special.softmax(self._run(self.model, clips).astype(np.float64), axis=1)
        return Predictions([str(name) for name in clips.names], probability, self.class_names)

    def windows(
        self, joints: NDArray[np.floating[Any]], window: int | None = None, every: int | None = None
    ) -> Clips:
        """A recording as clips that each show `window` frames of it, named by their frames ("frames 0-59").

        The last window ends with the recording, so that every frame is in one.

        Args:
            joints: (T, J, 3), or (T, bodies, J, 3) zeros where a body is absent; in the unit of the training clips.
            window: frames; None takes all of the recording, or as many as a clip of the encoder may have.
            every: frames from the start of one window to that of the next; None takes half a window.

        Raises:
            DataError: another skeleton, or coordinates that are not finite; the first such frame is named.
            ValueError: `window` or `every` below 1, or a window longer than the recording or the encoder's clips.
        """
        joints = np.asarray(joints, dtype=np.float32)
        if joints.ndim == 3:
            joints = joints[:, None]
        if joints.ndim != 4 or joints.shape[-1] != 3 or not joints.size:
            raise DataError(
                f"an array of shape {joints.shape}: expected (frames, joints, 3) or (frames, bodies, joints, 3)"
            )
        total = len(joints)
        most = min(total, int(self.built.shape["length"]))
        window = most if window is None else window
        every = max(1, window // 2) if every is None else every
        if not 1 <= window <= most or every < 1:
            raise ValueError(f"window is {window} (1 to {most}) and every is {every} (1 or more)")
        starts = list(range(0, total - window + 1, every))
        if starts[-1] + window < total:
            starts.append(total - window)
        names = [f"frames {start}-{start + window - 1}" for start in starts]
        return self._recordings([joints[start : start + window] for start in starts], names)

    def stream(
        self, frames: Iterable[NDArray[np.float32]], window: int | None = None, every: int = 1
    ) -> Iterator[NDArray[np.float64]]:
        """Class probabilities (classes,) while a recording comes in, over a sliding window of its last frames.

        Args:
            frames: (bodies, J, 3) each, in the unit of the training clips.
            window: frames that are looked at; None takes as many as a clip of the encoder may have.
            every: how many frames come in between two predictions.

        Raises:
            DataError: another skeleton, or more bodies than the encoder takes.
            ValueError: `window` or `every` below 1, or a window longer than the encoder's clips.
        """
        most = int(self.built.shape["length"])
        window = most if window is None else window
        if not 1 <= window <= most or every < 1:
            raise ValueError(f"window is {window} (1 to {most}) and every is {every} (1 or more)")
        seen: deque[NDArray[np.float32]] = deque(maxlen=window)
        for count, frame in enumerate(frames, 1):
            seen.append(np.asarray(frame, dtype=np.float32))
            if count % every == 0:
                clip = self._recordings([np.stack(seen)], [f"frames {count - len(seen)}-{count - 1}"])
                yield self.predict(clip).probability[0]

    def _clips(self, clips: ClipSource, window: int | None, every: int | None) -> Clips:
        if isinstance(clips, np.ndarray):
            return self.windows(clips, window, every)
        if window is not None or every is not None:
            raise ValueError("window and every belong to an array of one recording, not to clips or a file")
        return clips if isinstance(clips, Clips) else clip_data.load_recordings([clips])

    def _recordings(self, parts: list[NDArray[np.float32]], names: list[str]) -> Clips:
        """Clips of the encoder's own skeleton from joints (T, m, J, 3) each, of one length and as many bodies."""
        frames, bodies = parts[0].shape[:2]
        joints = np.stack(parts)
        if joints.shape[3] != len(self.built.joint_names):
            raise DataError(
                f"frames of {joints.shape[3]} joints, the encoder takes {len(self.built.joint_names)}"
            )
        bad = np.argwhere(~np.isfinite(joints).all(axis=(2, 4)))
        if len(bad):
            part, frame, joint = bad[0].tolist()
            raise DataError(
                f"{names[part]}: joint {self.built.joint_names[joint]!r} is not finite in the window's frame {frame}: "
                "fill it or leave the frame out"
            )
        count = len(parts)
        none = np.zeros(count, dtype=np.int64)
        built = self.built
        return Clips(
            joints=joints.reshape(-1, *joints.shape[3:]),
            offsets=frames * bodies * np.arange(count + 1),
            bodies=np.full(count, bodies),
            label=none - 1,
            names=np.array(names),
            subject=none,
            camera=none,
            setup=none,
            replication=none,
            skeleton=built.skeleton,
            class_names=self.class_names,
            dataset="recording",
            length=frames,
            max_bodies=bodies,
            source="recording",
            unit=built.unit or "metre",
        )

    def _run(self, module: nn.Module, clips: Clips) -> NDArray[np.float32]:
        self._check(clips)
        clips = clip_data.preprocess(clips, align=self.built.align)
        batch = self.inputs(clips, self.device)
        return in_batches(module, batch, torch.arange(len(clips), device=self.device)).numpy()

    def _check(self, clips: Clips) -> None:
        shape, who = self.built.shape, f"{self.built.variant} of {self.built.dataset}"
        if clips.joints.shape[1] != shape["joints"]:
            raise DataError(
                f"{clips.source}: {clips.joints.shape[1]} joints, but {who} takes {shape['joints']}"
            )
        names, own = clips.skeleton.joint_names, tuple(self.built.joint_names)
        if names != own:
            place = next(j for j in range(len(own)) if names[j] != own[j])
            raise DataError(
                f"{clips.source}: joint {place} is {names[place]!r}, but {own[place]!r} in the skeleton of {who}: "
                "bring the joints into its order, with its names"
            )
        if self.built.unit and clips.unit not in ("unknown", self.built.unit):
            raise DataError(
                f"{clips.source}: coordinates in {clips.unit}, but {who} takes {self.built.unit}: convert them"
            )
        for count, most, what in (
            (clips.frames, shape["length"], "frames"),
            (clips.bodies, shape["max_bodies"], "bodies"),
        ):
            if (count > most).any():
                worst = int(count.argmax())
                raise DataError(
                    f"{clips.source}: clip {clips.names[worst]} has {count[worst]} {what}, {who} takes at most {most}: "
                    f"leave out the {what} beyond that"
                )
