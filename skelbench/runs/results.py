"""What a run found: the schema of results.json, and how it is written and read.

The dataclasses below are the schema. A score says what its variant was when it was trained, so that a run can be shown
whatever the registry of today holds. Shares (top1, ...) are between 0 and 1.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, fields
from html import escape
from pathlib import Path
from typing import Any, Literal

from skelbench.errors import SkelbenchError
from skelbench.runs.evaluations import Evaluation
from skelbench.runs.files import write_text
from skelbench.runs.numbers import count, spread

SCHEMA = 2
Group = Literal["supervised", "self-supervised", "control"]
GROUPS: tuple[Group, ...] = ("supervised", "self-supervised", "control")
# A list of numbers over several lines; a line break is never inside a JSON string.
_NUMBERS = re.compile(r"\[\n([\s,.eE+\-\dNaInfity]+)\]")


class RunError(SkelbenchError):
    """A run folder that cannot be read; one line that names the file."""


@dataclass(frozen=True)
class Published:
    """A published result of the same model."""

    top1: float
    """Per cent."""
    parameters: float
    """Millions."""
    source: str = "NITAP report"
    dataset: str = "NTU RGB+D"
    protocol: str = "xview"


@dataclass(frozen=True)
class VariantInfo:
    """A row of the registry as it was when the run was made."""

    key: str
    title: str
    group: Group
    family: str
    table: str
    """Heading of the table that the row belongs to."""
    published: Published | None = None
    color: str = ""
    """One of `skelbench.runs.looks.COLORS`, in every chart; empty where the row has none of its own."""
    marker: str = ""
    """One of `skelbench.runs.looks.MARKERS`, likewise."""
    note: str = ""
    """What a reader has to know before comparing the row with others, such as knowledge that others do not have."""


@dataclass
class Curve:
    """Training as it went, one entry per epoch."""

    stage: str
    """`train` or `probe`."""
    loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """How one stage of a training was set up."""

    name: str
    """`train` or `probe`."""
    epochs: int
    batch_size: int | None
    """Clips; None where a run of version 0.1.0 did not say."""
    lr: float
    """Rate at the start."""
    optimizer: str


@dataclass
class Speed:
    """Measured on the device of the run, after a warm-up."""

    train_clips_per_s: float | None
    """Median over epochs; None where nothing is trained batch by batch."""
    inference_clips_per_s: float
    """Batches of 512 test clips, median."""
    latency_p50_ms: float
    """One clip at a time, from the clip to its logits; on a CPU in one thread."""
    latency_p99_ms: float
    peak_memory_mb: float
    """Resident set of the process on a CPU, allocated memory on a GPU, while this variant was trained."""
    latency_p95_ms: float | None = None
    """None in a run that did not measure it; its other latencies are with the run's threads."""


@dataclass
class Score:
    """One variant with one seed, on the whole test split, after the last epoch."""

    variant: str
    seed: int
    top1: float
    top1_interval: tuple[float, float]
    """Wilson, 95 %."""
    top5: float | None
    """None where there are five classes or fewer."""
    mean_class: float
    """Mean of the per-class recalls over the classes with test clips."""
    knn1: float | None
    """Nearest training representation by cosine; None where there is no representation."""
    best_on_test: float | None
    """Best top-1 over epochs, chosen on the test split: optimistic, not a result."""
    released_score: float | None
    """`conmlp60` only: best epoch on draws from the first test clips, as released."""
    correct: int
    n_train: int
    n_test: int
    coverage: int
    """Distinct training clips seen."""
    training_parameters: int
    """All that training used (projection head, decoder)."""
    inference_parameters: int
    """What a user runs (encoder and classifier)."""
    macs: int
    """Multiply-adds of one padded clip through it."""
    seconds: float
    """Training, scoring and measuring."""
    scores_sha256: str
    """Of the test logits: equal for equal bits."""
    speed: Speed
    fold: str = ""
    """Which fold of a cross-validation was tested; "" where the protocol has one split."""
    init: str = ""
    """The stored weights that the training started from, `RUN:VARIANT, seed S, sha256 ...`; "" at random."""
    curves: list[Curve] = field(default_factory=list)
    test_curve: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, test top-1) during the last stage: what best_on_test is the largest of."""
    pretraining_curve: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, test top-1 of a ridge probe) while a contrastive encoder was trained; nothing is chosen by it."""
    stages: list[Stage] = field(default_factory=list)
    """How this variant was trained; empty where nothing is."""
    class_recall: list[float | None] = field(default_factory=list)
    """(classes,) share of each class's test clips that were recognised; None for a class without test clips. Empty in
    a run that did not store it."""
    model_bytes: int | None = None
    """Weights, buffers and tables of what a user runs; None in a run that did not store it."""


