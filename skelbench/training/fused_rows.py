"""Rows that fuse others: `A+B`, and `A+streams` for A on joints, on bones and on motion. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from skelbench.runs.looks import Look
from skelbench.training.settings import InputStream, Settings
from skelbench.training.stream_rows import STREAM_ROWS
from skelbench.training.variant import Member, Variant

STREAMS = "streams"


def streams_of(row: Variant) -> list[Member]:
    """The row on each stream."""
    return [Member(row, stream) for stream in get_args(InputStream)]


def fused(key: str, members: Sequence[Member], look: Look | None = None) -> Variant:
    """The row that fuses its members; it stands in the first one's family and table."""
    first = members[0].row

    def packages(settings: Settings) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for member in members for name in member.row.packages(settings)))

    supervised = any(member.row.group == "supervised" for member in members)
    notes = dict.fromkeys(member.row.note for member in members if member.row.note)
    return Variant(
        key,
        f"Fused: {', '.join(member.name for member in members)}",
        "supervised" if supervised else "self-supervised",
        "skelbench.training.fused:late_fusion",
        members=tuple(members),
        restore="skelbench.training.fused:restore",
        one_person=any(member.row.one_person for member in members),
        takes_stream=all(member.row.takes_stream and member.stream is None for member in members),
        family=first.family,
        table=first.info.table,
        packages=packages,
        extra=next((member.row.extra for member in members if member.row.extra), ""),
        color=look.color if look else "",
        marker=look.marker if look else "",
        note=" ".join(
            [
                "The mean of its members' class probabilities, every weight 1: nothing is chosen. Each member is "
                "trained with the same seed as it is alone; parameters and costs are those of all of them.",
                *notes,
            ]
        ),
    )


def _built_in(key: str, look: Look) -> Variant:
    rows = {row.key: row for row in STREAM_ROWS}
    return fused(key, [Member(rows[part]) for part in key.split("+")], look)


FUSED_ROWS: tuple[Variant, ...] = (_built_in("tcn+graph-tcn", Look("steel", "*")),)
