"""Where the labels of a scatter chart go: near their points, over no other label and no point, within the chart."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""

# Directions that are tried, right first, and how far from the point (in units of the label's height).
_TURNS = (0.0, 0.5, -0.5, 1.0, 0.25, -0.25, 0.75, -0.75, 0.12, -0.12, 0.88, -0.88, 0.38, -0.38, 0.62, -0.62)
_FAR = (0.75, 1.3, 2.0, 2.9, 4.0, 5.4, 7.0)


def place(
    points: Sequence[Point], sizes: Sequence[tuple[float, float]], within: Box, clear: float
) -> list[Point | None]:
    """The centre of every label, or None where there is no room for it.

    The points with the most neighbours choose first. Of the places of one label the nearest that is free is taken.

    Args:
        points: what the labels belong to.
        sizes: width and height of each label.
        within: where labels may lie.
        clear: half a side of the square about every point that stays free.
    """
    taken = [(x - clear, y - clear, x + clear, y + clear) for x, y in points]
    found: list[Point | None] = [None] * len(points)
    near = [sum(math.dist(a, b) < 12 * clear for b in points) for a in points]
    for index in sorted(range(len(points)), key=lambda index: -near[index]):
        x, y = points[index]
        width, height = sizes[index]
        for far in _FAR:
            for turn in _TURNS:
                across, up = math.cos(turn * math.pi), math.sin(turn * math.pi)
                # A label to the side begins beside its point, a label above or below is centred.
                centre = (x + across * (far * height + width / 2), y + up * (far * height + height / 2))
                box = _box(centre, width, height)
                if found[index] is None and _inside(box, within) and not any(_meet(box, b) for b in taken):
                    found[index] = centre
                    taken.append(box)
    return found


def _box(centre: Point, width: float, height: float) -> Box:
    x, y = centre
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _inside(box: Box, within: Box) -> bool:
    return box[0] >= within[0] and box[1] >= within[1] and box[2] <= within[2] and box[3] <= within[3]


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
