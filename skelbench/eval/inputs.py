"""The clips and the splits that a command's options stand for."""

from __future__ import annotations

from dataclasses import replace

from skelbench import data as clip_data
from skelbench.data import Clips, Split
from skelbench.eval.config import DataOptions
from skelbench.training.sampling import released_order
from skelbench.training.settings import Sampling


def load_clips(options: DataOptions) -> Clips:
    """Read and preprocess the clips.

    Raises:
        DataError: they cannot be read or used.
    """
    clips = clip_data.load(
        options.data,
        drop_bad=options.drop_bad,
        missing=options.missing,
        unit=options.unit,
        split=options.split,
        labels=options.labels,
    )
    return clip_data.preprocess(clips, align=options.align, length=options.length)


def load_splits(
    clips: Clips, options: DataOptions, protocol: str, sampling: Sampling = "full"
) -> list[Split]:
    """The split of the protocol, or its folds; `--split` names the parts of the file instead.

    Under `conmlp60` the clips of each part are in the order of the released files.

    Raises:
        DataError: the clips do not have the protocol.
    """
    splits = clip_data.protocols(clips, "file" if options.split else protocol)
    if sampling == "full":
        return splits
    return [
        replace(
            split,
            train=released_order(clips, split.train, split.protocol),
            test=released_order(clips, split.test, split.protocol),
        )
        for split in splits
    ]
