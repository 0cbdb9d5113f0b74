"""`robust`: the trained classifier on perturbed test clips; it was trained on clips as they are."""

from __future__ import annotations

from skelbench.eval.protocols.frozen import Found, Frozen
from skelbench.eval.protocols.perturb import PERTURBATIONS, Body, perturbed
from skelbench.runs.evaluations import Point


def robust(frozen: Frozen, argument: str) -> Found:
    """Test clips that are right after each perturbation; a perturbed clip is moved and aligned as any new one is."""
    test = frozen.clips.select(frozen.test)
    body = Body.of(frozen.clips, frozen.train)
    points = []
    for kind in PERTURBATIONS:
        if kind.what == "limbs lost" and len(body.limbs) < max(kind.amounts):
            continue
        for amount in kind.amounts:
            logits = frozen.encoder.classify(perturbed(test, kind, amount, body))
            points.append(Point(kind.what, amount, int((logits.argmax(1) == frozen.test_label).sum())))
    return Found(frozen.encoder.classify(test), points=points)
