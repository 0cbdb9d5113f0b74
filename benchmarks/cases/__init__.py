"""The benchmark cases, each defined once: pytest-benchmark, asv, `benchmarks.compare` and CI all run these."""

from __future__ import annotations

from importlib import import_module

from benchmarks.cases.case import SIZES, Case, Contender, Instance, Problem, Unavailable

FAMILIES = (
    "contrastive", "ragged", "streams", "training", "inference", "stream", "wl", "graph2vec", "skeleton_file",
)  # fmt: skip
"""Modules that define CASES. A family is imported only when it is asked for, because asv runs the suite on commits of
skelbench that lack some ops."""

__all__ = [
    "FAMILIES",
    "SIZES",
    "Case",
    "Contender",
    "Instance",
    "Problem",
    "Unavailable",
    "family",
    "find",
    "instances",
]


def family(name: str) -> tuple[Case, ...]:
    """The cases of one module."""
    cases: tuple[Case, ...] = import_module(f"benchmarks.cases.{name}").CASES
    return cases


def instances(size: str = "default", device: str = "cpu", keyword: str = "") -> list[Instance]:
    """Every case at its sizes, on the device, whose id contains one of the comma-separated keywords ("": all)."""
    words = keyword.split(",")
    return [
        instance
        for name in FAMILIES
        for case in family(name)
        if device in case.devices
        for instance in (Instance(name, case, parameters, device) for parameters in case.parameters(size))
        if any(word in f"{instance.family}/{instance.id}" for word in words)
    ]


def find(family_name: str, identifier: str, device: str = "cpu") -> Instance:
    """The instance with this id. Raises KeyError."""
    for case in family(family_name):
        if device not in case.devices:
            continue
        for parameters in case.small + case.default + case.more:
            if (instance := Instance(family_name, case, parameters, device)).id == identifier:
                return instance
    raise KeyError(f"{family_name} has no case '{identifier}'")
