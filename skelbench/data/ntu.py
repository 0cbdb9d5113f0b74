"""What NTU RGB+D and NTU RGB+D 120 prescribe: names, protocols, subjects, and the official sizes of the splits.

Sources: Shahroudy et al., "NTU RGB+D", CVPR 2016 (60 classes); Liu et al., "NTU RGB+D 120", TPAMI 2020.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelbench.data.clips import Clips, IntArray
from skelbench.data.packing import offsets_of
from skelbench.data.skeletons import NTU_25

NTU_60 = "NTU RGB+D"
NTU_120 = "NTU RGB+D 120"

# Frames of the longest clip, and of the padded row that the public pipelines write.
LENGTH = 300
MAX_BODIES = 2

TRAIN_SUBJECTS_60 = frozenset(
    {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38},
)
TRAIN_SUBJECTS_120 = TRAIN_SUBJECTS_60 | frozenset(
    {
        45,
        46,
        47,
        49,
        50,
        52,
        53,
        54,
        55,
        56,
        57,
        58,
        59,
        70,
        74,
        78,
        80,
        81,
        82,
        83,
        84,
        85,
        86,
        89,
        91,
        92,
        93,
        94,
    }
    | {95, 97, 98, 100, 103},
)
TRAIN_CAMERAS = frozenset({2, 3})

OFFICIAL_COUNTS = {
    (NTU_60, "xsub"): (40_091, 16_487),
    (NTU_60, "xview"): (37_646, 18_932),
    (NTU_120, "xsub"): (63_026, 50_919),
    (NTU_120, "xset"): (54_468, 59_477),
}
"""Train and test clips by (dataset, protocol), once the clips of the official missing-skeleton lists are left out."""

_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")


class Name(NamedTuple):
    """The numbers in a clip name SsssCcccPpppRrrrAaaa, all 1-based."""

    setup: int
    camera: int
    subject: int
    replication: int
    action: int


def parse_name(name: str) -> Name | None:
    """The numbers of `name`, or None where it is not exactly SsssCcccPpppRrrrAaaa."""
    match = _NAME.fullmatch(name)
    return Name(*map(int, match.groups())) if match else None


def dataset_of(classes: int, setups: int = 0) -> str:
    """NTU RGB+D 120 adds classes 61-120 and setups 18-32; what has neither is NTU RGB+D."""
    return NTU_120 if classes > 60 or setups > 17 else NTU_60


def class_names(classes: int) -> tuple[str, ...]:
    """A001, A002, ...: the classes by their official numbers."""
    return tuple(f"A{number:03d}" for number in range(1, classes + 1))


def clips_by_name(
    names: Sequence[str], joints: NDArray[np.float32], frames: IntArray, bodies: IntArray, **others: Any
) -> Clips:
    """Clips whose names SsssCcccPpppRrrrAaaa, all of that form, tell label, subject, camera, setup and replication.

    `joints` is float32 (sum of frames * bodies, 25, 3); `others` are the remaining fields of `Clips`.
    """
    numbers = np.array([parse_name(name) for name in names], dtype=np.int64)
    setup, camera, subject, replication, action = np.ascontiguousarray(numbers.T)
    return Clips(
        joints=joints,
        offsets=offsets_of(frames, bodies),
        bodies=bodies,
        label=action - 1,
        names=np.array(names, dtype=str),
        subject=subject,
        camera=camera,
        setup=setup,
        replication=replication,
        skeleton=NTU_25,
        max_bodies=MAX_BODIES,
        **others,
    )
