"""The configuration of the main job: one dataclass that is the command line, the Python interface and the record."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from skelbench.training.settings import NodeLabel, Sampling, Settings, TwoPerson
from skelbench.variants import FAMILIES, GROUPS, VARIANTS


class ConfigError(ValueError):
    """An option that cannot be used; one line that names it."""


def _comma_list(metavar: str, convert: type) -> tyro.constructors.PrimitiveConstructorSpec:
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


# quick: chosen on validation parts of training clips (NW-UCLA's camera 2, HDM05's subjects in turn), never on test.
PRESETS = {
    "quick": Settings(
        epochs=200, batch_size=64, lr=0.003, sequence_epochs=30, sequence_batch_size=64, windows=20
    ),
    "report": Settings(),
}

_PRESET_HELP = "Epochs, batch size and rate where they are not given. " + "; ".join(
    f"{name}: {preset.epochs} epochs, batch {preset.batch_size}, rate {preset.lr:g}, "
    f"graph family {preset.sequence_epochs} epochs, batch {preset.sequence_batch_size}, {preset.windows} windows"
    for name, preset in PRESETS.items()
)
_VARIANTS_HELP = (
    f"What to train: {', '.join(row.key for row in VARIANTS)}; or a group: "
    f"{', '.join(GROUPS)}; or a family: {', '.join(FAMILIES)} (slower); or all."
)


@dataclass(frozen=True)
class Config:
    """Train variants of the ConMLP family and score each on the whole test split.

    Without --data a small synthetic corpus is used, and everything says so. Examples:

      python -m skelbench.eval xview
      python -m skelbench.eval xview --data nw_ucla.npz --align body --seeds 0,1,2
      python -m skelbench.eval xsub --data NTU60_CS.npz --variants supervised,majority --device cuda
      python -m skelbench.eval xview --data ntu60_3danno.pkl --preset report --out runs/report
    """

    protocol: tyro.conf.Positional[str] = "xview"
    """Split: xview (other camera), xsub (other people), xset (other set-up, NTU-120), or as people write them: CV,
    cross_subject, NTU60_XView."""
    data: Path | None = None
    """A ragged .npz, NTU60_CV.npz and its relatives (CTR-GCN, MAMP), ntu60_3danno.pkl (PYSKL, mmaction2) or a prepared
    folder; the format is recognised. Default: the synthetic corpus."""
    variants: Annotated[tuple[str, ...], _comma_list("KEY,KEY", str), tyro.conf.arg(help=_VARIANTS_HELP)] = (
        "conmlp",
    )
    seeds: Annotated[tuple[int, ...], _comma_list("INT,INT", int)] = (0,)
    """Every variant is trained once per seed."""
    preset: Annotated[Literal["quick", "report"], tyro.conf.arg(help=_PRESET_HELP)] = "quick"
    epochs: int | None = None
    """Passes over the training clips."""
    batch_size: int | None = None
    """Clips in a batch; two views of each are compared."""
    lr: float | None = None
    """Rate of SGD at the start of its cosine."""
    temperature: float | None = None
    """tau of the contrastive losses. Default: 0.07, TCL 0.1."""
    k1: float = 5000.0
    """TCL: weight of hard positives."""
    k2: float = 1.0
    """TCL: weight of hard negatives."""
    probe_epochs: int = 100
    """Epochs of the linear probe."""
    align: Literal["none", "body"] = "none"
    """body: turn each clip so that the shoulders lie along x and the spine points up. Every clip is moved to its
    origin either way."""
    sampling: Sampling = "full"
    """conmlp60 draws as the code released with ConMLP does: only the first few clips, one per class in NTU's order. It
    shows what that sampler yields; it is no result."""
    sequence_epochs: int | None = None
    """Graph family: epochs of its classifiers."""
    windows: int | None = None
    """Graph family: graphs of a clip, each of 5 consecutive frames, spread evenly over the clip's own frames."""
    node_label: NodeLabel = "position"
    """graph2vec: what a node's label carries beside its joint. degree leaves the pose out: a control at chance."""
    bin_size: float = 1.0
    """graph2vec: bins of the node labels, in mean bone lengths (about 0.2 m)."""
    two_person: TwoPerson = "drop"
    """Graph family: leave clips of several people out, counted, or keep each person as a component."""
    transductive: bool = False
    """graph2vec: also train the embedding on the test graphs (never on their labels)."""
    cache: Path | None = None
    """graph2vec: folder that keeps embeddings for the next run. Default: kept in --out until the run ends."""
    drop_bad: bool = False
    """Leave out clips with NaN or infinite coordinates (counted and named in the report) instead of stopping."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, or auto."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    threads: int | None = None
    """CPU threads. Default: what torch takes. The bits of a result depend on it."""
    representations: bool = False
    """Also keep each run's representations of the test clips."""
    resume: bool = False
    """Go on in --out where a run was stopped: finished variants and seeds are kept, a training begun goes on from its
    last saved epoch, to the same bits. Variants and seeds may be added; anything else that changed is refused."""
    out: Path | None = None
    """Folder for report.html, results.json, report.md, scores and weights. Default: a new one under runs/."""

    def settings(self) -> Settings:
        """The hyper-parameters of this configuration, gaps filled by the preset.

        Raises:
            ConfigError: a value out of range.
        """
        chosen = {
            name: getattr(self, name)
            for name in (field.name for field in fields(Settings) if hasattr(self, field.name))
            if getattr(self, name) is not None
        }
        settings = replace(PRESETS[self.preset], **chosen)
        for name in ("epochs", "batch_size", "lr", "probe_epochs", "sequence_epochs", "windows", "bin_size"):
            if not getattr(settings, name) > 0:
                raise ConfigError(
                    f"--{name.replace('_', '-')} is {getattr(settings, name)}, it must be above 0"
                )
        if settings.batch_size < 2:
            raise ConfigError("--batch-size is 1, a contrastive batch needs at least 2 clips")
        if settings.temperature is not None and not settings.temperature > 0:
            raise ConfigError(f"--temperature is {settings.temperature:g}, it must be above 0")
        for name in ("k1", "k2"):
            if getattr(settings, name) < 0:
                raise ConfigError(f"--{name} is {getattr(settings, name):g}, it must not be negative")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"--seeds is {self.seeds}, it needs one or more different numbers")
        if self.resume and self.out is None:
            raise ConfigError("--resume needs --out, the folder of the run to go on with")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"--threads is {self.threads}, it must be above 0")
        return settings
