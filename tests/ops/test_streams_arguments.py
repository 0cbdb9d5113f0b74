"""Arguments of the streams that do not fit are named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from skelbench import ops
from skelbench.ops import JointMaps, View, resampled_streams
from skelbench.ops.views import STREAMS
from tests.ops.places import needs_extension
from tests.ops.test_streams import MAPS, arguments, packed, times_of, view_of


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["clips.joints", "times", "view.maps", "view.limbs", "view.noise"])
def test_what_needs_a_gradient_is_refused_by_name(dtype: torch.dtype, name: str) -> None:
    clips, times, view = packed(4, 2, MAPS), times_of(4, 5), view_of(4, 2, 5, 11)
    clips = replace(clips, joints=clips.joints.to(dtype))
    owner = {"clips": clips, "view": view}.get(name.split(".")[0])
    (times if owner is None else getattr(owner, name.split(".")[1])).requires_grad_()
    with pytest.raises(ValueError, match=f"{name} needs a gradient"):
        resampled_streams(clips, times, MAPS, STREAMS, places=2, view=view)
    with torch.no_grad():
        found = resampled_streams(clips, times, MAPS, STREAMS, places=2, view=view)
    assert not found.channels.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("frames", 13, "clip 2"),
        ("frames", 0, "clip 2"),
        ("frames", 2**62, "clip 2"),
        ("bodies", 0, "clip 2"),
        ("bodies", 2**62, "clip 2"),
        ("offsets", -1, "rows of joints"),
        ("offsets", 2**62, "rows of joints"),
        ("times", 1.5, "times"),
        ("times", float("nan"), "times"),
        ("axis", 3, "axis"),
        ("axis", -2, "axis"),
    ],
)
def test_a_wrong_value_is_named(dtype: torch.dtype, field: str, value: float, message: str) -> None:
    clips, times, view = packed(3, 2, MAPS), times_of(3, 5), view_of(3, 2, 5, 11)
    clips = replace(clips, joints=clips.joints.to(dtype))
    wrong = times if field == "times" else getattr(view if field == "axis" else clips, field)
    wrong[2] = value
    with pytest.raises((ValueError, RuntimeError), match=message):
        resampled_streams(clips, times, MAPS, STREAMS, places=2, view=view)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("root", 11, r"root must be in \[0, 10\]"),
        ("origin", (), "origin has no joint"),
        ("origin", (1, 2, 3, 4, 5), "origin has 5 entries"),
        ("mirrored", (0,), "mirrored has 1 joints"),
        ("mirrored", (1, 2, 0, 3, 4, 5, 6, 7, 8, 9, 10), "mirrored must be pairs"),
        ("parents", (1, 2, 0, 3, 4, 5, 6, 7, 8, 9, 10), "3 joints run in a circle"),
        ("parents", (0,) * 257, "257 joints"),
        ("landmarks", (11,), "landmarks"),
        ("landmarks", (0,) * 17, "17 entries"),
        ("torso", ((0, 11),), "torso"),
        ("torso", ((0, 1),) * 5, "5 entries"),
    ],
)
def test_joints_that_do_not_fit_are_named(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(MAPS, **{field: value})
    if not ops.built:
        return
    # Past the checks in Python.
    given = list(arguments(packed(3, 2, MAPS), times_of(3, 5), View()))
    place = 5 + [*JointMaps.__dataclass_fields__].index(field)
    given[place] = [joint for pair in value for joint in pair] if field == "torso" else value
    with pytest.raises(RuntimeError, match=field if field != "mirrored" else "mirrored|parents"):
        torch.ops.skelbench.resampled_streams(*(list(x) if isinstance(x, tuple) else x for x in given))


@needs_extension
@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, torch.ones(9, 4, 3), "joints must be"),
        (1, torch.ones(2, dtype=torch.int64), "offsets"),
        (4, torch.ones(3, 0), "times"),
        (11, [], "streams must name"),
        (11, [0, 0], "stands twice"),
        (11, [6], "no stream"),
        (12, 0, "places"),
        (13, 3, "up must be"),
        (14, 0.0, "unit must be"),
        (15, torch.ones(3, 9), "maps"),
        (16, torch.ones(3, 10), "limbs"),
        (18, torch.ones(3, 2, 4, 11, 3), "noise"),
        (20, torch.ones(3), "axis must be int64"),
    ],
)
def test_torch_ops_name_a_wrong_argument(place: int, value: Any, message: str) -> None:
    given = list(arguments(packed(3, 2, MAPS), times_of(3, 5), View()))
    given[place] = value
    with pytest.raises(RuntimeError, match=message):
        torch.ops.skelbench.resampled_streams(*(list(x) if isinstance(x, tuple) else x for x in given))
