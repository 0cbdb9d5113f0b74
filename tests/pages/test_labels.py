"""Labels of a scatter chart: none lies over another, over a point, or outside."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from skelbench.pages.labels import place

WITHIN = (0.0, 0.0, 300.0, 200.0)
CLEAR = 6.0

_points = st.lists(st.tuples(st.floats(10, 290), st.floats(10, 190)), max_size=25)


def boxes(points, sizes):
    found = []
    for centre, (width, height) in zip(place(points, sizes, WITHIN, CLEAR), sizes, strict=True):
        if centre is not None:
            x, y = centre
            found.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    return found


def overlap(a, b):
    return min(a[2], b[2]) - max(a[0], b[0]) > 1e-9 and min(a[3], b[3]) - max(a[1], b[1]) > 1e-9


@settings(max_examples=60)
@given(_points, st.integers(10, 120))
def test_no_label_lies_over_another_or_over_a_point(points, width):
    found = boxes(points, [(width, 9.0)] * len(points))
    for place_, box in enumerate(found):
        assert box[0] >= 0
        assert box[1] >= 0
        assert box[2] <= 300
        assert box[3] <= 200
        assert not any(overlap(box, other) for other in found[:place_])
        assert not any(overlap(box, (x - CLEAR, y - CLEAR, x + CLEAR, y + CLEAR)) for x, y in points)


def test_a_point_by_itself_has_its_label_at_its_right():
    ((x, y),) = place([(100.0, 100.0)], [(40.0, 9.0)], WITHIN, CLEAR)
    assert y == 100
    assert 100 + CLEAR <= x - 20 <= 100 + 2 * CLEAR


def test_points_in_a_heap_still_have_labels():
    heap = [(150 + 4 * math.cos(turn), 100 + 4 * math.sin(turn)) for turn in range(8)]
    assert len(boxes(heap, [(60.0, 9.0)] * 8)) == 8
