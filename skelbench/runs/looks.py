"""How a variant looks in every chart: one colour and one marker, fixed by its row.

A built-in row names both in the registry, and a run stores them. A row from outside, and a row of a run that stored
none, takes what the others leave over, by its key alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from skelbench.runs.results import VariantInfo

COLORS = (
    "blue",
    "orange",
    "teal",
    "rose",
    "green",
    "violet",
    "red",
    "olive",
    "steel",
    "plum",
    "brown",
    "navy",
    "umber",
    "grey",
)
"""Names of the palette, which `pages/templates/style.css` gives values for light and for dark pages."""
MARKERS = ("o", "s", "^", "D", "v", "P", "*", "<", ">", "h", "d", "p", "X")
"""As matplotlib names them."""


@dataclass(frozen=True)
class Look:
    """A colour of `COLORS` and a marker of `MARKERS`."""

    color: str
    marker: str

    @property
    def series(self) -> int:
        """Place of the colour in `COLORS`."""
        return COLORS.index(self.color)


def looks(rows: Iterable[VariantInfo]) -> dict[str, Look]:
    """The look of every row, by its key.

    A stored look is kept. Rows without one are taken in the order of their keys, so that the order of a run does not
    matter. Each starts at a place of its own (CRC-32 of the key) and takes the first colour and marker that no other
    row has; when all are taken, the first pair that no other row has.

    Args:
        rows: the variants of one run or of several; a key may come more than once.
    """
    every = list(rows)
    found: dict[str, Look] = {}
    for row in every:
        if row.color in COLORS and row.marker in MARKERS:
            found.setdefault(row.key, Look(row.color, row.marker))
    for key in sorted({row.key for row in every} - found.keys()):
        found[key] = _left_over(key, found)
    return found


def _left_over(key: str, taken: Mapping[str, Look]) -> Look:
    start = zlib.crc32(key.encode())
    colors, markers = _turned(COLORS, start), _turned(MARKERS, start // len(COLORS))
    used = {look.color for look in taken.values()}, {look.marker for look in taken.values()}
    free = [name for name in colors if name not in used[0]], [name for name in markers if name not in used[1]]
    pairs = (Look(*pair) for pair in product(free[0] or colors, free[1] or markers))
    every = (Look(*pair) for pair in product(colors, markers))
    known = set(taken.values())
    fallback = Look(colors[0], markers[0])
    return next((look for look in (*pairs, *every) if look not in known), fallback)


def _turned(names: Sequence[str], start: int) -> tuple[str, ...]:
    place = start % len(names)
    return (*names[place:], *names[:place])
