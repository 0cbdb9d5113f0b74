"""A linear probe whose only hyper-parameter is chosen on the training clips: softmax regression with an L2 penalty.

Folds hold out what the test split holds out, so that what is chosen serves there: cameras where no test clip shares one
with the training clips, else subjects likewise, else clips. The penalty with the best mean accuracy over the folds is
fitted to all training clips. The problem is convex and solved to its minimum: there is no rate, no epoch and no seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelbench.data.clips import Clips, IntArray

# Of half the squared weights, beside the sum of the cross-entropies; strongest first. Beside the sum, and not the mean,
# a penalty means the same for the folds, which have fewer clips, as for all training clips. How this form was chosen,
# and on which clips: docs/protocol.md.
PENALTIES = (1000.0, 300.0, 100.0, 30.0, 10.0, 3.0)
FOLDS = 5
STEPS = 200


@dataclass(frozen=True)
class Chosen:
    """A fitted probe."""

    layer: nn.Linear
    """Takes representations as they are: standardising is folded in."""
    penalty: float
    accuracy: dict[float, float]
    """Mean top-1 over the folds, by penalty."""
    folds: str
    """What the folds hold out, in words."""


def penalised_probe(
    train: Tensor, label: Tensor, classes: int, folds: Sequence[Tensor], rule: str = ""
) -> Chosen:
    """Choose the penalty on `folds` and fit all rows.

    Args:
        train: float32 (n, width), representations of the training clips.
        label: int64 (n,).
        classes: columns of the logits.
        folds: bool (n,) each, True for the clips that it holds out.
        rule: what the folds hold out.
    """
    hits = dict.fromkeys(PENALTIES, 0.0)
    for held in folds:
        fitted = _path(train[~held], label[~held], classes, PENALTIES)
        for penalty, layer in fitted:
            hits[penalty] += float((layer(train[held]).argmax(1) == label[held]).float().mean())
    # Among equals, the strongest penalty.
    best = max(PENALTIES, key=lambda penalty: hits[penalty])
    layer = probe_with(best, train, label, classes)
    return Chosen(layer, best, {penalty: sum_ / len(folds) for penalty, sum_ in hits.items()}, rule)


def probe_with(penalty: float, train: Tensor, label: Tensor, classes: int) -> nn.Linear:
    """The probe with a penalty that is given: float32 (n, width) and int64 (n,) to a layer."""
    return _path(train, label, classes, [known for known in PENALTIES if known > penalty] + [penalty])[-1][1]


def folds_like_test(clips: Clips, train: IntArray, test: IntArray, seed: int = 0) -> tuple[list[Tensor], str]:
    """Masks bool (n_train,) of what each fold holds out, and the rule in words."""
    for what in ("camera", "subject"):
        own, other = getattr(clips, what)[train], getattr(clips, what)[test]
        known = np.unique(own)
        if len(known) >= 2 and known.min() > 0 and not np.isin(known, other).any():
            groups = np.array_split(known, min(FOLDS, len(known)))
            return [torch.from_numpy(np.isin(own, group)) for group in groups], f"{what}s"
    order = np.random.default_rng(seed).permutation(len(train))
    masks = []
    for part in np.array_split(order, min(FOLDS, len(train))):
        mask = torch.zeros(len(train), dtype=torch.bool)
        mask[torch.from_numpy(part)] = True
        masks.append(mask)
    return masks, "clips at random"


def _path(
    rows: Tensor, label: Tensor, classes: int, penalties: Sequence[float]
) -> list[tuple[float, nn.Linear]]:
    """A fitted layer for every penalty, strongest first, each begun where the stronger one ended."""
    mean, deviation = rows.mean(0), rows.std(0, correction=0)
    # A column that does not vary but for rounding says nothing: it gets no weight.
    deviation = torch.where(deviation > 1e-5 * mean.abs(), deviation, torch.inf)
    standard = (rows - mean) / deviation
    basis = None
    if standard.shape[1] > len(standard):
        # The weights lie in the span of the rows: the same problem in as many columns as there are rows.
        standard, basis = _reduced(standard)
    weight = torch.zeros(classes, standard.shape[1], device=rows.device, requires_grad=True)
    bias = torch.zeros(classes, device=rows.device, requires_grad=True)
    fitted = []
    for penalty in penalties:
        _minimise(standard, label, weight, bias, penalty / len(rows))
        with torch.no_grad():
            full = weight if basis is None else weight @ basis
            layer = nn.Linear(rows.shape[1], classes, device=rows.device)
            layer.weight.copy_(full / deviation)
            layer.bias.copy_(bias - layer.weight @ mean)
        fitted.append((penalty, layer))
    return fitted


def _reduced(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n, d), n < d, as (n, n) coordinates in an orthonormal basis (n, d)."""
    basis, triangle = torch.linalg.qr(rows.mT)
    return triangle.mT, basis.mT


def _minimise(rows: Tensor, label: Tensor, weight: Tensor, bias: Tensor, penalty: float) -> None:
    """Minimise the mean cross-entropy and `penalty` times half the squared weights."""
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=STEPS, tolerance_grad=1e-5, history_size=20, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(rows @ weight.mT + bias, label) + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
