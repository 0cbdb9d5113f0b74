"""What every command's options share: ranges, the mark of what `--resume` lets change, and one error."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, field, fields
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from annotated_types import Ge, Gt, Le, Lt

from skelbench.errors import SkelbenchError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

# Larger counts overflow the 32-bit numbers of some libraries, and no machine finishes them.
_MOST = 2**31 - 1

Count = Annotated[int, Ge(1), Le(_MOST)]
"""A whole number from 1."""
Seed = Annotated[int, Ge(0), Le(_MOST)]
"""A whole number from 0."""
Positive = Annotated[float, Gt(0), Lt(math.inf)]
"""A finite number above 0."""
NotNegative = Annotated[float, Ge(0), Lt(math.inf)]
"""A finite number, 0 or above."""
Share = Annotated[float, Ge(0), Lt(1)]
"""At least 0 and below 1."""


class ConfigError(SkelbenchError):
    """An option that cannot be used; one line that names it."""


def may_change(default: T) -> T:
    """A dataclass field that `--resume` lets change, since no result depends on it."""
    marked: T = field(default=default, metadata={"may_change": True})
    return marked


def changeable(options: DataclassInstance | type[DataclassInstance]) -> set[str]:
    """Names of the fields that were declared with `may_change`."""
    return {item.name for item in fields(options) if item.metadata.get("may_change")}


def parse_share(text: str) -> tuple[int, int]:
    """`i/n`: which share, from 0, and of how many.

    Raises:
        ConfigError: the text is not i/n with 1 <= i <= n.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(f"--shard is {text!r}: it must be i/n with i from 1 to n, 2/4 for instance")
    return int(found[1]) - 1, int(found[2])


def require_in_range(options: DataclassInstance) -> None:
    """Hold every option against the range of its type.

    Raises:
        ConfigError: the first option that is out of range, not finite, or of another type.
    """
    # Imported here: `--help` does not validate.
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(type(options)).validate_python(asdict(options))
    except ValidationError as error:
        first = error.errors()[0]
        names = [part for part in first["loc"] if isinstance(part, str) and part.islower()]
        raise ConfigError(f"--{names[-1].replace('_', '-')} is {first['input']!r}: {_must(first)}") from None


def _must(error: Mapping[str, Any]) -> str:
    """What pydantic's error asks for, as the end of a sentence."""
    if isinstance(error["input"], float) and not math.isfinite(error["input"]):
        return "it must be a finite number"
    message: str = error["msg"]
    return message.replace("Input should be", "it must be").replace("Input should", "it must")


def as_record(options: DataclassInstance) -> dict[str, Any]:
    """The options as a run stores them, paths as text; nested option groups are left out."""
    plain = {item.name: getattr(options, item.name) for item in fields(options)}
    return {
        name: str(value) if hasattr(value, "__fspath__") else value
        for name, value in plain.items()
        if not hasattr(value, "__dataclass_fields__")
    }
