"""A variant: one row of the registry, as training reads it. Imports nothing heavy."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from skelbench.runs.results import Group, Published, VariantInfo
from skelbench.training.plan import Plan
from skelbench.training.settings import InputStream, Settings

if TYPE_CHECKING:
    from skelbench.training.task import Fitted, Task

Reference = str | Callable[..., Any]
"""A class or function, itself or as "module:name", which is imported when it is needed."""

_TABLES = {"supervised": "Supervised", "self-supervised": "Self-supervised", "control": "Controls"}


def _no_packages(settings: Settings) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Variant:
    """What is trained, and how: a row of the registry."""

    key: str
    """What `--variants` and the files of a run call it: letters, digits, `-`, `_` and `.`."""
    title: str
    group: Group
    recipe: Reference
    """`recipe(task, variant) -> Fitted` trains on the task's training clips and predicts its test clips."""
    encoder: Reference | None = None
    """`encoder(shape: InputShape)`: a module with `width`, RaggedClips of B clips -> (B, width)."""
    loss: Reference | None = None
    """Contrastive loss of the encoder's training, `loss(**options)`; None with an encoder: cross-entropy."""
    loss_options: tuple[str, ...] = ()
    """Settings that are passed to the loss where they are set."""
    reconstruct: bool = False
    """Train a decoder along with the encoder: add its mean squared error to the loss."""
    cell: Literal["lstm", "gru"] | None = None
    """Cell of a recurrent classifier."""
    plan: Plan | None = None
    """Rows on resampled clips: streams, views and optimizer; the encoder is then given a StreamShape."""
    members: tuple[Member, ...] = ()
    """Rows that are fused; such a row has no encoder of its own."""
    one_person: bool = False
    """Clips of several people are left out (`--two-person drop`), or each person is kept as a component."""
    takes_stream: bool = True
    """Whether `--stream` may change what its model is shown; a recipe then reads the clips from `task.data`."""
    restore: Reference | None = None
    """Makes a model again from its stored weights where it is no encoder of packed clips."""
    family: str = "conmlp"
    """What `--variants FAMILY` chooses; controls belong to the family that they are made for."""
    table: str = ""
    """Heading of the report's table; by default the group's, or the family's where it is another one."""
    published: Published | None = None
    packages: Callable[[Settings], tuple[str, ...]] = _no_packages
    """Optional packages that its training imports under these settings; they are looked for before any work."""
    extra: str = ""
    """The extra of skelbench that brings them."""
    color: str = ""
    """One of `skelbench.runs.looks.COLORS`, in every chart; without one, a colour that no other row of the run has."""
    marker: str = ""
    """One of `skelbench.runs.looks.MARKERS`, likewise."""
    note: str = ""
    """What a reader has to know before comparing the row with others; the page shows it."""

    @property
    def info(self) -> VariantInfo:
        """What a run stores of the row."""
        table = self.table or (_TABLES[self.group] if self.family == "conmlp" else self.family)
        return VariantInfo(
            self.key,
            self.title,
            self.group,
            self.family,
            table,
            self.published,
            self.color,
            self.marker,
            self.note,
        )

    @property
    def instance_labels(self) -> bool:
        """Self-supervised: only the other view of the same clip is a positive."""
        return self.group == "self-supervised"

    @property
    def makes_streams(self) -> bool:
        """Whether its recipe makes streams of positions itself; other rows are given clips that are one already."""
        return self.plan is not None or bool(self.members)

    def fit(self, task: Task) -> Fitted:
        """Train on the task's training clips and predict its whole test split."""
        fitted: Fitted = resolve(self.recipe)(task, self)
        return fitted

    def make_loss(self, settings: Settings) -> Any:
        """The contrastive loss with the options that are set; None where the variant has none."""
        if self.loss is None:
            return None
        given = {name: getattr(settings, name) for name in self.loss_options}
        return resolve(self.loss)(**{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class Member:
    """One of the rows that a row fuses."""

    row: Variant
    stream: InputStream | None = None
    """What it is shown; None: as alone."""

    @property
    def name(self) -> str:
        """`sgn`, or `sgn-bone`."""
        return f"{self.row.key}-{self.stream}" if self.stream else self.row.key


def resolve(reference: Reference) -> Callable[..., Any]:
    """The class or function behind a reference."""
    found: Callable[..., Any] = pkgutil.resolve_name(reference) if isinstance(reference, str) else reference
    return found


def name_of(reference: Reference | None) -> str | None:
    """`module:name` of a reference."""
    if reference is None or isinstance(reference, str):
        return reference
    return f"{reference.__module__}:{reference.__qualname__}"
