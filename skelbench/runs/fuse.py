"""Fusing finished runs: the weighted mean of several models' scores, clip by clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.special

from skelbench.errors import SkelbenchError
from skelbench.runs.files import replacing
from skelbench.runs.folder import RunFolder
from skelbench.runs.significance import ClipScores, Comparison, compare


class FuseError(SkelbenchError):
    """Members that cannot be fused; one line."""


@dataclass(frozen=True)
class Member:
    """One variant of one run."""

    run: Path
    variant: str
    weight: float

    @property
    def name(self) -> str:
        """`RUN:variant`."""
        return f"{self.run}:{self.variant}"


@dataclass(frozen=True, eq=False)
class Fusion:
    """Scores by seed; `fused[s].logits` are mean probabilities or logits."""

    members: tuple[Member, ...]
    seeds: tuple[int, ...]
    fused: list[ClipScores]
    own: list[list[ClipScores]]
    """By member, then seed, on the clips of the fusion."""
    left_out: int
    """Test clips that not all members have."""

    @property
    def best_member(self) -> int:
        """Index of the member with the most clips right over its seeds."""
        right = [sum(int(scores.right.sum()) for scores in runs) for runs in self.own]
        return right.index(max(right))

    def against_best(self) -> Comparison:
        """The fusion against its best member, clip by clip."""
        best = self.best_member
        return compare("fused", self.fused, self.members[best].name, self.own[best])


def parse(words: Sequence[str]) -> list[Member]:
    """`RUN`, `RUN:variant` or `RUN:variant=weight` as members.

    Raises:
        FuseError: no run, no such variant, a weight that is no number above 0, or fewer than two members.
    """
    members = []
    for word in words:
        run, variant, weight = Path(word), "", 1.0
        if not run.exists():
            front, _, back = word.rpartition(":")
            variant, _, number = back.partition("=")
            run = Path(front)
            try:
                weight = float(number) if number else 1.0
            except ValueError:
                raise FuseError(f"{word}: the weight {number!r} is not a number") from None
        if not weight > 0:
            raise FuseError(f"{word}: the weight is {weight:g}, it must be above 0")
        results = RunFolder(run).load()
        keys = [row.key for row, _ in results.rows()]
        if variant and variant not in keys:
            raise FuseError(f"{word}: {run} has no {variant}; it has {', '.join(keys)}")
        trained = [row.key for row, _ in results.rows() if row.group != "control"]
        members += [Member(run, key, weight) for key in ([variant] if variant else trained)]
    if len(members) < 2:
        raise FuseError("fusing needs two members or more")
    return members


def fuse(
    members: Sequence[Member],
    of: Literal["probabilities", "logits"] = "probabilities",
    common: bool = False,
) -> Fusion:
    """Fused scores by seed, with every member's own; `common`: on the clips that all members were tested on.

    Raises:
        FuseError: no seed is common to all, the classes differ, the test clips differ (with `common`: none is
            common to all), or a clip has different labels.
        RunError: scores that cannot be read.
    """
    pools = []
    for member in members:
        folder = RunFolder(member.run)
        pools.append(folder.load_pooled(folder.load().of(member.variant)))
    seeds = set.intersection(*(set(pool) for pool in pools))
    if not seeds:
        raise FuseError(f"no seed is common to {', '.join(member.name for member in members)}")
    fused, own, left_out = [], [list[ClipScores]() for _ in members], set[str]()
    for seed in sorted(seeds):
        loaded = [pool[seed] for pool in pools]
        every = set.union(*(set(scores.names) for scores in loaded))
        kept = np.array(sorted(set.intersection(*(set(scores.names) for scores in loaded))))
        left_out |= every - set(kept)
        total, first = None, None
        for place, (member, scores) in enumerate(zip(members, loaded, strict=True)):
            if len(kept) < (1 if common else len(every)):
                hint = "none is common to all" if common else "--common fuses on those that all have"
                other = next(
                    (m for m, s in zip(members, loaded, strict=True) if len(s.names) < len(every)), member
                )
                raise FuseError(f"{other.name} was tested on other clips than the rest: {hint}")
            order = np.argsort(scores.names)
            order = order[np.isin(scores.names[order], kept)]
            scores = ClipScores(scores.names[order], scores.logits[order], scores.label[order])
            first = first or scores
            if scores.logits.shape != first.logits.shape or not np.array_equal(scores.label, first.label):
                raise FuseError(f"{member.name} was tested on other classes or labels than {members[0].name}")
            own[place].append(scores)
            part = scores.logits.astype(np.float64)
            part = member.weight * (scipy.special.softmax(part, axis=1) if of == "probabilities" else part)
            total = part if total is None else total + part
        assert first is not None
        assert total is not None
        mean = total / sum(member.weight for member in members)
        fused.append(ClipScores(first.names, mean.astype(np.float32), first.label))
    return Fusion(tuple(members), tuple(sorted(seeds)), fused, own, len(left_out))


def save(fusion: Fusion, folder: Path) -> None:
    """Write fused-seedS.npz (names, scores, label) for every seed.

    Raises:
        FileError: a file cannot be written.
    """
    for seed, scores in zip(fusion.seeds, fusion.fused, strict=True):
        with replacing(folder / f"fused-seed{seed}.npz") as partial, open(partial, "wb") as file:
            np.savez(file, names=scores.names, scores=scores.logits, label=scores.label)
