"""One colour and one marker per variant: fixed for built-in rows, stable for all others."""

import random
from dataclasses import replace

from skelbench.runs.looks import COLORS, MARKERS, looks
from skelbench.runs.results import Results, VariantInfo
from skelbench.variants import VARIANTS
from tests.runs.made_up import write_run

BUILT_IN = [row.info for row in VARIANTS]


def outside(key, **changes) -> VariantInfo:
    return VariantInfo(key, key, "supervised", "lab", "lab", **changes)


def test_a_run_stores_what_the_registry_says(tmp_path):
    write_run(tmp_path)
    stored = Results.load(tmp_path / "results.json").variants
    assert [(row.color, row.marker) for row in stored] == [("blue", "o"), ("grey", "X")]
    assert {key: (look.color, look.marker) for key, look in looks(stored).items()} == {
        "conmlp-supcon": ("blue", "o"),
        "majority": ("grey", "X"),
    }


def test_yesterdays_look_is_kept_when_the_registry_changes():
    row = replace(BUILT_IN[0], color="umber", marker="h")
    assert looks([row, *BUILT_IN[1:]])[row.key].color == "umber"


def test_rows_without_a_look_take_what_is_left_whatever_their_order():
    rows = [*BUILT_IN[:4], *(outside(f"lab-{index}") for index in range(8))]
    found = looks(rows)
    assert len({look.color for look in found.values()}) == len({look.marker for look in found.values()}) == 12
    random.Random(0).shuffle(rows)
    assert looks(rows) == found


def test_no_two_look_alike_while_there_are_pairs_left():
    rows = [outside(f"lab-{index}") for index in range(len(COLORS) * len(MARKERS))]
    assert len(set(looks(rows).values())) == len(rows)
    assert len(looks([*rows, outside("one more")])) == len(rows) + 1


def test_a_look_that_is_not_known_is_replaced():
    found = looks([outside("lab", color="mauve", marker="o"), *BUILT_IN])
    assert found["lab"].color in COLORS
    assert found["lab"] not in [found[row.key] for row in BUILT_IN]
