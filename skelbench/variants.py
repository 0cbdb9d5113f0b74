"""The registry: one row per variant, the one place where a variant is defined.

A row names its classes as "module:name", so that listing the variants (`--help`) imports nothing heavy. To add a loss
or an encoder, write the class and add a row; README, "Your own loss or encoder", shows both.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from skelbench.training.settings import Settings
    from skelbench.training.task import Fitted, Task

Group = Literal["supervised", "self-supervised", "control"]
GROUPS: tuple[Group, ...] = ("supervised", "self-supervised", "control")
Family = Literal["conmlp", "graph"]
FAMILIES: tuple[Family, ...] = ("conmlp", "graph")

CONMLP = "skelbench.models.conmlp:ConMLP"
SUPCON = "skelbench.losses:SupConLoss"
TCL = "skelbench.losses:TCLLoss"
NTXENT = "skelbench.losses:NTXentLoss"


@dataclass(frozen=True)
class Published:
    """What the report printed for X-View of NTU RGB+D."""

    top1: float  #: per cent
    parameters: float  #: millions


@dataclass(frozen=True)
class Variant:
    """One row. `recipe` is called with the task (and, where `encoder` is given, with the objective)."""

    key: str
    title: str
    group: Group
    recipe: str
    encoder: str | None = None
    loss: str | None = (
        None  #: contrastive loss of the encoder's training; None with an encoder: cross-entropy
    )
    loss_options: tuple[str, ...] = ()  #: settings passed to the loss where they are set
    reconstruct: bool = False
    published: Published | None = None
    restore: str | None = None  #: makes a model without such an encoder again from its stored weights
    family: Family = "conmlp"  #: controls belong to the family that they are made for

    @property
    def one_person(self) -> bool:
        """Whether clips with several people have to be left out (or kept as components, on request)."""
        return self.family == "graph"

    def fit(self, task: Task) -> Fitted:
        """Train and predict the whole test split."""
        recipe: Callable[..., Fitted] = pkgutil.resolve_name(self.recipe)
        if self.encoder is None:
            return recipe(task)
        from skelbench.training.encoder import Objective

        objective = Objective(
            encoder=pkgutil.resolve_name(self.encoder),
            loss=None if self.loss is None else pkgutil.resolve_name(self.loss),
            loss_options=self._options(task.settings),
            instance_labels=self.group == "self-supervised",
            reconstruct=self.reconstruct,
        )
        return recipe(task, objective)

    def _options(self, settings: Settings) -> dict[str, float]:
        given = {name: getattr(settings, name) for name in self.loss_options}
        return {name: value for name, value in given.items() if value is not None}


def _conmlp(
    key: str, title: str, group: Group, loss: str, top1: float, parameters: float, reconstruct: bool = False
) -> Variant:
    options = ("temperature", "k1", "k2") if loss == TCL else ("temperature",)
    recipe = "skelbench.training.encoder:contrastive_then_probe"
    published = Published(top1, parameters)
    return Variant(key, title, group, recipe, CONMLP, loss, options, reconstruct, published)


VARIANTS: tuple[Variant, ...] = (
    _conmlp("conmlp-supcon", "ConMLP, SupCon", "supervised", SUPCON, 88.28, 11.4),
    _conmlp("conmlp-tcl", "ConMLP, TCL", "supervised", TCL, 68.16, 11.4),
    _conmlp(
        "conmlp-recon", "ConMLP + decoder, SupCon + MSE", "supervised", SUPCON, 93.55, 23.01, reconstruct=True
    ),
    Variant(
        "conmlp-ce",
        "ConMLP, cross-entropy",
        "supervised",
        "skelbench.training.encoder:cross_entropy",
        encoder=CONMLP,
    ),
    _conmlp("conmlp-ntxent", "ConMLP, NT-Xent", "self-supervised", NTXENT, 90.40, 11.4),
    _conmlp("conmlp-tcl-self", "ConMLP, TCL, instance labels", "self-supervised", TCL, 62.75, 11.4),
    _conmlp(
        "conmlp-recon-self",
        "ConMLP + decoder, NT-Xent + MSE",
        "self-supervised",
        NTXENT,
        92.18,
        23.01,
        reconstruct=True,
    ),
    Variant(
        "graph2vec-lstm",
        "graph2vec, then an LSTM",
        "supervised",
        "skelbench.training.graphs:graph2vec_lstm",
        published=Published(62.67, 76.2),
        restore="skelbench.training.graphs:restore_graph2vec",
        family="graph",
    ),
    Variant(
        "graph2vec-gru",
        "graph2vec, then a GRU",
        "supervised",
        "skelbench.training.graphs:graph2vec_gru",
        published=Published(49.96, 74.8),
        restore="skelbench.training.graphs:restore_graph2vec",
        family="graph",
    ),
    Variant(
        "wl-bag-gru",
        "Learned WL subtrees, then a GRU, end to end",
        "supervised",
        "skelbench.training.graphs:wl_bag_gru",
        restore="skelbench.training.graphs:restore_wl_bag",
        family="graph",
    ),
    Variant("majority", "Majority class", "control", "skelbench.training.controls:majority"),
    Variant(
        "raw-linear",
        "Linear probe on raw coordinates",
        "control",
        "skelbench.training.controls:raw_linear_probe",
    ),
    Variant(
        "random-encoder",
        "Linear probe on a random ConMLP",
        "control",
        "skelbench.training.encoder:random_encoder_probe",
        encoder=CONMLP,
    ),
)


def choose(names: Iterable[str]) -> tuple[Variant, ...]:
    """Rows by key, group or family ("all" for every row), in the registry's order.

    Raises:
        ValueError: a name that is neither; the message lists what there is.
    """
    wanted: set[str] = set()
    for name in names:
        keys = {row.key for row in VARIANTS if name in ("all", row.key, row.group, row.family)}
        if not keys:
            known = ", ".join(row.key for row in VARIANTS)
            raise ValueError(
                f"unknown variant '{name}': choose from {known}; or groups {', '.join((*GROUPS, *FAMILIES))}, all"
            )
        wanted |= keys
    return tuple(row for row in VARIANTS if row.key in wanted)
