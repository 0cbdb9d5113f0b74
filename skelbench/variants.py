"""The registry: one row per variant, the one place where a variant is defined.

A row names its classes as "module:name", so that listing the variants (`--help`) imports nothing heavy. Rows from
outside stand beside the built-in ones. An installed package declares each as an entry point of the group
`skelbench.variants`, whose name is the row's key. `--variants module:ROW` takes a row from any module that Python
finds, the working directory included. `A+B` fuses rows, `A+streams` one row on three streams.
"""

from __future__ import annotations

import os
import pkgutil
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Literal

from skelbench.errors import SkelbenchError
from skelbench.runs.looks import COLORS, MARKERS
from skelbench.runs.results import GROUPS, Group, Published
from skelbench.training.fused_rows import FUSED_ROWS, STREAMS, fused, streams_of
from skelbench.training.settings import Settings
from skelbench.training.stream_rows import STREAM_ROWS
from skelbench.training.variant import Member, Variant

ENTRY_POINTS = "skelbench.variants"
FAMILIES = ("conmlp", "graph", "reference", "modern")

_CONMLP = "skelbench.models.conmlp:ConMLP"
_SUPCON = "skelbench.losses:SupConLoss"
_TCL = "skelbench.losses:TCLLoss"
_NTXENT = "skelbench.losses:NTXentLoss"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class VariantError(SkelbenchError):
    """A variant that is not known or cannot be used; one line."""


def _conmlp(
    key: str,
    title: str,
    group: Group,
    loss: str,
    top1: float,
    parameters: float,
    reconstruct: bool = False,
    *,
    color: str,
    marker: str,
) -> Variant:
    return Variant(
        key,
        title,
        group,
        "skelbench.training.encoder:contrastive_then_probe",
        encoder=_CONMLP,
        loss=loss,
        loss_options=("temperature", "k1", "k2") if loss == _TCL else ("temperature",),
        reconstruct=reconstruct,
        table="With a decoder" if reconstruct else "",
        published=Published(top1, parameters),
        color=color,
        marker=marker,
    )


def _graph(key: str, title: str, recipe: str, restore: str, **other: object) -> Variant:
    module = "skelbench.training.graphs"
    return Variant(
        key,
        title,
        "supervised",
        f"{module}:{recipe}",
        restore=f"{module}:{restore}",
        one_person=True,
        takes_stream=False,
        family="graph",
        table="Graphs",
        **other,  # type: ignore[arg-type]
    )


def _gensim(settings: Settings) -> tuple[str, ...]:
    return ("gensim",) if settings.embedding == "gensim" else ()


def _graph2vec(
    cell: Literal["lstm", "gru"], title: str, published: Published, color: str, marker: str
) -> Variant:
    return _graph(
        f"graph2vec-{cell}",
        title,
        "graph2vec",
        "restore_graph2vec",
        cell=cell,
        published=published,
        packages=_gensim,
        extra="graph",
        color=color,
        marker=marker,
    )


VARIANTS: tuple[Variant, ...] = (
    _conmlp(
        "conmlp-supcon",
        "ConMLP, SupCon",
        "supervised",
        _SUPCON,
        88.28,
        11.4,
        color="blue",
        marker="o",
    ),
    _conmlp(
        "conmlp-tcl",
        "ConMLP, TCL",
        "supervised",
        _TCL,
        68.16,
        11.4,
        color="orange",
        marker="s",
    ),
    _conmlp(
        "conmlp-recon",
        "ConMLP + decoder, SupCon + MSE",
        "supervised",
        _SUPCON,
        93.55,
        23.01,
        reconstruct=True,
        color="teal",
        marker="^",
    ),
    Variant(
        "conmlp-ce",
        "ConMLP, cross-entropy",
        "supervised",
        "skelbench.training.encoder:cross_entropy",
        encoder=_CONMLP,
        color="rose",
        marker="D",
    ),
    _conmlp(
        "conmlp-ntxent",
        "ConMLP, NT-Xent",
        "self-supervised",
        _NTXENT,
        90.40,
        11.4,
        color="green",
        marker="v",
    ),
    _conmlp(
        "conmlp-tcl-self",
        "ConMLP, TCL, instance labels",
        "self-supervised",
        _TCL,
        62.75,
        11.4,
        color="violet",
        marker="P",
    ),
    _conmlp(
        "conmlp-recon-self",
        "ConMLP + decoder, NT-Xent + MSE",
        "self-supervised",
        _NTXENT,
        92.18,
        23.01,
        reconstruct=True,
        color="red",
        marker="*",
    ),
    _graph2vec("lstm", "graph2vec, then an LSTM", Published(62.67, 76.2), "olive", "<"),
    _graph2vec("gru", "graph2vec, then a GRU", Published(49.96, 74.8), "steel", ">"),
    _graph(
        "wl-bag-gru",
        "Learned WL subtrees, then a GRU, end to end",
        "wl_bag_gru",
        "restore_wl_bag",
        color="plum",
        marker="h",
    ),
    *STREAM_ROWS,
    *FUSED_ROWS,
    Variant(
        "majority",
        "Majority class",
        "control",
        "skelbench.training.controls:majority",
        color="grey",
        marker="X",
    ),
    Variant(
        "raw-linear",
        "Linear probe on raw coordinates",
        "control",
        "skelbench.training.controls:raw_linear_probe",
        color="brown",
        marker="d",
    ),
    Variant(
        "random-encoder",
        "Linear probe on a random ConMLP",
        "control",
        "skelbench.training.encoder:random_encoder_probe",
        encoder=_CONMLP,
        color="navy",
        marker="p",
    ),
)


