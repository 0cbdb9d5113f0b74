"""The trainings of a run: each variant with each seed, on the split or on each fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skelbench.data import Split
from skelbench.eval.config import Config
from skelbench.eval.resume import Trained
from skelbench.runs.results import Results
from skelbench.training.variant import Variant


@dataclass(frozen=True)
class Job:
    """One training: a variant with a seed, on a split or a fold."""

    variant: Variant
    seed: int
    split: Split

    @property
    def name(self) -> Trained:
        """What tells it from the others of a run."""
        return self.variant.key, self.seed, self.split.fold


def jobs_of(config: Config, variants: Sequence[Variant], splits: Sequence[Split]) -> list[Job]:
    """The trainings of the share that `--shard` names."""
    jobs = [Job(variant, seed, split) for variant in variants for seed in config.seeds for split in splits]
    place, shares = config.share()
    return jobs[place::shares]


def lacking_in(results: Results, jobs: Sequence[Job]) -> list[Job]:
    """The trainings that have no score yet."""
    done = {(score.variant, score.seed, score.fold) for score in results.scores}
    return [job for job in jobs if job.name not in done]
