"""What further protocols found of a trained variant: the schema of the part of results.json that holds it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Point:
    """One point of a curve over growing perturbations of the test clips."""

    what: str
    """The perturbation."""
    amount: float
    """How much of it, in the unit that `what` names."""
    correct: int
    """Test clips."""


@dataclass
class Evaluation:
    """One protocol on one variant with one seed, on the whole test split; shares are between 0 and 1."""

    variant: str
    seed: int
    protocol: str
    """As `--evaluate` names it: `knn`, `semi:0.1`, ..."""
    top1: float
    """Of several draws, their mean."""
    n_test: int
    fold: str = ""
    correct: int | None = None
    """None where `top1` is a mean over draws."""
    scores_sha256: str = ""
    """Of the stored test logits; "" where none are stored."""
    draws: list[float] = field(default_factory=list)
    """Top-1 of each list of labelled clips."""
    lists: str = ""
    """Key of these lists in `Results.lists`."""
    points: list[Point] = field(default_factory=list)
    words: str = ""
    """What was chosen and how, for the page."""