def known_keys() -> list[str]:
    """Keys of the built-in and the installed rows, without importing the latter."""
    return [row.key for row in VARIANTS] + [point.name for point in _installed()]


@cache
def registry() -> tuple[Variant, ...]:
    """The built-in rows, then those of installed packages.

    Raises:
        VariantError: an installed row that cannot be loaded; the message names its package.
    """
    return VARIANTS + tuple(_load(point) for point in _installed())


def choose(names: Iterable[str]) -> tuple[Variant, ...]:
    """Rows by key, group, family, "all", "module:ROW" or "A+B", each once, in the registry's order; the last two last.

    Raises:
        VariantError: a name that is none of these; the message lists what there is.
    """
    rows = list(registry())
    wanted: set[str] = set()
    made: list[Variant] = []
    for name in names:
        if "+" in name and all(name != row.key for row in rows):
            made.append(_fused(name, rows))
            continue
        if ":" in name:
            row = _from_module(name)
            if all(row is not other for other in rows):
                if row.key in {other.key for other in rows}:
                    raise VariantError(
                        f"{name}: there is another row with the key '{row.key}': choose another key"
                    )
                rows.append(row)
            wanted.add(row.key)
            continue
        keys = {row.key for row in rows if name in ("all", row.key, row.group, row.family)}
        if not keys:
            families = dict.fromkeys((*FAMILIES, *(row.family for row in rows)))
            raise VariantError(
                f"unknown variant '{name}': choose from {', '.join(row.key for row in rows)}; groups "
                f"{', '.join(GROUPS)}; families {', '.join(families)}; all; module:ROW for a row "
                "of your own; or A+B and A+streams for rows fused"
            )
        wanted |= keys
    # Fused rows come last: their members may be rows of the same run.
    return tuple({row.key: row for row in (*(row for row in rows if row.key in wanted), *made)}.values())


def require_packages(rows: Iterable[Variant], settings: Settings) -> None:
    """Look for the optional packages of rows under these settings.

    Raises:
        VariantError: one is missing; the message has the line that installs it.
    """
    for row in rows:
        for package in row.packages(settings):
            if find_spec(package) is None:
                source = f"'skelbench[{row.extra}]'" if row.extra else package
                raise VariantError(f"{row.key} needs {package}, which is not installed: pip install {source}")


def require_stream(rows: Iterable[Variant], settings: Settings) -> None:
    """Hold `--stream` against the rows.

    Raises:
        VariantError: a row takes none; the message says what to do.
    """
    for row in rows:
        if settings.stream is not None and any(member.stream for member in row.members):
            raise VariantError(
                f"--stream {settings.stream}: {row.key} fuses all streams; leave the option or the row out"
            )
        if settings.stream is not None and not row.takes_stream:
            raise VariantError(
                f"--stream {settings.stream}: {row.key} makes its graphs of joint positions and takes no stream; leave "
                "it out of --variants (--node-label bone or motion changes what graph2vec's nodes say)"
            )


def _installed() -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name))


def _load(point: EntryPoint) -> Variant:
    package = point.dist.name if point.dist else "an installed package"
    where = f"entry point '{point.name}' of {package}"
    try:
        row = point.load()
    except Exception as error:  # another package's import can fail in any way
        raise VariantError(f"{where} cannot be loaded: {error}; mend or uninstall it") from error
    row = _checked(row, where)
    if row.key != point.name:
        raise VariantError(f"{where} is the row '{row.key}': give both one name")
    return row


def _from_module(name: str) -> Variant:
    path = os.getcwd()
    sys.path.insert(0, path)
    try:
        row = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise VariantError(
            f"--variants {name}: {error}; name an importable module and a Variant in it"
        ) from error
    finally:
        sys.path.remove(path)
    return _checked(row, f"--variants {name}")


def _fused(name: str, rows: Iterable[Variant]) -> Variant:
    """The row that `A+B` or `A+streams` names."""
    known = {row.key: row for row in rows}
    members: list[Member] = []
    keys: list[str] = []
    for part in name.split("+"):
        if part == STREAMS and members:
            row = members.pop().row
            if not row.takes_stream:
                raise VariantError(
                    f"--variants {name}: {row.key} makes graphs of positions and takes no streams"
                )
            members += streams_of(row)
            keys.append(STREAMS)
            continue
        if ":" not in part and part not in known:
            raise VariantError(
                f"--variants {name}: unknown variant '{part}': fuse rows by their keys (tcn+sgn), or a row's streams "
                f"(sgn+{STREAMS})"
            )
        row = _from_module(part) if ":" in part else known[part]
        if row.group == "control" or row.encoder is None:
            raise VariantError(
                f"--variants {name}: {row.key} cannot be fused: only trained rows with an encoder are"
            )
        members.append(Member(row))
        keys.append(row.key)
    names = [member.name for member in members]
    if len(set(names)) < max(2, len(names)):
        raise VariantError(f"--variants {name}: fusing needs two different members or more")
    return fused("+".join(keys), members)


def _checked(row: object, where: str) -> Variant:
    if not isinstance(row, Variant):
        raise VariantError(f"{where} is a {type(row).__name__}, not a skelbench.variants.Variant")
    if not _KEY.fullmatch(row.key):
        raise VariantError(f"{where}: the key '{row.key}' may hold only letters, digits, '-', '_' and '.'")
    if row.group not in GROUPS:
        raise VariantError(f"{where}: the group is '{row.group}', it must be one of {', '.join(GROUPS)}")
    for what, value, known in (("color", row.color, COLORS), ("marker", row.marker, MARKERS)):
        if value and value not in known:
            raise VariantError(
                f"{where}: the {what} is '{value}', it must be one of {', '.join(known)}, or empty"
            )
    return row
