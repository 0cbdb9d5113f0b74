"""The words of `--evaluate`, and the functions behind them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pkgutil import resolve_name
from typing import Any

from skelbench.options import ConfigError

Evaluate = Callable[..., Any]
"""`evaluate(frozen: Frozen, argument: str) -> Found`: the argument is what stands behind the colon, or ""."""

_PACKAGE = "skelbench.eval.protocols"
PROTOCOLS: dict[str, str] = {
    "linear": f"{_PACKAGE}.linear:linear",
    "knn": f"{_PACKAGE}.knn:knn",
    "semi": f"{_PACKAGE}.semi:semi",
    "finetune": f"{_PACKAGE}.finetune:finetune",
    "transfer": f"{_PACKAGE}.transfer:transfer",
    "robust": f"{_PACKAGE}.robust:robust",
}
"""Word and function, in the order in which they are shown."""
_ARGUMENTS = {
    "semi": "a share of the training clips, semi:0.1 for 10 %",
    "transfer": "a data set, transfer:hdm05.npz",
}
_SEMI = "semi"


def joined(words: Iterable[str]) -> tuple[str, ...]:
    """The words between the commas as protocols: ("semi:0.01", "0.1", "knn") is semi:0.01, semi:0.1 and knn."""
    found: list[str] = []
    for word in words:
        name, _, argument = word.partition(":")
        if _number(word) and found and found[-1].startswith(f"{_SEMI}:"):
            name, argument = _SEMI, word
        if name == _SEMI and _number(argument):
            argument = f"{float(argument):g}"
        found.append(f"{name}:{argument}" if argument else word)
    return tuple(dict.fromkeys(found))


def require_known(protocols: Iterable[str]) -> None:
    """Hold protocols, joined, against what there is.

    Raises:
        ConfigError: a word that is no protocol, or lacks its argument; the message says what there is.
    """
    for protocol in protocols:
        name, _, argument = protocol.partition(":")
        if name not in PROTOCOLS:
            known = ", ".join(PROTOCOLS)
            raise ConfigError(f"--evaluate: '{protocol}' is no protocol; choose from {known}")
        if name in _ARGUMENTS and not argument:
            raise ConfigError(f"--evaluate {protocol} needs {_ARGUMENTS[name]}")
        if argument and name not in _ARGUMENTS:
            raise ConfigError(f"--evaluate {protocol}: {name} takes nothing behind a colon")
        if name == _SEMI and not (_number(argument) and 0 < float(argument) < 1):
            raise ConfigError(f"--evaluate {protocol}: the share must be a number between 0 and 1")


def evaluator(protocol: str) -> tuple[Evaluate, str]:
    """The function of a protocol, and its argument."""
    name, _, argument = protocol.partition(":")
    return resolve_name(PROTOCOLS[name]), argument


def _number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