# The fields of a score that are one number or text.
_PLAIN = [
    item.name
    for item in fields(Score)
    if item.name not in ("top1_interval", "speed", "curves", "test_curve", "pretraining_curve", "stages")
]


def training_name(variant: str, seed: int, fold: str) -> str:
    """One training in words: `conmlp-ce, seed 0, subject 3`."""
    return f"{variant}, seed {seed}" + (f", {fold}" if fold else "")


@dataclass(frozen=True)
class Failure:
    """A variant that could not be trained or scored with one seed."""

    variant: str
    seed: int
    reason: str
    fold: str = ""
    clips: list[str] = field(default_factory=list)
    """The clips of the batch at which a training stopped."""


@dataclass
class RunInfo:
    """What the run is about and where it ran; written once."""

    dataset: str
    source: str
    synthetic: bool
    unit: str
    protocol: str
    description: str
    """The split in words."""
    class_names: list[str]
    n_train: int
    n_test: int
    data_sha256: str
    """Of coordinates, labels and names as trained on."""
    dropped: list[list[str]]
    """Clips left out: name and reason."""
    caveats: list[str]
    """What the data, the split and the configuration have to say."""
    config: dict[str, Any]
    """The command line."""
    settings: dict[str, Any]
    """Hyper-parameters, after the preset."""
    command: str
    """Makes the run from its beginning; composed from the configuration, whatever started it."""
    device: str
    threads: int
    versions: dict[str, str]
    git_revision: str | None
    started: str
    """UTC, ISO 8601."""
    processes: int = 1
    """That trained together; `threads` are those of each."""
    official: bool = False
    """Whether the parts have the sizes of the official split of the data set."""
    folds: list[str] = field(default_factory=list)
    """Names of the folds, where the protocol has several."""
    fps: tuple[float, float] | None = None
    """Lowest and highest rate of the clips, frames a second; None where the data do not say."""

    @property
    def machine(self) -> str:
        """What computed, in words."""
        several = f" in each of {self.processes} processes" if self.processes > 1 else ""
        return f"{self.device}, {count(self.threads, 'thread')}{several}"


