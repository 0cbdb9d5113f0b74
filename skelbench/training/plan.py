"""How a row on resampled clips is trained: its streams, its views and its optimizer. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

Stream = Literal["position", "joint", "bone", "motion", "invariant"]


@dataclass(frozen=True)
class Augmentation:
    """How far a training view departs from its clip. Every draw is uniform, one per clip, unless said otherwise.

    Angles are in radians, lengths in mean bone lengths of the training clips (about 0.2 m for a person).
    """

    crop: float = 1.0
    """A view shows between this share of the clip and all of it, resampled to the row's frames."""
    warp: float = 0.0
    """Times t in [0, 1] become t ** exp(u), |u| up to this: the clip starts slow or ends slow."""
    stagger: float = 0.0
    """Every sampled time moves by up to this share of half the sampling interval; the order stays."""
    tilt: float = 0.0
    """Rotation about each horizontal axis, up to this angle."""
    yaw: float = 0.0
    """Rotation about the vertical, up to this angle."""
    shear: float = 0.0
    """Off-diagonal numbers of the linear map, up to this."""
    stretch: float = 0.0
    """Each axis is scaled by 1 +- up to this."""
    limb: float = 0.0
    """Each bone is scaled by 1 +- up to this, left as right."""
    mirror: float = 0.0
    """Probability that left and right change places."""
    noise: float = 0.0
    """Normal noise per coordinate with a deviation up to this (0.05 is about 1 cm)."""
    drop: float = 0.0
    """Joints lie at their body's root throughout, each with a probability up to this."""
    axis: float = 0.0
    """Probability that one axis is set to zero."""

    def scaled(self, factor: float) -> Augmentation:
        """Views that depart `factor` times as far; shares and probabilities stay below 1, a mirror is no distance."""
        shares = {
            name: min(0.9, factor * getattr(self, name))
            for name in ("stagger", "stretch", "limb", "drop", "axis")
        }
        lengths = {name: factor * getattr(self, name) for name in ("warp", "tilt", "yaw", "shear", "noise")}
        return replace(self, crop=max(0.1, 1 - factor * (1 - self.crop)), **shares, **lengths)


@dataclass(frozen=True)
class Plan:
    """Inputs and hyper-parameters of one row. `--stream-epochs`, `--stream-lr`, `--stream-batch-size` replace its own.

    AdamW decays matrices alone; the rate rises over the first tenth of the steps and falls along a half cosine.
    """

    streams: tuple[Stream, ...]
    """Channels of the input, in this order."""
    frames: int
    """Every clip is resampled to so many frames."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    epochs: int = 100
    batch_size: int = 32
    lr: float = 0.002
    weight_decay: float = 0.05
    clip_norm: float = 2.0
    """Gradients are scaled down to this norm."""
    label_smoothing: float = 0.1
    mixup: float = 0.0
    """Half of the batches mix pairs of clips, by a share from Beta(mixup, mixup); 0: none (Zhang et al. 2018)."""
    average: float = 0.0
    """Decay per step of the running mean of the weights that the finished model has; 0: the last weights."""
    views: int = 2
    """Contrastive rows: views of each clip in a batch."""
    across_cameras: bool = False
    """Contrastive rows: the views of a clip may show its performance from other cameras of the training clips."""
    dropout: float | None = None
    """Contrastive rows: of the encoder while it is trained on views; None: its own."""
    temperature: float | None = None
    """Contrastive rows: tau where `--temperature` is not given; None: the loss's own."""
    projection: tuple[int, int] = (256, 128)
    """Contrastive rows: hidden and output width of the head, Linear, BatchNorm, ReLU, Linear."""
    predict: Literal["none", "clip", "hidden", "future"] = "none"
    """A decoder beside the head reconstructs the clip before augmentation (`clip`), with half of the joints hidden
    (`hidden`), or its displacements 1, 5 and 10 frames ahead (`future`)."""
    predict_weight: float = 1.0
    """Weight of the decoder's loss beside the contrastive one."""
