"""The configuration of the main job: dataclasses that are the command line, the Python interface and the record."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tyro
import yaml

from skelbench.eval.protocols.words import PROTOCOLS, joined, require_known
from skelbench.options import ConfigError, Count, Seed, as_record, may_change, parse_share, require_in_range
from skelbench.runs.results import GROUPS
from skelbench.training.settings import PRESETS, Settings
from skelbench.variants import FAMILIES, known_keys

__all__ = ["Config", "ConfigError", "DataOptions", "MachineOptions"]

ONCE = ("resume", "restart")
"""Options that say how a run is continued, and have no place where it is repeated."""


def comma_list(metavar: str, convert: type) -> tyro.constructors.PrimitiveConstructorSpec[tuple[Any, ...]]:
    """`a,b,c` on the command line, a tuple in Python."""
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda args: tuple(convert(part) for part in args[0].split(",") if part),
        is_instance=lambda value: (
            isinstance(value, tuple) and all(isinstance(part, convert) for part in value)
        ),
        str_from_instance=lambda value: [",".join(str(part) for part in value)],
    )


_VARIANTS_HELP = (
    f"What to train: {', '.join(known_keys())}; or a group: {', '.join(GROUPS)}; or a family: {', '.join(FAMILIES)} "
    "(slower); or all; or module:ROW for a row of your own; or A+B for rows fused, A+streams for one row fused over "
    "joints, bones and motion."
)


_EVALUATE_HELP = (
    f"Further protocols on every trained encoder, of {', '.join(PROTOCOLS)}: linear, a probe whose penalty is chosen "
    "on training folds; knn, the nearest training clip; semi:0.01,0.1, a probe on 1 % and 10 % of the labels, ten "
    "lists each; finetune; transfer:DATA, a probe on another data set; robust, the classifier on perturbed test clips. "
    "With --resume they are added to a finished run."
)


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which clips, and how they are brought in."""

    data: Path | None = may_change(None)
    """A file or folder of any known format, recognised by its content: ragged .npz, NTU60_CV.npz and its relatives
    (CTR-GCN, MAMP), PYSKL's .pkl, .npy with label.pkl, .csv, .h5, .json, a prepared folder, ... (docs/formats.md).
    Default: the synthetic corpus."""
    split: str | None = None
    """TRAIN:TEST or TRAIN:VALIDATION:TEST instead of the protocol: names of the file's own parts, or files with a clip
    name per line."""
    labels: Path | None = may_change(None)
    """Table of labels of .skeleton or .bvh files. Default: labels.csv beside them."""
    missing: Literal["fill", "drop", "keep"] | None = None
    """Joints that were not found (zeros or NaN): fill from the frames around, drop the clip, or keep. Default: keep
    for public data sets, fill for others; the report says how many there were."""
    unit: str | None = None
    """Unit of the coordinates, m, cm or mm, or keep. Default: as the file states, else by the size of the bodies."""
    length: Count | None = None
    """Most frames of a clip; longer clips are resampled. Default: 300 for longer clips."""
    align: Literal["none", "body", "body-median"] = "none"
    """body: turn each clip so that the shoulders lie along x and the spine points up, by its first frames;
    body-median: by the median over all of its frames. Every clip is moved to its origin either way."""
    drop_bad: bool = False
    """Leave out clips with NaN or infinite coordinates (counted and named in the report) instead of stopping."""


@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """What computes."""

    device: str = may_change("auto")
    """cpu, cuda, cuda:1, mps, or auto."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Of training. Representations and scores are computed in float32, and the linear probe is trained in it."""
    threads: Count | None = may_change(None)
    """CPU threads. Default: what torch takes. The bits of a result depend on it."""


