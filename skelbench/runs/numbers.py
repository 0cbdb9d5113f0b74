"""How numbers are written on the terminal, in Markdown and on a page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

# Points are shown with one digit; half of the last digit.
_INVISIBLE = 0.05


def percent(share: float) -> str:
    """A share between 0 and 1 in per cent, one digit."""
    return f"{100 * share:.1f}"


def mean_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample deviation (n - 1); None for the deviation of one value."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None


def spread(shares: Sequence[float | None]) -> str:
    """Mean and sample deviation in per cent of the values that are known, "-" where none is."""
    known = [share for share in shares if share is not None]
    if not known:
        return "-"
    mean, deviation = mean_deviation(known)
    return percent(mean) if deviation is None else f"{percent(mean)} ± {percent(deviation)}"


def median(values: Sequence[float | None]) -> str:
    """Median of the values that are known, without decimals, "-" where none is."""
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):,.0f}" if known else "-"


def points(difference: float) -> str:
    """A difference of shares in points, with its sign; no "-0.0"."""
    value = 100 * difference
    return f"{0.0 if abs(value) < _INVISIBLE else value:+.1f}"


def probability(p: float) -> str:
    """A p-value with two digits."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.2g}" if p < 0.995 else "p = 1"


def significant(value: float) -> str:
    """Four significant digits, large numbers whole: `0.0123`, `985.3`, `25,250`."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