@dataclass(repr=False)
class Results:
    """A run: what it is about, its variants, and a score for each variant and seed."""

    info: RunInfo
    variants: list[VariantInfo] = field(default_factory=list)
    """Every row that was asked for, in the order in which it is shown."""
    scores: list[Score] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    """What the protocols of `--evaluate` found, in the order in which they were computed."""
    lists: dict[str, list[list[str]]] = field(default_factory=dict)
    """Names of the labelled clips of each draw, by the key that evaluations name."""
    schema: int = SCHEMA

    def of(self, variant: str) -> list[Score]:
        """The scores of one variant, in the order in which they were made."""
        return [score for score in self.scores if score.variant == variant]

    def rows(self) -> list[tuple[VariantInfo, list[Score]]]:
        """Each variant that has scores, with them, in the order in which it is shown."""
        return [(row, scores) for row in self.variants if (scores := self.of(row.key))]

    def variant(self, key: str) -> VariantInfo:
        """The variant with this key.

        Raises:
            RunError: there is none; the message lists what there is.
        """
        for row in self.variants:
            if row.key == key:
                return row
        have = ", ".join(row.key for row, _ in self.rows()) or "no scores"
        raise RunError(f"the run on {self.info.dataset} has no variant '{key}'; it has {have}")

    def counts(self, variant: str) -> list[tuple[int, int, int]]:
        """(seed, clips right, clips tested) of every score of one variant."""
        return [(score.seed, score.correct, score.n_test) for score in self.of(variant)]

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with a row per score: the numbers of `Score`, title, group and family of its variant.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas

        rows = []
        for score in self.scores:
            row = self.variant(score.variant)
            flat = {
                k: v
                for k, v in asdict(score).items()
                if k not in ("curves", "stages", "speed") and "curve" not in k
            }
            low, high = score.top1_interval
            flat |= {"top1_low": low, "top1_high": high, **asdict(score.speed)}
            rows.append({"title": row.title, "group": row.group, "family": row.family, **flat})
        return pandas.DataFrame(rows)

    def _repr_html_(self) -> str:
        """A table, for notebooks."""
        info = self.info
        cells = [
            (
                row.key,
                row.title,
                spread([score.top1 for score in scores]),
                spread([score.knn1 for score in scores]),
            )
            for row, scores in self.rows()
        ]
        body = "".join(
            "<tr>"
            + "".join(f"<td>{escape(cell)}</td>" for cell in (*row, str(len(self.of(row[0])))))
            + "</tr>"
            for row in cells
        )
        titles = "".join(f"<th>{title}</th>" for title in ("variant", "", "top-1 %", "kNN-1 %", "scores"))
        caption = escape(f"{info.dataset}, {info.protocol}" + (" (synthetic data)" if info.synthetic else ""))
        return f"<table><caption>{caption}</caption><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        """One line; every number is in the fields."""
        scores = ", ".join(f"{row.key} {spread([s.top1 for s in own])}" for row, own in self.rows())
        return f"Results({self.info.dataset}, {self.info.protocol}: {scores or 'no scores'})"

    def save(self, path: Path) -> None:
        """Write atomically: a reader sees the old file or the new one.

        Raises:
            FileError: the file cannot be written.
        """
        write_text(path, _in_rows(json.dumps(asdict(self), indent=1)) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read a results.json.

        Raises:
            RunError: no such file, or one that is no results.json of a known schema; the message names it.
        """
        # Imported here: the registry and `--help` need the dataclasses above, not their validation.
        from pydantic import TypeAdapter, ValidationError

        from skelbench.runs.schema1 import upgrade

        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            schema = raw["schema"]
            if schema == 1:
                raw = upgrade(raw)
            elif schema != SCHEMA:
                raise RunError(
                    f"{path} has schema {schema}, this version reads 1 to {SCHEMA}: upgrade skelbench"
                )
            loaded: Results = TypeAdapter(cls).validate_python(raw)
            _require_consistent(loaded, path)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise RunError(f"{path} is damaged: {where}: {first['msg']}") from error
        except (OSError, KeyError, TypeError, ValueError, RecursionError, AttributeError) as error:
            raise RunError(f"{path} is no results.json of skelbench: {error}") from error
        return loaded


def _require_consistent(results: Results, path: Path) -> None:
    """Hold the numbers against each other: an edited or doubled score is refused."""
    known, seen = {row.key for row in results.variants}, set()
    for score in results.scores:
        name = f"{path} is damaged: {score.variant}, seed {score.seed}"
        if (score.variant, score.seed, score.fold) in seen:
            raise RunError(f"{name} stands in it twice")
        seen.add((score.variant, score.seed, score.fold))
        if score.variant not in known:
            raise RunError(f"{name} is no variant of the run")
        if score.n_test < 1 or abs(score.top1 - score.correct / score.n_test) > 1e-9:
            raise RunError(
                f"{name}: top1 is {score.top1}, but {score.correct} of {score.n_test} clips are right"
            )


def _in_rows(text: str) -> str:
    """Indented JSON with each list of plain numbers on one line: curves have thousands of them."""
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)
