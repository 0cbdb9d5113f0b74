"""Pages in headless Chromium: nothing that axe-core objects to, and what their scripts do. Skips where neither is."""

import base64
import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from skelbench.pages import compare as compare_page
from skelbench.pages import tune, view
from skelbench.pages.run import render
from skelbench.runs.compare import compare
from skelbench.runs.folder import RunFolder
from skelbench.runs.samples import Figure
from tests.pages import browser
from tests.pages.test_odd_runs import study, trials
from tests.runs.made_up import write_run

READER = (Path(__file__).parent / "reader.js").read_text()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Every kind of page."""
    folder = tmp_path_factory.mktemp("pages")
    accuracies = (("conmlp-supcon", 0.6), ("conmlp-ntxent", 0.9), ("lab & co", 0.7), ("majority", 0.2))
    write_run(folder / "one", accuracies, classes=60, test=300, map_clips=30, worst=2)
    write_run(folder / "two", (("conmlp-supcon", 0.5),), classes=60, test=300)
    return {
        "report": render(RunFolder(folder / "one").load(), RunFolder(folder / "one")),
        "compare": compare_page.render(compare([folder / "one", folder / "two"])),
        "tune": tune.render(study(trials(14, lambda number: 0.4 + number / 50))),
        "view": view.render(shown()),
    }


def does(page, what, folder, dark=False):
    """What one of the reader's deeds gives."""
    return browser.run(page, f"return reader.{what}();", folder, dark, scripts=READER)


def shown() -> view.Shown:
    """A clip of 91 frames at 15 a second, of which 31 are shown; the class changes half way."""
    data = base64.b64encode(np.arange(31 * 3 * 3, dtype=np.uint8).tobytes()).decode()
    figure = Figure("clip", 91, 31, 1, 3, data, [], fps=15.0)
    frames = list(range(1, 92, 10))
    probability = np.array([[0.8, 0.15, 0.05] if frame < 46 else [0.3, 0.6, 0.1] for frame in frames])
    said = view.Said("a model", frames, probability, ("sit", "stand", "wave"), [1, 0])
    return view.Shown(
        "clip", False, [("Frames", "91")], "sit", [(1, 0), (2, 1)], [("the clip", figure)] * 3, said
    )


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["report", "compare", "tune", "view"])
def test_axe_finds_nothing(pages, name, dark, tmp_path):
    assert browser.violations(pages[name], tmp_path, dark, width=400 if dark else 1400) == []


def test_axe_would_find_something(tmp_path):
    bad = "<!doctype html><html><body><img src='data:,'><p style='color:#ccc'>pale</p></body></html>"
    rules = {line.split(":")[0] for line in browser.violations(bad, tmp_path)}
    assert {"image-alt", "color-contrast", "html-has-lang"} <= rules


def test_the_table_sorts_filters_and_chooses(pages, tmp_path):
    found = does(pages["report"], "sorts", tmp_path)
    assert found["begin"] == ["conmlp-supcon", "conmlp-ntxent", "lab & co", "majority"]
    assert found["within"] == found["begin"]  # one row in every table
    assert found["sort"] == "descending"
    assert found["flat"] == ["conmlp-ntxent", "lab & co", "conmlp-supcon", "majority"]
    assert found["headings"] == 0
    assert found["up"] == found["flat"][::-1]
    assert found["byName"] == ["conmlp-ntxent", "conmlp-supcon", "lab & co", "majority"]
    assert found["control"] == ["majority"]
    assert found["status"] == "1 of 4 variants"
    assert found["lab"] == ["lab & co"]
    assert len(found["hidden"]) > 1
    assert all(found["hidden"])
    assert set(found["focusable"]) == {0}


def test_the_table_is_copied_as_it_is_shown(pages, tmp_path):
    found = does(pages["report"], "copies", tmp_path)
    titles, *rows = csv.reader(io.StringIO(found["CSV"]))
    assert titles[:4] == ["variant", "top-1 %", "top-1 % deviation", "95 % interval"]
    assert [row[0] for row in rows] == ["conmlp-supcon", "conmlp-ntxent", "lab & co", "majority"]
    assert all(len(row) == len(titles) for row in rows)
    for row in rows:
        assert 0 < float(row[1]) < 100
        assert 0 < float(row[2]) < 20
    assert "published %" not in titles
    lines = found["Markdown"].splitlines()
    assert lines[1].startswith("| --- | ---: |")
    assert lines[4].startswith("| lab &amp; co | ")
    assert len({line.count(" | ") for line in lines[2:]}) == 1
    assert "lab \\& co & " in found["LaTeX"]
    assert "$\\pm$" in found["LaTeX"]
    assert found["LaTeX"].count("\\midrule") == 4
    assert "top-1 \\%" in found["LaTeX"]
    assert found["said"] == "Copied as LaTeX."


