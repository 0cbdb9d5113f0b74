"""The numbers that training depends on, with the report's values as defaults. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NodeLabel = Literal["position", "bone", "motion", "degree"]
TwoPerson = Literal["drop", "disjoint"]
Sampling = Literal["full", "conmlp60"]


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of one run. Defaults: the report (ConMLP's released command line)."""

    epochs: int = 5000  #: passes over the training clips
    batch_size: int = 512  #: clips in a batch; a contrastive batch holds two views of each
    lr: float = 0.001  #: SGD, cosine without restarts down to lr / 1000
    momentum: float = 0.9
    weight_decay: float = 0.0005
    temperature: float | None = None  #: tau; None: the loss's own default (0.07, TCL 0.1)
    k1: float = 5000.0  #: TCL's weight of hard positives
    k2: float = 1.0  #: TCL's weight of hard negatives
    sampling: Sampling = "full"
    per_clip_draws: bool = True  #: one shear and one coin per clip; False: per batch, as released
    probe_epochs: int = 100
    probe_batch_size: int = 256
    sequence_epochs: int = 150  #: of the graph family's classifiers
    sequence_batch_size: int = 256
    windows: int = 60  #: graphs of a clip, each of 5 consecutive frames
    node_label: NodeLabel = (
        "position"  #: what a node's label carries; "degree" is the control that leaves the pose out
    )
    bin_size: float = 1.0  #: edge of the bins of a label, in mean bone lengths (about 0.2 m)
    two_person: TwoPerson = "drop"  #: leave clips of two people out, or keep each person as a component
    transductive: bool = False  #: PV-DBOW also sees the test graphs (without their labels)
    probe_lr: float = 0.1  #: times 0.2 at 60, 75 and 90 % of the probe's epochs
