"""What a user runs: class scores of one clip (latency) and of a batch (throughput), for each kind of model.

All ConMLP variants end in the same classifier. The graph models get their vectors or node labels ready made.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.cases.case import Case, Contender, Problem, expect_close
from benchmarks.cases.clips import BODIES, CLASSES, JOINTS, LENGTH, ntu_like, rows_in
from benchmarks.cases.graphs import EDGES, NODES, zipf_labels
from benchmarks.peers.released import PaddedConMLP
from skelbench.models.conmlp import ConMLP, InputShape
from skelbench.models.ragged_input import RaggedInput
from skelbench.models.recurrent import SequenceClassifier
from skelbench.models.wl_bag import WLBagGRU
from skelbench.ops import RaggedClips, pad

SHAPE = InputShape(LENGTH, BODIES, JOINTS, CLASSES)
# Graphs of a clip.
WINDOWS = 30
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Inputs:
    """A classifier, its clips and its expected logits."""

    module: nn.Module
    clips: RaggedClips
    logits: Tensor
    """Expected logits in float64, by padded torch."""


def _scores(module: nn.Module, batch: Any) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.inference_mode():
            scores: Tensor = module(batch)
            return scores

    return run


def _problem(inputs: Any, module: nn.Module, batch: Any, logits: Tensor, flops: float) -> Problem:
    run = _scores(module, batch)
    weights = sum(p.numel() for p in module.parameters()) * 4.0
    ours = Contender(run, lambda: expect_close(run(), logits, TOLERANCE, "logits"))
    return Problem(inputs, ours, flops, weights, items=len(logits), unit="clips")


# ---- ConMLP, and the linear control ----


def _wide(module: nn.Module, rows: Tensor) -> Tensor:
    """Logits of padded rows by a float64 copy of the module."""
    with torch.inference_mode():
        logits: Tensor = copy.deepcopy(module).double()(rows.double())
        return logits


def _padded(module: nn.Module) -> nn.Module:
    """The same classifier over padded rows."""
    if isinstance(module, RaggedInput):
        layer = nn.Linear(module.in_features, module.out_features)
        layer.load_state_dict(module.state_dict())
        return layer.to(module.weight.device).eval()
    padded = nn.Sequential(OrderedDict(encoder=PaddedConMLP(SHAPE), classifier=nn.Linear(256, CLASSES)))
    padded.load_state_dict(module.state_dict())
    return padded.eval().to(next(module.parameters()).device)


def make_conmlp(device: str, model: str, batch: int) -> Problem:
    """ConMLP with its classifier, or the linear control, on clips of NTU's lengths."""
    torch.manual_seed(0)
    module: nn.Module
    if model == "conmlp":
        module = nn.Sequential(OrderedDict(encoder=ConMLP(SHAPE), classifier=nn.Linear(256, CLASSES)))
    else:
        module = RaggedInput(SHAPE.features, CLASSES)
    module.eval().to(device)
    clips = ntu_like(batch, device)
    x = Inputs(module, clips, _wide(_padded(module), pad(clips)))
    first = next(p for p in module.parameters() if p.dim() == 2)
    flops = 2.0 * rows_in(clips) * JOINTS * 3 * len(first)
    # A clip of the linear layers meets only the weights of its own frames.
    problem = _problem(x, module, clips, x.logits, flops)
    used = 4.0 * first.numel() * float(clips.frames.max() * clips.bodies.max()) / (LENGTH * BODIES)
    return Problem(x, problem.ours, flops, used, items=batch, unit="clips")


def padded(x: Inputs) -> Contender:
    """The same classifier over padded rows in plain torch."""
    run = _scores(_padded(x.module), pad(x.clips))
    return Contender(
        run, lambda: expect_close(run(), x.logits, TOLERANCE, "padded logits"), packages=("torch",)
    )


# ---- the graph models ----


def make_recurrent(device: str, model: str, batch: int) -> Problem:
    """An LSTM or a GRU on sequences of graph vectors."""
    torch.manual_seed(0)
    module = SequenceClassifier(CLASSES, cast(Any, model)).eval().to(device)
    sequence = torch.randn(batch, WINDOWS, 128).to(device)
    flops = 2.0 * batch * WINDOWS * sum(p.numel() for p in module.recurrent.parameters())
    return _problem(None, module, sequence, _wide(module, sequence), flops)


def make_wl_bag(device: str, model: str, batch: int) -> Problem:
    """The end-to-end graph model on node labels."""
    torch.manual_seed(0)
    module = WLBagGRU(EDGES, NODES, CLASSES).eval().to(device)
    labels = zipf_labels(batch * WINDOWS).view(batch, WINDOWS, 1, NODES).to(device)
    with torch.inference_mode():
        # The same sums from a one-row-at-a-time lookup, without embedding_bag.
        wide = copy.deepcopy(module).double()
        rows = wide.rows(labels)
        weight = wide.known[rows] * wide.scale * wide.depth_weight.flatten().repeat_interleave(NODES)
        bags = (F.embedding(rows, wide.embedding) * weight[..., None]).sum(1)
        states, _ = wide.recurrent(wide.norm(bags).view(batch, WINDOWS, -1))
        logits = wide.linear(states.mean(1))
    flops = 2.0 * batch * WINDOWS * sum(p.numel() for p in module.recurrent.parameters())
    # Rows of the table that the tokens name, once each, and the recurrent weights.
    problem = _problem(None, module, labels, logits, flops)
    touched = 4.0 * torch.unique(rows).numel() * module.embedding.shape[1]
    return Problem(None, problem.ours, flops, touched, items=batch, unit="clips")


def _both(model: str) -> tuple[dict[str, Any], ...]:
    return ({"model": model, "batch": 1}, {"model": model, "batch": 512})


def _small(*models: str) -> tuple[dict[str, Any], ...]:
    return tuple({"model": model, "batch": 4} for model in models)


_BOTH = ("cpu", "cuda")
CASES = (
    Case(
        "inference", "class scores, clips of NTU's lengths", make_conmlp,
        small=_small("conmlp", "linear"), default=_both("conmlp")[:1], more=_both("conmlp")[1:] + _both("linear"),
        peers={"padded torch": padded}, devices=_BOTH,
    ),
    Case(
        "inference", f"class scores, sequences of {WINDOWS} graph vectors", make_recurrent,
        small=_small("lstm", "gru"), more=_both("lstm") + _both("gru"), devices=_BOTH,
    ),
    Case(
        "inference", f"class scores, node labels of {WINDOWS} graphs", make_wl_bag,
        small=_small("wl_bag"), more=_both("wl_bag"), devices=_BOTH,
    ),
)  # fmt: skip