def test_formulas_and_commas_do_nothing_in_a_spreadsheet(pages, tmp_path):
    assert list(csv.reader(io.StringIO(does(pages["report"], "formulas", tmp_path)))) == [
        ["variant", "speed", "top", "top deviation"],
        ["'=1+1", "1234.5", 'a, "b"', ""],
        ["'-x", "", "50.0", "1.2"],
    ]


def test_tabs_by_keyboard_and_what_they_show(pages, tmp_path):
    found = does(pages["report"], "tabs", tmp_path)
    assert found["begin"] == [True, False, False, False]
    assert found["order"] == [0, -1, -1, -1]
    assert found["right"] == [False, True, False, False]
    assert found["focus"] == "conmlp-ntxent"
    assert found["end"] == [False, False, False, True]
    assert found["round"] == found["begin"]


def test_the_matrix_of_sixty_classes_is_readable_and_has_a_table_beside_it(pages, tmp_path):
    found = does(pages["report"], "matrix", tmp_path)
    assert found["alt"].startswith("Confusion matrix of conmlp-supcon, 60 classes: ")
    assert "taken for class <" in found["alt"]
    assert found["fits"][0]
    assert found["fits"][1] >= 60 * 10.5  # names of sixty classes can be read
    assert found["zoomed"][0]
    assert found["zoomed"][1] > 4 * found["fits"][1]
    assert found["worst"] != found["name"] == "class <0> of people"
    assert found["sorted"] == "ascending"


@pytest.mark.parametrize("dark", [False, True])
def test_text_on_any_cell_can_be_read(pages, dark, tmp_path):
    least, card = does(pages["report"], "contrast", tmp_path, dark)
    assert least >= 4.5
    assert (card == "#1c1f25") == dark


def test_cells_say_per_cent_with_its_sign_or_counts(tmp_path):
    write_run(tmp_path / "run", (("conmlp-supcon", 0.75), ("majority", 0.2)), (0,), classes=3, test=60)
    page = render(RunFolder(tmp_path / "run").load(), RunFolder(tmp_path / "run"))
    counts, shares = does(page, "cells", tmp_path)
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    confusion = data["variants"][0]["confusion"]
    assert [int(text) for text in counts if text.isdecimal()][: sum(map(bool, confusion))] == [
        c for c in confusion if c
    ]
    written = [text for text in shares if text.endswith(" %")]
    assert [int(text[:-2]) for text in written[: sum(map(bool, confusion))]] == [
        round(100 * count / 20) for count in confusion if count
    ]


def test_print_is_light_whole_and_shows_every_variant(pages, tmp_path):
    found = does(pages["report"], "prints", tmp_path, dark=True)
    assert found["ink"] == found["back"] == "#e9eaee"
    assert found["paper"] == "#1d2129"
    assert 300 < found["width"] <= 700
    assert found["open"] == 4
    assert found["after"] == 1


def test_a_clip_plays_pauses_and_is_scrubbed_at_its_own_rate(pages, tmp_path):
    found = does(pages["view"], "plays", tmp_path)
    assert found["seconds"] == pytest.approx(91 / 15)
    # 2 seconds are 30 of 91 frames; the last one rests for half a second.
    assert found["at"] == [0, 10, 30, 30, 0]
    assert found["begin"] == "Pause"
    assert found["held"] == "Play"
    assert found["ten"] == "31 of 91: sit 80 % ✓"
    assert found["moments"] == [10, 10, 10]
    assert found["last"] == "91 of 91: stand 60 % ✗"
    assert found["text"] == "frame 91 of 91: stand 60 % ✗"
    assert found["playing"] == "Pause"
    assert found["paused"] == "Play"
    assert found["moved"] == [found["moved"][0]] * 3
    assert 8 <= found["moved"][0] <= 12  # after about two seconds
    assert found["turned"] == pytest.approx(0.2)
