"""Accuracies that others published on data sets of ours: shown beside a run, greyed, with what they are.

None of them is comparable with a run: they are best epochs on the test split, of one seed, and mostly of several
streams fused. What is listed was read in the source that is named with it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One published accuracy."""

    dataset: str
    protocol: str
    name: str
    top1: float
    """Per cent."""
    what: str
    """How it was reached."""
    source: str
    parameters: float | None = None
    """Millions, of one stream."""


_SOFA = "table in the README of KAIST-VICLab/SOfA"
FIGURES: tuple[Figure, ...] = tuple(
    Figure("NW-UCLA", "xview", *rest)
    for rest in (
        ("CTR-GCN", 96.5, "supervised, 4 streams fused", "Chen et al., ICCV 2021", 1.43),
        (
            "CTR-GCN, joint, rerun by users",
            93.5,
            "supervised, 1 stream, the higher of two reports",
            "issue 24 of Uason-Chen/CTR-GCN, issue 4 of SkeletonGCL",
            1.43,
        ),
        ("InfoGCN", 97.0, "supervised, 6 streams fused", "README of stnoah1/infogcn", 1.5),
        ("GL-Transformer", 90.4, "self-supervised, frozen encoder", _SOFA),
        ("Masked Colorization", 92.0, "self-supervised, frozen encoder", _SOFA),
        ("MCAE-MP", 84.9, "self-supervised, frozen encoder", _SOFA),
        ("P&C", 84.9, "self-supervised, frozen encoder, 1-NN, best step", _SOFA),
        ("LongT-GAN", 74.3, "self-supervised, frozen encoder", _SOFA),
    )
)


def figures(dataset: str, protocol: str) -> list[Figure]:
    """What was published on a data set with a protocol, highest first."""
    found = [item for item in FIGURES if (item.dataset, item.protocol) == (dataset, protocol)]
    return sorted(found, key=lambda item: -item.top1)