@dataclass(frozen=True, kw_only=True)
class Config(MachineOptions, DataOptions):
    """Train variants and score each on the whole test split.

    Without --data a small synthetic corpus is used, and everything says so. Examples:

      skelbench eval xview
      skelbench eval xview --data nw_ucla.npz --align body --seeds 0,1,2
      skelbench eval xsub --data NTU60_CS.npz --variants supervised,majority --device cuda
      skelbench eval xview --data ntu60_3danno.pkl --preset published --out runs/published
    """

    protocol: tyro.conf.Positional[str] = may_change("xview")
    """Split: xview (other camera), xsub (other people), xset (other set-up, NTU-120), or as people write them: CV,
    cross_subject, NTU60_XView."""
    variants: Annotated[tuple[str, ...], comma_list("KEY,KEY", str), tyro.conf.arg(help=_VARIANTS_HELP)] = (
        may_change(("conmlp",))
    )
    seeds: Annotated[tuple[Seed, ...], comma_list("INT,INT", int)] = may_change((0,))
    """Every variant is trained once per seed."""
    evaluate: Annotated[
        tuple[str, ...], comma_list("PROTOCOL,PROTOCOL", str), tyro.conf.arg(help=_EVALUATE_HELP)
    ] = may_change(())
    """Protocols on every trained encoder (`skelbench.eval.protocols`)."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = PRESETS["quick"]
    """Hyper-parameters."""
    init: str | None = None
    """RUN:VARIANT, stored weights that the encoders start from, to fine-tune them: those of the same seed where that
    run has it, else of its smallest. A row with another encoder, and clips that it does not take, are refused."""
    shard: str | None = may_change(None)
    """i/n: only the i-th of n shares of the trainings (variant, seed, fold). `skelbench merge` makes one run of the
    shares."""
    cache: Path | None = may_change(None)
    """graph2vec: folder that keeps embeddings for the next run. Default: kept in --out until the run ends."""
    representations: bool = False
    """Also keep each run's representations of the test clips."""
    logger: Literal["none", "csv", "tensorboard"] = may_change("none")
    """Also log each training's loss, rate and scores, in OUT/logs."""
    resume: bool = may_change(False)
    """Continue an interrupted run in --out: finished variants and seeds are kept, and a training that was begun
    continues from its last saved epoch, bit-identically on the CPU. Variants and seeds may be added; any other change
    is refused."""
    restart: Annotated[tuple[str, ...], comma_list("KEY,KEY", str)] = may_change(())
    """With --resume: variants whose scores, weights and checkpoints are thrown away and made again; or all."""
    out: Path | None = may_change(None)
    """Folder for report.html, results.json, report.md, scores and weights. Default: a new one under runs/."""

    def __post_init__(self) -> None:
        """Take text for a path, and any sequence (a range, a list, one item) for variants and seeds."""
        for name in ("data", "labels", "cache", "out"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Path(getattr(self, name)))
        for name, one in (("variants", str), ("seeds", int), ("restart", str), ("evaluate", str)):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, one) else tuple(value))
        object.__setattr__(self, "evaluate", joined(self.evaluate))

    def to_yaml(self) -> str:
        """The configuration as a file that `--config` takes, to repeat a run; a setting stands beside the options."""
        text: str = yaml.safe_dump(
            {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in as_record(self).items()
                if name not in ONCE
            }
            | asdict(self.settings),
            sort_keys=False,
        )
        return text

    @classmethod
    def from_yaml(cls, path: Path, base: Self) -> Self:
        """A configuration from a file; what it does not name is as in `base`.

        Raises:
            ConfigError: the file cannot be read, or names what is no option; the message names both.
        """
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"--config {path} cannot be read: {str(error).splitlines()[0]}") from error
        if not isinstance(raw, dict):
            raise ConfigError(f"--config {path} holds no options, but a {type(raw).__name__}")
        own = {item.name for item in fields(base)} - {"settings"}
        unknown = [str(name) for name in raw if name not in own | set(asdict(base.settings))]
        if unknown:
            raise ConfigError(f"--config {path}: {unknown[0]} is no option; see skelbench eval --help")
        settings = replace(base.settings, **{name: value for name, value in raw.items() if name not in own})
        return replace(base, settings=settings, **{name: value for name, value in raw.items() if name in own})

    def share(self) -> tuple[int, int]:
        """Which share of the trainings, from 0, and of how many.

        Raises:
            ConfigError: --shard is not i/n with 1 <= i <= n.
        """
        return (0, 1) if self.shard is None else parse_share(self.shard)

    def check(self) -> None:
        """Hold the options against their ranges and each other.

        Raises:
            ConfigError: the first option that cannot be used.
        """
        require_in_range(self)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"--seeds is {self.seeds}, it needs one or more different numbers")
        self.share()
        require_known(self.evaluate)
        if self.resume and self.out is None:
            raise ConfigError("--resume needs --out, the folder of the run to continue")
        if self.restart and not self.resume:
            raise ConfigError("--restart needs --resume: it makes variants of a run in --out again")
