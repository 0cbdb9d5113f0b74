"""The numbers that training depends on: one dataclass that is the command line's options, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from skelbench.options import Count, NotNegative, Positive, Share

NodeLabel = Literal["position", "bone", "motion", "hands", "feet", "degree"]
TwoPerson = Literal["drop", "disjoint"]
Sampling = Literal["full", "conmlp60"]
Embedding = Literal["op", "gensim"]
Preset = Literal["quick", "published"]
Predict = Literal["none", "clip", "hidden", "future"]
InputStream = Literal["joint", "bone", "motion"]


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of one run. The defaults are those of ConMLP's released command line and the NITAP report."""

    epochs: Count = 5000
    """Passes over the training clips."""
    batch_size: Annotated[int, Ge(2), Le(2**31 - 1)] = 512
    """Clips in a batch; two views of each are compared."""
    lr: Positive = 0.001
    """Rate of SGD at the start; it falls along a cosine to a thousandth."""
    momentum: Share = 0.9
    """Momentum of SGD."""
    weight_decay: NotNegative = 0.0005
    """Weight decay of SGD."""
    temperature: Positive | None = None
    """tau of the contrastive losses. Default: the loss's own, 0.07, TCL 0.1."""
    k1: NotNegative = 5000.0
    """TCL: weight of hard positives."""
    k2: NotNegative = 1.0
    """TCL: weight of hard negatives."""
    stream: InputStream | None = None
    """What a model is shown of a clip: joint positions, bones (each joint from its parent) or motion (each joint's way
    to the next frame). Default: the row's own, positions for ConMLP. `skelbench fuse` fuses runs on several streams."""
    sampling: Sampling = "full"
    """conmlp60 draws as the code released with ConMLP does: from the first few clips only, one per class in NTU's
    order. It shows what that sampler yields; it is no result."""
    per_clip_draws: bool = True
    """Draw one shear and one reversal per clip; without it one per batch, as the released code does."""
    probe_epochs: Count = 100
    """Epochs of the linear probe."""
    probe_batch_size: Count = 256
    """Clips in a batch of the linear probe."""
    probe_lr: Positive = 0.1
    """Rate of the linear probe; times 0.2 at 60, 75 and 90 % of its epochs."""
    sequence_epochs: Count = 150
    """Graph family: epochs of its classifiers."""
    sequence_batch_size: Count = 256
    """Graph family: clips in a batch."""
    sequence_lr: Positive | None = None
    """Graph family: rate of Adam. Default: the row's own, graph2vec 0.001, wl-bag-gru 0.003."""
    windows: Annotated[int, Ge(1), Le(10_000)] = 60
    """Graph family: graphs of a clip, each of 5 consecutive frames, spread evenly over the clip's own frames."""
    node_label: NodeLabel = "position"
    """graph2vec: what a node's label carries beside its joint. degree leaves the pose out: a control at chance."""
    bin_size: Positive = 1.0
    """graph2vec: bins of the node labels, in mean bone lengths (about 0.2 m)."""
    embedding: Embedding = "op"
    """graph2vec: what trains PV-DBOW, the project's own op or its peer, gensim with one worker. On validation parts
    both are equally accurate within a standard error; the op takes a tenth of the time."""
    vocabulary: Count = 1_000_000
    """graph2vec: subtrees kept at most, the most frequent of those that occur 5 times. A million are 512 MB of table;
    what is left out is counted and reported."""
    stream_epochs: Count | None = None
    """Families reference and modern, on resampled clips: epochs. Default: the row's own."""
    stream_batch_size: Count | None = None
    """Families reference and modern: clips in a batch. Default: the row's own."""
    stream_lr: Positive | None = None
    """Families reference and modern: highest rate. Default: the row's own."""
    stream_frames: Count | None = None
    """Families reference and modern: frames that every clip is resampled to. Default: the row's own."""
    stream_strength: Positive | None = None
    """Families reference and modern: how far training views depart from their clips, as a factor on the row's own
    rotations, crops, noise and so on. Default: 1."""
    stream_predict: Predict | None = None
    """Contrastive rows of the family modern: what a decoder beside the head predicts: none; the clip before its view
    was made; its hidden joints; or future displacements. Default: the row's own."""
    two_person: TwoPerson = "drop"
    """Graph family: leave clips of several people out, counted, or keep each person as a component."""
    transductive: bool = False
    """graph2vec: also train the embedding on the test graphs (never on their labels)."""

    @staticmethod
    def preset(name: Preset, **changes: Any) -> Settings:
        """A preset with some values changed: `Settings.preset("quick", epochs=20)`."""
        return replace(PRESETS[name], **changes)


# quick: chosen on validation parts of training clips (NW-UCLA's camera 2, HDM05's subjects in turn), never on test.
PRESETS: dict[Preset, Settings] = {
    "quick": Settings(
        epochs=200, batch_size=64, lr=0.003, sequence_epochs=30, sequence_batch_size=64, windows=20
    ),
    "published": Settings(),
}
