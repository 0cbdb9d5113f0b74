"""What a user waits for at each frame of a recording: class probabilities over a sliding window of the last frames."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.cases.case import Case, Contender, Problem, expect_close
from benchmarks.cases.clips import CLASSES, JOINTS
from benchmarks.peers.released import PaddedConMLP
from skelbench.data.clips import Clips
from skelbench.data.skeletons import NTU_25
from skelbench.models.conmlp import ConMLP, InputShape
from skelbench.training.built import BuiltFrom
from skelbench.training.dataset import PackedDataset
from skelbench.training.trained import Batch, Encoder

TOLERANCE = 1e-4


def make_conmlp(device: str, window: int) -> Problem:
    """ConMLP over the last `window` frames of one person, from joints to probabilities."""
    torch.manual_seed(0)
    shape = InputShape(window, 1, JOINTS, CLASSES)
    parts = OrderedDict(encoder=ConMLP(shape), classifier=nn.Linear(256, CLASSES))
    model = nn.Sequential(parts).eval()
    built = BuiltFrom(
        variant="conmlp",
        seed=0,
        encoder=None,
        shape={"length": window, "max_bodies": 1, "joints": JOINTS, "classes": CLASSES},
        joint_names=list(NTU_25.joint_names),
        class_names=[str(c) for c in range(CLASSES)],
        align="none",
        dataset="random",
        data_sha256="",
        settings={},
        version="",
        unit="metre",
    )

    def inputs(clips: Clips, on: torch.device) -> Batch:
        return PackedDataset(clips, on, shape).batch

    encoder = Encoder(model, inputs, built, torch.device(device))
    frames: NDArray[np.float32] = (
        np.random.default_rng(0).normal(size=(window, 1, JOINTS, 3)).astype(np.float32)
    )

    def run() -> NDArray[np.float64]:
        """The one prediction that is due when the last frame of the window has come in."""
        (probability,) = encoder.stream(frames, window, every=window)
        return probability

    def check() -> None:
        centred = frames - frames[0, 0, NTU_25.root]
        logits = _padded(model, shape, torch.from_numpy(centred).reshape(1, -1))
        expect_close(torch.from_numpy(run()), torch.softmax(logits, 1)[0], TOLERANCE, "probabilities")

    weights = 4.0 * sum(p.numel() for p in model.parameters())
    return Problem(None, Contender(run, check), 2.0 * weights / 4, weights, items=1, unit="predictions")


def _padded(model: nn.Sequential, shape: InputShape, rows: torch.Tensor) -> torch.Tensor:
    """Logits of padded rows by the same weights in plain torch, float64."""
    padded = nn.Sequential(OrderedDict(encoder=PaddedConMLP(shape), classifier=nn.Linear(256, CLASSES)))
    padded.load_state_dict(model.state_dict())
    with torch.no_grad():
        logits: torch.Tensor = padded.eval().double()(rows.double())
        return logits


CASES = (
    Case(
        "stream", "probabilities at each frame of a recording, a sliding window", make_conmlp,
        small=({"window": 8},), more=({"window": 64}, {"window": 300}),
    ),
)  # fmt: skip
