"""`transfer:DATA`: the frozen encoder on another data set, whose joints are mapped by name, and a probe there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from skelbench import data as clip_data
from skelbench.data import Clips, Split
from skelbench.data.clips import DataError, IntArray
from skelbench.data.joint_mapping import onto
from skelbench.data.preprocess import resampled
from skelbench.eval.inputs import load_clips, load_splits
from skelbench.eval.protocols.frozen import Found, Frozen
from skelbench.runs.numbers import count, listed
from skelbench.training.penalised_probe import folds_like_test, penalised_probe
from skelbench.training.streams import Axes

# Where the other data set does not have the run's protocol, in this order.
_OTHER_PROTOCOLS = ("xsub", "xview", "file")
# Training clips that tell which end of the vertical is up.
_MEASURED = 100


def transfer(frozen: Frozen, argument: str) -> Found:
    """Linear probe on the other data set's training clips, scored on its test clips.

    Raises:
        DataError: the data cannot be read, have no split, or another skeleton altogether.
    """
    options = replace(frozen.config, data=Path(argument), align="none", length=None, labels=None, split=None)
    clips = load_clips(options)
    split = _split(clips, frozen)
    brought, words = _brought(clips, split.train, frozen)
    train, test = (frozen.represent(brought, part) for part in (split.train, split.test))
    label = torch.from_numpy(clips.label[split.train].astype(np.int64))
    masks, rule = folds_like_test(clips, split.train, split.test, frozen.task.seed)
    chosen = penalised_probe(train, label, clips.classes, masks, rule)
    with torch.inference_mode():
        logits = chosen.layer(test).numpy()
    return Found(
        logits,
        clips.names[split.test],
        clips.label[split.test].astype(np.int64),
        words=f"{clips.dataset}, {split.protocol}: {count(len(split.train), 'training clip')}; {words}",
    )


def _split(clips: Clips, frozen: Frozen) -> Split:
    have = clip_data.available(clips)
    for name in (frozen.config.protocol, *_OTHER_PROTOCOLS):
        if name in have:
            return load_splits(clips, replace(frozen.config, split=None), name)[0]
    raise DataError(f"{clips.source}: none of its protocols ({', '.join(have) or 'none'}) has one split")


def _brought(clips: Clips, train: IntArray, frozen: Frozen) -> tuple[Clips, str]:
    """The clips on the encoder's skeleton, in its size, its axes and its alignment, and what that took."""
    shape = frozen.encoder.built.shape
    mapped, missing = onto(clips, frozen.encoder.built.skeleton)
    words = [f"without {listed(missing)}"] if missing else ["every joint by name"]
    most = shape["max_bodies"]
    if (mapped.bodies > most).any():
        mapped = _first_bodies(mapped, most)
        words.append(f"the first {'body' if most == 1 else f'{most} bodies'} of each clip")
    own, other = Axes.of(frozen.clips, frozen.train), Axes.of(mapped, train)
    joints = mapped.joints * np.float32(own.unit / other.unit)
    up, side = own.up, (own.up + 1) % 3
    if up != other.up:
        # A quarter turn brings their vertical to ours.
        joints[..., up], joints[..., other.up] = joints[..., other.up].copy(), -joints[..., up]
    mapped = replace(mapped, joints=joints, unit=frozen.clips.unit)
    if _rises(frozen.clips, frozen.train, up) != _rises(mapped, train, up):
        # Half a turn: theirs points down.
        joints[..., [up, side]] *= -1
    mapped = resampled(mapped, shape["length"])
    return clip_data.preprocess(mapped, align=frozen.config.align), "; ".join(words)


def _rises(clips: Clips, train: IntArray, up: int) -> bool:
    """Whether spines point to the positive end of the axis, in most of some training clips."""
    lower, upper = clips.skeleton.spine
    some = train[np.linspace(0, len(train) - 1, min(_MEASURED, len(train))).astype(int)]
    lines = [
        clips.clip(int(index))[:, 0][..., list(upper), up].mean(-1)
        - clips.clip(int(index))[:, 0][..., list(lower), up].mean(-1)
        for index in some
        if lower and upper
    ]
    return not lines or sum(float(np.median(line)) > 0 for line in lines) * 2 >= len(lines)


def _first_bodies(clips: Clips, most: int) -> Clips:
    """At most so many bodies of each clip."""
    kept = np.minimum(clips.bodies, most)
    rows = [clips.clip(index)[:, :most].reshape(-1, *clips.joints.shape[1:]) for index in range(len(clips))]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in rows])]).astype(np.int64)
    return replace(clips, joints=np.concatenate(rows), offsets=offsets, bodies=kept, max_bodies=most)
