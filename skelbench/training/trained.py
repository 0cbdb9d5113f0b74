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
ClipSource = Clips | str | os.PathLike[str]


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

    def represent(self, clips: ClipSource) -> NDArray[np.float32]:
        """Representations float32 (N, width) of N clips, given as read or as a path of any known format.

        Clips are moved to their origin and turned as the training clips were.

        Raises:
            DataError: another skeleton, a clip longer or with more bodies than the encoder takes, or a file that
                cannot be read.
        """
        return self._run(self.model[0], clips)

    def classify(self, clips: ClipSource) -> NDArray[np.float32]:
        """Logits float32 (N, classes); the same conditions as `represent`."""
        return self._run(self.model, clips)

    def predict(self, clips: ClipSource) -> Predictions:
        """Class probabilities of N clips, labelled or not; the same conditions as `represent`."""
        clips = _read(clips)
        probability = scipy.special.softmax(self.classify(clips).astype(np.float64), axis=1)
        return Predictions([str(name) for name in clips.names], probability, self.class_names)

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
                yield self.predict(self._recording(np.stack(seen))).probability[0]

    def _recording(self, joints: NDArray[np.float32]) -> Clips:
        """One clip of the encoder's own skeleton from joints (T, m, J, 3)."""
        frames, bodies = joints.shape[:2]
        if joints.shape[2] != len(self.built.joint_names):
            raise DataError(
                f"frames of {joints.shape[2]} joints, the encoder takes {len(self.built.joint_names)}"
            )
        none = np.zeros(1, dtype=np.int64)
        built = self.built
        return Clips(
            joints=joints.reshape(-1, *joints.shape[2:]),
            offsets=np.array([0, frames * bodies]),
            bodies=np.array([bodies]),
            label=none - 1,
            names=np.array(["recording"]),
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

    def _run(self, module: nn.Module, clips: ClipSource) -> NDArray[np.float32]:
        clips = _read(clips)
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


def _read(clips: ClipSource) -> Clips:
    return clips if isinstance(clips, Clips) else clip_data.load_recordings([clips])
