"""What a run found out: the schema of results.json, and how it is written and read.

The dataclasses below are the schema; every field says its unit. Shares (top1, ...) are between 0 and 1.
"""

from __future__ import annotations

import json
import os
import re
import types
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

SCHEMA = 1
NUMBERS = re.compile(r"\[\n([\s,.eE+\-\dNaInfity]+)\]")  # a line break is never inside a JSON string


@dataclass
class Curve:
    """Training as it went, one entry per epoch."""

    stage: str  #: "train" or "probe"
    loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)


@dataclass
class Speed:
    """Measured on the device of the run; nothing else was asked of the machine by us meanwhile."""

    train_clips_per_s: float | None  #: median over epochs; None where nothing is trained batch by batch
    inference_clips_per_s: float  #: batches of 512 test clips, median
    latency_p50_ms: float  #: one clip at a time
    latency_p99_ms: float
    peak_memory_mb: (
        float  #: resident set of the process on a CPU, allocated memory on a GPU, while this run lasted
    )


@dataclass
class Score:
    """One variant with one seed, on the whole test split, after the last epoch."""

    variant: str
    seed: int
    top1: float
    top1_interval: tuple[float, float]  #: Wilson, 95 %
    top5: float | None  #: None where there are five classes or fewer
    mean_class: float  #: mean of the per-class recalls over classes with test clips
    knn1: float | None  #: nearest training representation by cosine; None where there is no representation
    best_on_test: float | None  #: best top-1 over epochs, chosen on the test split: optimistic, not a result
    released_score: (
        float | None
    )  #: `conmlp60` only: best epoch on draws from the first test clips, as released
    correct: int
    n_train: int
    n_test: int
    coverage: int  #: distinct training clips seen
    training_parameters: int  #: all that training used (projection head, decoder)
    inference_parameters: int  #: what a user runs (encoder and classifier)
    macs: int  #: multiply-adds of one padded clip through it
    seconds: float  #: training, scoring and measuring
    scores_sha256: str  #: of the test logits: equal for equal bits
    speed: Speed
    curves: list[Curve] = field(default_factory=list)
    test_curve: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, test top-1) during the last stage: what best_on_test is the largest of."""
    pretraining_curve: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, test top-1 of a ridge probe) while a contrastive encoder was trained; nothing is chosen by it."""


@dataclass
class Setting:
    """What the run was about and where it ran; written once."""

    dataset: str
    source: str
    synthetic: bool
    unit: str
    protocol: str
    description: str  #: the split in words
    class_names: list[str]
    n_train: int
    n_test: int
    data_sha256: str  #: of coordinates, labels and names as trained on
    dropped: list[list[str]]  #: clips left out: name and reason
    warnings: list[str]
    config: dict[str, Any]  #: the command line
    settings: dict[str, Any]  #: hyper-parameters after the preset
    command: str
    device: str
    threads: int
    versions: dict[str, str]
    git_revision: str | None
    started: str  #: UTC, ISO 8601


@dataclass
class Results:
    """A run: its setting, and a score for each variant and seed."""

    setting: Setting
    scores: list[Score] = field(default_factory=list)
    schema: int = SCHEMA

    def of(self, variant: str) -> list[Score]:
        """The scores of one variant, in the order of their seeds."""
        return [score for score in self.scores if score.variant == variant]

    def save(self, path: Path) -> None:
        """Write atomically: a reader sees the old file or the new one."""
        partial = path.with_suffix(".partial")
        partial.write_text(_in_rows(json.dumps(asdict(self), indent=1)) + "\n")
        os.replace(partial, path)

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read a results.json.

        Raises:
            ValueError: a file that is not one, or of another schema; the message names it.
        """
        try:
            raw = json.loads(path.read_text())
            if raw["schema"] != SCHEMA:
                raise ValueError(
                    f"{path} has schema {raw['schema']}, this version reads {SCHEMA}: run it again"
                )
            loaded: Results = _build(cls, raw)
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is no results.json of skelbench: {error}") from error
        return loaded


def _in_rows(text: str) -> str:
    """Indented JSON with each list of plain numbers on one line: curves have thousands of them."""
    return NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)


def _build(kind: Any, raw: Any) -> Any:
    """A dataclass from its `asdict`, so that the schema has one definition."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(
            **{
                item.name: _build(hints[item.name], raw[item.name])
                for item in fields(kind)
                if item.name in raw
            }
        )  # type: ignore[operator]
    origin = get_origin(kind)
    if origin in (Union, types.UnionType) and raw is not None:
        return _build(next(part for part in get_args(kind) if part is not type(None)), raw)
    if origin is list:
        return [_build(get_args(kind)[0], item) for item in raw]
    if origin is tuple:
        return tuple(raw)
    return raw
