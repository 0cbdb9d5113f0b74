"""What validates a trial: a part of the training clips, held out as the protocol tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skelbench.data import Clips

# Of the training cameras, set-ups, subjects or clips.
_SHARE = 0.25
# What a protocol tests across, and how many must be known for one to be held out; else it is people.
_ACROSS = {"xview": ("camera", 2), "xset": ("setup", 2)}


def held_out(
    clips: Clips, protocol: str, train: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Clips to fit, clips to validate on, and the rule in words; both parts lie within `train`.

    What the protocol tests across is held out, so that what is chosen serves there: a camera (xview) or a set-up (xset)
    where two or more train, else whole subjects where at least three are known, else clips at random.
    """
    rng = np.random.default_rng(seed)
    for what, least in (*filter(None, [_ACROSS.get(protocol)]), ("subject", 3)):
        owner = getattr(clips, what)[train]
        known = np.unique(owner)
        if len(known) >= least and known.min() > 0:
            chosen = np.sort(rng.permutation(known)[: max(1, round(_SHARE * len(known)))])
            rule = f"{len(chosen)} of the {len(known)} training {what}s ({', '.join(map(str, chosen))})"
            mask = np.isin(owner, chosen)
            return train[~mask], train[mask], rule
    mask = np.zeros(len(train), dtype=bool)
    mask[rng.permutation(len(train))[: max(1, round(_SHARE * len(train)))]] = True
    return train[~mask], train[mask], f"{_SHARE:.0%} of the training clips, drawn at random"
