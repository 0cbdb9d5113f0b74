"""`--init RUN:VARIANT`: which stored weights a training starts from, and what a reader has to know of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skelbench.data import Clips, Split
from skelbench.eval.config import Config, ConfigError
from skelbench.runs.folder import RunFolder, fold_slug
from skelbench.runs.results import Results
from skelbench.training.initial import InitError, Initial
from skelbench.training.settings import Settings
from skelbench.training.variant import Variant, name_of


class Source:
    """The run and the variant that `--init` names."""

    def __init__(self, word: str) -> None:
        """Find the run.

        Args:
            word: `RUN:VARIANT`.

        Raises:
            ConfigError: the word is of another form, or the run has no weights of such a variant.
            RunError: no run, or one that cannot be read.
        """
        run, _, self.variant = word.rpartition(":")
        if not run or not self.variant:
            raise ConfigError(
                f"--init is {word!r}: it must be RUN:VARIANT, runs/one:conmlp-supcon for instance"
            )
        self.word = word
        self.folder = RunFolder(Path(run))
        self.results: Results = self.folder.load()
        scored = {(score.variant, score.seed, fold_slug(score.fold)) for score in self.results.scores}
        found = [job for job in self.folder.weights_found() if job in scored]
        self._jobs = [(seed, fold) for key, seed, fold in found if key == self.variant]
        if not self._jobs:
            have = ", ".join(dict.fromkeys(key for key, _, _ in found)) or "none"
            raise ConfigError(f"--init {word}: {run} has no weights of {self.variant}; it has {have}")

    def initial(self, seed: int, fold: str) -> Initial:
        """The weights for a training: of the same seed where the run has it, else of its smallest; of the same fold.

        Raises:
            ConfigError: the run was cross-validated, and has no such fold.
            WeightsError: the file cannot be read.
        """
        return self._read(*self.job(seed, fold))

    def any(self) -> Initial:
        """One of the weights; those of other seeds and folds have the same shape."""
        seed, fold = self._jobs[0]
        return self._read(seed, fold)

    def _read(self, seed: int, fold: str) -> Initial:
        path = self.folder.weights(self.variant, seed, fold)
        try:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"--init {self.word}: {path} cannot be read: {error.strerror}") from error
        return Initial.of(path, f"{self.word}, seed {seed}", sha256)

    def job(self, seed: int, fold: str) -> tuple[int, str]:
        """Seed and fold of the weights that a training starts from.

        Raises:
            ConfigError: the run was cross-validated, and has no such fold.
        """
        slug = fold_slug(fold)
        fitting = [job for job in self._jobs if job[1] in ("", slug)]
        if not fitting:
            have = ", ".join(dict.fromkeys(fold for _, fold in self._jobs))
            raise ConfigError(
                f"--init {self.word}: its weights are those of the folds {have}, whose test clips this split trains "
                "on or tests: name a run with one split"
            )
        return min(fitting, key=lambda job: (job[1] != slug, job[0] != seed, job[0]))

    def caveat(self, clips: Clips, split: Split, seed: int) -> str:
        """Where the weights come from, and whether they may have seen the test clips."""
        info = self.results.info
        line = f"started from {self.word} ({info.dataset}, {info.protocol})"
        if info.dataset != clips.dataset:
            return line
        own, fold = self.job(seed, split.fold)
        score = next(
            score
            for score in self.results.of(self.variant)
            if (score.seed, fold_slug(score.fold)) == (own, fold)
        )
        tested = self.folder.load_scores(score).names
        seen = int((~np.isin(clips.names[split.test], tested)).sum())
        if not seen:
            return line
        return (
            f"{line}, which tested other clips: it may have been trained on {seen:,} of the {len(split.test):,} test "
            "clips, and the accuracy be too high"
        )


def source_of(
    config: Config, variants: Sequence[Variant], clips: Clips, splits: Sequence[Split]
) -> Source | None:
    """The source of `--init`, held against every row that is trained; controls start as they are.

    Raises:
        ConfigError: see `Source`; no row is trained; or the source was cross-validated in other folds.
        InitError: a row that cannot start from it.
    """
    if config.init is None:
        return None
    source = Source(config.init)
    for split in splits:
        source.job(config.seeds[0], split.fold)
    trained = [row for row in variants if row.group != "control"]
    if not trained:
        raise ConfigError(f"--init {config.init}: none of the variants is trained, all are controls")
    first = source.any()
    for row in trained:
        require_fit(first, row, clips, config.align, config.settings)
    return source


def require_fit(initial: Initial, variant: Variant, clips: Clips, align: str, settings: Settings) -> None:
    """Hold stored weights against a row and its clips, before anything is trained.

    Raises:
        InitError: another encoder, or clips that it does not take; the message names what differs.
    """
    built, who = initial.built, f"--init {initial.name}"
    if variant.encoder is None:
        raise InitError(f"{who}: {variant.key} has no encoder that could start from it: leave it out")
    if built.encoder != name_of(variant.encoder):
        raise InitError(
            f"{who}: its encoder is {built.encoder}, that of {variant.key} is {name_of(variant.encoder)}"
        )
    names, own = tuple(built.joint_names), clips.skeleton.joint_names
    if len(names) != len(own):
        raise InitError(f"{who}: trained on {len(names)} joints, the clips have {len(own)}")
    if names != own:
        place = next(j for j in range(len(own)) if names[j] != own[j])
        raise InitError(f"{who}: joint {place} is {names[place]!r} there, and {own[place]!r} in these clips")
    if built.unit and clips.unit not in ("unknown", built.unit):
        raise InitError(
            f"{who}: trained on coordinates in {built.unit}, these are in {clips.unit}: convert them"
        )
    if built.align != align:
        raise InitError(
            f"{who}: trained with --align {built.align}, this run has --align {align}: choose the same"
        )
    before, now = Settings(**built.settings), settings
    for option in ("stream", "stream_frames"):
        one, other = getattr(before, option), getattr(now, option)
        if one != other and (variant.plan is not None or option == "stream"):
            flag = option.replace("_", "-")
            raise InitError(f"{who}: trained with --{flag} {one}, this run has {other}: choose the same")
    most, bodies = built.shape["length"], built.shape["max_bodies"]
    if variant.plan is None and clips.length > most:
        raise InitError(
            f"{who}: takes clips of at most {most} frames, these have up to {clips.length}: --length {most}"
        )
    if clips.max_bodies > bodies:
        raise InitError(f"{who}: takes clips of at most {bodies} bodies, these have up to {clips.max_bodies}")
