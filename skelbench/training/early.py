"""Early recognition: what a trained model says of the first frames of a clip, as they grow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from skelbench.data.clips import Clips
from skelbench.training.trained import Encoder


@dataclass(frozen=True, eq=False)
class Prediction:
    """Class probabilities after the first so many frames."""

    frames: list[int]
    """(k,) frames seen."""
    probability: NDArray[np.float64]
    """(k, classes)."""
    class_names: tuple[str, ...]

    @property
    def top(self) -> list[int]:
        """The classes that ever lead, and the last runners-up: at most five, the last leader first."""
        last = [int(index) for index in (-self.probability[-1]).argsort()[:3]]
        leaders = [int(index) for index in self.probability.argmax(1)]
        return list(dict.fromkeys(last + sorted(set(leaders), key=leaders.count, reverse=True)))[:5]


def prefixes(clips: Clips, index: int, ends: list[int]) -> Clips:
    """A dataset whose clips are the first `ends[k]` frames of clip `index`."""
    one = clips.select(np.array([index]))
    bodies, count = int(one.bodies[0]), len(ends)
    rows = np.array(ends) * bodies
    repeated: dict[str, Any] = {
        name: np.repeat(getattr(one, name), count)
        for name in ("bodies", "label", "subject", "camera", "setup", "replication")
    }
    return replace(
        one,
        joints=np.concatenate([one.joints[:end] for end in rows]),
        offsets=np.concatenate([[0], np.cumsum(rows)]).astype(np.int64),
        names=np.array([f"{one.names[0]} to {end}" for end in ends]),
        splits={},
        **repeated,
    )


def predict(encoder: Encoder, clips: Clips, index: int, most: int = 60) -> Prediction:
    """What the model says of the first frames of clip `index`, at `most` lengths at the most."""
    total = int(clips.frames[index])
    ends = sorted(set(np.linspace(1, total, min(most, total)).round().astype(int).tolist()))
    logits = encoder.classify(prefixes(clips, index, ends)).astype(np.float64)
    return Prediction(ends, scipy.special.softmax(logits, axis=1), encoder.class_names)
