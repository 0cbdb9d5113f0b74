"""`semi:SHARE`: a probe on frozen representations that sees the labels of a share of each class's training clips.

A list of labelled clips follows from the training clips' names, the share and the number of the draw alone: every row,
seed and machine gets the same lists, and a run stores them.
"""

from __future__ import annotations

import numpy as np
import torch

from skelbench.data import Clips
from skelbench.data.clips import IntArray
from skelbench.eval.protocols.frozen import Found, Frozen
from skelbench.training.penalised_probe import probe_with
from skelbench.training.task import top1

DRAWS = 10
# Too few clips to choose on: the penalty is fixed, chosen on NW-UCLA's training cameras (docs/protocol.md).
PENALTY = 30.0


def semi(frozen: Frozen, argument: str) -> Found:
    """The accuracy over ten lists."""
    drawn = labelled(frozen.clips, frozen.train, float(argument))
    train, label = frozen.train_representations, frozen.train_label
    test, test_label = frozen.test_representations, torch.from_numpy(frozen.test_label)
    accuracy = []
    for rows in drawn:
        layer = probe_with(PENALTY, train[rows], label[rows], frozen.clips.classes)
        with torch.inference_mode():
            accuracy.append(top1(layer(test), test_label))
    names = frozen.clips.names[frozen.train]
    fewest, most = min(map(len, drawn)), max(map(len, drawn))
    size = str(most) if fewest == most else f"{fewest} to {most}"
    return Found(
        draws=accuracy,
        lists=[names[rows].tolist() for rows in drawn],
        words=f"{len(drawn)} lists of {size} labelled clips, penalty {PENALTY:g}",
    )


def labelled(clips: Clips, train: IntArray, share: float, draws: int = DRAWS) -> list[IntArray]:
    """Places in `train` of the labelled clips of each draw: max(1, round(share * n)) of the n clips of a class."""
    names, label = clips.names[train], clips.label[train]
    by_name = np.argsort(names, kind="stable")
    found = []
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        chosen = []
        for number in np.unique(label):
            own = by_name[label[by_name] == number]
            chosen.append(rng.permutation(own)[: max(1, round(share * len(own)))])
        found.append(np.sort(np.concatenate(chosen)))
    return found
