"""The folder of a run: the one place that knows which file lies where.

RUN/
  report.html  report.md  results.json  config.yaml
  scores/VARIANT-seedS.npz              logits of every test clip
  weights/VARIANT-seedS.safetensors     the trained classifier
  samples/VARIANT-seedS.json            the map and the failures that a page shows
  representations/VARIANT-seedS.npz     on request
  evaluations/PROTOCOL/VARIANT-seedS.npz  logits of a protocol of --evaluate
  checkpoints/VARIANT-seedS.safetensors while a training lasts
  embeddings/                           while a run lasts
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelbench.runs.evaluations import Evaluation
from skelbench.runs.files import FileError, locked, reason, replacing
from skelbench.runs.results import Results, RunError, Score
from skelbench.runs.significance import ClipScores, pooled, score_hash

_STEM = re.compile(r"(?P<variant>.+)-seed(?P<seed>\d+)(-fold-(?P<fold>.+))?")
# Runs of version 0.1.0 called it so.
_OLD_SAMPLES = "exhibits"


@dataclass(frozen=True)
class RunFolder:
    """A run on disk. Nothing is read or made until a method says so."""

    path: Path

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> RunFolder:
        """The folder at `path`."""
        return cls(Path(path))

    @property
    def results(self) -> Path:
        """What the run found, `skelbench.runs.results.Results`."""
        return self.path / "results.json"

    @property
    def config(self) -> Path:
        """The configuration, as `skelbench eval --config` takes it."""
        return self.path / "config.yaml"

    @property
    def page(self) -> Path:
        """The run as a page."""
        return self.path / "report.html"

    @property
    def markdown(self) -> Path:
        """The run as Markdown."""
        return self.path / "report.md"

    @property
    def embeddings(self) -> Path:
        """Embeddings of the graph family, by content; they go when the run ends."""
        return self.path / "embeddings"

    def scores(self, variant: str, seed: int, fold: str = "") -> Path:
        """Logits of the test clips."""
        return self.path / "scores" / f"{job_name(variant, seed, fold)}.npz"

    def weights(self, variant: str, seed: int, fold: str = "") -> Path:
        """The trained classifier."""
        return self.path / "weights" / f"{job_name(variant, seed, fold)}.safetensors"

    def representations(self, variant: str, seed: int, fold: str = "") -> Path:
        """Representations of the test clips."""
        return self.path / "representations" / f"{job_name(variant, seed, fold)}.npz"

    def evaluation(self, protocol: str, variant: str, seed: int, fold: str = "") -> Path:
        """Test logits that a protocol of `--evaluate` found."""
        slug = "".join(letter if letter.isalnum() or letter == "." else "-" for letter in protocol)
        return self.path / "evaluations" / slug / f"{job_name(variant, seed, fold)}.npz"

    def checkpoint(self, variant: str, seed: int, fold: str = "") -> Path:
        """Where a training that was stopped goes on."""
        return self.path / "checkpoints" / f"{job_name(variant, seed, fold)}.safetensors"

    def samples(self, variant: str, seed: int, fold: str = "") -> Path:
        """The map of the representations and the failures."""
        name = f"{job_name(variant, seed, fold)}.json"
        old = self.path / _OLD_SAMPLES / name
        return old if old.exists() else self.path / "samples" / name

    def link(self, path: Path) -> str:
        """`path` as a page in this folder refers to it."""
        return path.relative_to(self.path).as_posix()

    def exists(self) -> bool:
        """Whether a run was begun here."""
        return self.results.exists()

    def make(self) -> None:
        """Make the folder.

        Raises:
            FileError: it cannot be made or written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{self.path} cannot be made: {reason(error, self.path)}") from error
        if not os.access(self.path, os.W_OK):
            raise FileError(f"{self.path} may not be written to")

    def load(self) -> Results:
        """What the run found.

        Raises:
            RunError: there is no run, or its results cannot be read.
        """
        if not self.results.exists():
            raise RunError(f"{self.path} holds no run: it has no {self.results.name}")
        return Results.load(self.results)

    def load_scores(self, score: Score) -> ClipScores:
        """The stored logits behind a score, held against its hash.

        Raises:
            RunError: the file is missing, is no score file, or is not the one that was scored; the message names it.
        """
        return self._intact(self.scores(score.variant, score.seed, score.fold), score)

    def load_evaluation(self, found: Evaluation) -> ClipScores:
        """The stored logits behind what a protocol found, likewise.

        Raises:
            RunError: see `load_scores`.
        """
        return self._intact(self.evaluation(found.protocol, found.variant, found.seed, found.fold), found)

    def _intact(self, path: Path, scored: Score | Evaluation) -> ClipScores:
        try:
            with np.load(path, allow_pickle=False) as stored:
                found = ClipScores(stored["names"], stored["scores"], stored["label"].astype(np.int64))
            intact = (
                score_hash(found.logits) == scored.scores_sha256 and int(found.right.sum()) == scored.correct
            )
        except Exception as error:  # a damaged zip or npy header raises almost anything
            raise RunError(f"{path} cannot be read as test scores: {error}") from error
        if not intact:
            raise RunError(f"{path} is damaged: it does not fit the hash in {self.results.name}")
        return found

    def load_all_scores(self, results: Results) -> dict[str, dict[int, ClipScores]]:
        """Test scores by variant and seed, in the order of the results' variants; those of folds are put together.

        Raises:
            RunError: see `load_scores`.
        """
        return {row.key: self.load_pooled(scores) for row, scores in results.rows()}

    def load_pooled(self, scores: Sequence[Score]) -> dict[int, ClipScores]:
        """The stored logits of one variant by seed; each fold tests other clips, so they are put together.

        Raises:
            RunError: see `load_scores`.
        """
        found: dict[int, list[ClipScores]] = {}
        for score in scores:
            found.setdefault(score.seed, []).append(self.load_scores(score))
        return {seed: pooled(parts) for seed, parts in found.items()}

    def save_scores(self, variant: str, seed: int, scores: ClipScores, fold: str = "") -> None:
        """Write test scores."""
        _write(self.scores(variant, seed, fold), scores)

    def save_evaluation(self, found: Evaluation, scores: ClipScores) -> None:
        """Write the logits that a protocol found."""
        _write(self.evaluation(found.protocol, found.variant, found.seed, found.fold), scores)

    def weights_found(self) -> list[tuple[str, int, str]]:
        """Variant, seed and fold (as its file is named) of each weights file, sorted."""
        stems = (_STEM.fullmatch(path.stem) for path in (self.path / "weights").glob("*.safetensors"))
        return sorted((found["variant"], int(found["seed"]), found["fold"] or "") for found in stems if found)

    def forget(self, variant: str, seed: int, fold: str = "") -> None:
        """Remove every file of one variant with one seed."""
        for path in (self.scores, self.weights, self.representations, self.samples):
            path(variant, seed, fold).unlink(missing_ok=True)
        self._forget_checkpoints(variant, seed, fold)
        for path_ in self.path.glob(f"evaluations/*/{job_name(variant, seed, fold)}.npz"):
            path_.unlink()

    def tidy(self, results: Results) -> None:
        """Remove what a killed process left: files half written, and checkpoints of trainings that are scored."""
        for partial in self.path.rglob(".*.partial"):
            partial.unlink(missing_ok=True)
        for score in results.scores:
            self._forget_checkpoints(score.variant, score.seed, score.fold)
        with suppress(OSError):
            (self.path / "checkpoints").rmdir()

    def _forget_checkpoints(self, variant: str, seed: int, fold: str) -> None:
        """Remove a training's checkpoint, the one before it, and those of its parts."""
        path = self.checkpoint(variant, seed, fold)
        for left in path.parent.glob(f"{path.stem}.*"):
            left.unlink(missing_ok=True)

    def locked(self) -> AbstractContextManager[None]:
        """Keep the folder to this process, see `skelbench.runs.files.locked`."""
        return locked(self.path)

    def discard_embeddings(self) -> None:
        """Remove what a run keeps only while it lasts."""
        shutil.rmtree(self.embeddings, ignore_errors=True)


def fold_slug(fold: str) -> str:
    """A fold's name as files have it."""
    return "".join(letter if letter.isalnum() else "-" for letter in fold)


def job_name(variant: str, seed: int, fold: str) -> str:
    """What the files of one training are called: `VARIANT-seedS`, with `-fold-NAME` behind it in a cross-validation."""
    slug = fold_slug(fold)
    return f"{variant}-seed{seed}" + (f"-fold-{slug}" if slug else "")


def _write(path: Path, scores: ClipScores) -> None:
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, names=scores.names, scores=scores.logits, label=scores.label)
