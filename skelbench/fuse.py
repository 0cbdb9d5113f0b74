"""`python -m skelbench.fuse RUN[:variant=weight] ...`: the weighted mean of several models' scores."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from skelbench.eval.statistics import ClipScores


@dataclass(frozen=True)
class Fuse:
    """Fuse the scores of finished runs: no training, a second or two.

    Members are fused seed by seed, over the seeds that all of them have, and the fusion is compared with its best
    member on the same clips. Weights that were chosen by looking at test scores make the result optimistic. Examples:

      python -m skelbench.fuse runs/joint:conmlp-supcon runs/bone:conmlp-supcon
      python -m skelbench.fuse runs/one:conmlp-supcon=0.6 runs/one:conmlp-recon=0.4 --out fused
      python -m skelbench.fuse runs/one
    """

    members: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN[:VARIANT[=WEIGHT]]")]
    """Output folders of skelbench.eval; without a variant, every trained variant of the run. The weight is 1
    where it is not given."""
    of: Literal["probabilities", "logits"] = "probabilities"
    """What is averaged. Logits of different models may differ in scale."""
    common: bool = False
    """Fuse on the clips that every member was tested on, and say how many that leaves out: graph variants do without
    the clips of two people. Without it, members with other test clips are refused."""
    out: Path | None = None
    """Folder for the fused scores, fused-seedS.npz (names, scores, label)."""


class FuseError(ValueError):
    """Members that cannot be fused; one line."""


@dataclass(frozen=True)
class Member:
    """One variant of one run."""

    run: Path
    variant: str
    weight: float

    @property
    def name(self) -> str:
        return f"{self.run}:{self.variant}"


def parse(words: Sequence[str]) -> list[Member]:
    """`RUN`, `RUN:variant` or `RUN:variant=weight` as members.

    Raises:
        FuseError: no run, no such variant, a weight that is no number above 0, or fewer than two members.
    """
    from skelbench.eval.results import Results
    from skelbench.variants import choose

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
                raise FuseError(f"{word}: the weight {number!r} is no number") from None
        if not weight > 0:
            raise FuseError(f"{word}: the weight is {weight:g}, it must be above 0")
        results = Results.load(run / "results.json")
        keys = list(dict.fromkeys(score.variant for score in results.scores))
        if variant and variant not in keys:
            raise FuseError(f"{word}: {run} has no {variant}; it has {', '.join(keys)}")
        controls = {row.key for row in choose(("control",))}
        members += [
            Member(run, key, weight)
            for key in ([variant] if variant else keys)
            if variant or key not in controls
        ]
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
        ValueError: scores that cannot be read.
    """
    import numpy as np
    import scipy.special

    from skelbench.eval.results import Results
    from skelbench.eval.statistics import ClipScores, load_scores

    seeds = set.intersection(
        *({score.seed for score in Results.load(m.run / "results.json").of(m.variant)} for m in members)
    )
    if not seeds:
        raise FuseError(f"no seed is common to {', '.join(member.name for member in members)}")
    fused, own, left_out = [], [list[ClipScores]() for _ in members], set[str]()
    for seed in sorted(seeds):
        loaded = [load_scores(member.run, member.variant, seed) for member in members]
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


@dataclass(frozen=True, eq=False)
class Fusion:
    """Scores by seed; `fused[s].logits` are mean probabilities or logits."""

    members: tuple[Member, ...]
    seeds: tuple[int, ...]
    fused: list[ClipScores]
    own: list[list[ClipScores]]  #: by member, then seed, on the clips of the fusion
    left_out: int  #: test clips that not all members have


def show(fusion: Fusion) -> None:
    """The table: every member and the fusion; whether the fusion beats its best member."""
    from rich.console import Console
    from rich.table import Table

    from skelbench.eval import report, statistics
    from skelbench.eval.html import p_words
    from skelbench.eval.metrics import wilson

    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, header_style="bold")
    for name in ("member", "weight", "top-1 %", "95 % interval"):
        table.add_column(name, justify="left" if name == "member" else "right", overflow="fold")
    rows = [(m.name, f"{m.weight:g}", scores) for m, scores in zip(fusion.members, fusion.own, strict=True)]
    for name, weight, runs in [*rows, ("fused", "", fusion.fused)]:
        intervals = [wilson(int(run.right.sum()), len(run.right)) for run in runs]
        low, high = (sum(interval[end] for interval in intervals) / len(intervals) for end in (0, 1))
        share = report.spread([float(run.right.mean()) for run in runs])
        table.add_row(name, weight, share, f"{100 * low:.1f}-{100 * high:.1f}")
    console.print(table)
    if fusion.left_out:
        console.print(
            f"on the {len(fusion.fused[0].names):,} test clips that all members have; {fusion.left_out:,} left out"
        )
    best = max(range(len(rows)), key=lambda place: sum(int(run.right.sum()) for run in fusion.own[place]))
    pair = statistics.compare("fused", fusion.fused, rows[best][0], fusion.own[best])
    low, high = (100 * end for end in pair.interval)
    console.print(
        f"fused minus {rows[best][0]}: {100 * pair.difference:+.1f} points ({low:+.1f} to {high:+.1f}), "
        f"{p_words(pair.p)}; seeds {', '.join(map(str, fusion.seeds))}",
        markup=False,
    )


def save(fusion: Fusion, folder: Path) -> None:
    """fused-seedS.npz for every seed."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    for seed, scores in zip(fusion.seeds, fusion.fused, strict=True):
        np.savez(
            folder / f"fused-seed{seed}.npz", names=scores.names, scores=scores.logits, label=scores.label
        )


def main() -> int:
    """The command line."""
    options = tyro.cli(Fuse, prog="python -m skelbench.fuse")
    try:
        fusion = fuse(parse(options.members), options.of, options.common)
        show(fusion)
        if options.out is not None:
            save(fusion, options.out)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
