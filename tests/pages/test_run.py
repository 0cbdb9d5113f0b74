"""report.html: what it says, that it stands alone, and that it stays small."""

import json
import re
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest
from matplotlib.markers import MarkerStyle

from skelbench.eval import samples
from skelbench.pages import charts, marks, overview
from skelbench.pages.markdown import markdown
from skelbench.pages.run import render, write
from skelbench.runs.folder import RunFolder
from skelbench.runs.looks import MARKERS
from tests.conftest import make_clips
from tests.pages.parsed import parse
from tests.runs.made_up import write_run

VARIANTS = (
    "conmlp-supcon",
    "conmlp-tcl",
    "conmlp-recon",
    "conmlp-ntxent",
    "conmlp-tcl-self",
    "conmlp-recon-self",
)


def page_of(folder) -> str:
    return write(RunFolder(folder)).read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("run")
    accuracies = (("conmlp-supcon", 0.9), ("conmlp-tcl", 0.88), ("majority", 0.2))
    write_run(folder, accuracies, test=300, map_clips=30, worst=2)
    return page_of(folder)


def stands_alone(page) -> bool:
    """Whether a page asks for nothing: no address but namespaces, no source, style sheet or import."""
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    return not re.search(r"<link|<script[^>]+src=|<img|@import|url\((?!#)|fetch\(", page)


def test_it_stands_alone(page):
    assert stands_alone(page)


def test_synthetic_data_are_said_at_the_top_in_the_title_and_at_the_end(page):
    assert "<title>SYNTHETIC DATA: " in page
    assert page.index("SYNTHETIC DATA: made-up skeletons") < page.index("<h1>")
    assert "Synthetic data" in page[page.index("<footer>") :]


def test_real_data_are_not_called_synthetic(tmp_path):
    write_run(tmp_path, synthetic=False)
    assert "synthetic data" not in page_of(tmp_path).lower()


def test_order_is_claimed_only_where_it_holds(page):
    lead = page[page.index('class="verdict"') : page.index('id="accuracy"')]
    assert "It beats majority on the same clips" in lead
    assert "Its lead over" in lead
    assert "conmlp-tcl may be chance" in lead or "conmlp-supcon may be chance" in lead
    assert "Every trained variant beats the best control (majority" in lead


def test_a_variant_no_better_than_the_best_control_is_named(tmp_path):
    write_run(tmp_path, (("conmlp-supcon", 0.5), ("raw-linear", 0.52)))
    assert "Not shown to be better than the best control (raw-linear" in page_of(tmp_path)


def test_what_a_reader_has_to_know_of_a_row_is_said(tmp_path):
    results = write_run(tmp_path, (("tcn-multiview", 0.9), ("majority", 0.2)))
    note = results.variant("tcn-multiview").note
    assert "action number" in note
    # Below the table, and where the row is shown.
    assert page_of(tmp_path).count(note) == 2
    assert note in markdown(results)


def test_names_from_the_data_are_escaped(page):
    assert "class <0>" not in page
    assert "class \\u003c0>" in page  # in the script's data


def test_the_embedded_data_are_the_scores(page):
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])
    assert [variant["key"] for variant in data["variants"]] == ["conmlp-supcon", "conmlp-tcl", "majority"]
    for variant in data["variants"]:
        assert sum(variant["confusion"]) == 2 * 300  # two seeds, every test clip
    assert len(data["variants"][0]["map"]["x"]) == 30


def test_what_was_published_stands_beside_its_own_data_only(page, tmp_path):
    assert "68.16" not in page
    assert "NITAP" not in page
    accuracies = (("conmlp-tcl", 0.88), ("majority", 0.2))
    write_run(tmp_path, accuracies, dataset="NTU RGB+D", protocol="xsub", synthetic=False, map_clips=30)
    beside = page_of(tmp_path)
    row = beside[beside.index("<small>ConMLP, TCL</small>") :].split("</tr>")[0]
    assert '<td class="published">68.16</td>' in row
    assert "they are no target for this run" in beside
    assert "Data: NTU RGB+D, xsub here" in beside


def test_figures_of_others_stand_greyed_below_their_own_data_set_only(page, tmp_path):
    assert "Published elsewhere" not in page
    write_run(tmp_path, dataset="NW-UCLA", protocol="xview", synthetic=False)
    below = page_of(tmp_path)
    rows = re.findall(r'<tr class="published"><th scope="row">([^<]+)</th><td>([\d.]+)</td>', below)
    assert ("GL-Transformer", "90.4") in rows
    assert [float(top1) for _, top1 in rows] == sorted((float(top1) for _, top1 in rows), reverse=True)
    assert "Not comparable with this run: best epochs on the test split" in below
    write_run(tmp_path, dataset="NW-UCLA", protocol="xsub", synthetic=False)
    assert "Published elsewhere" not in page_of(tmp_path)


def test_the_page_begins_with_accuracy_against_what_a_model_costs(page):
    order = [page.index(words) for words in ('id="accuracy"', "Top-1 against parameters", "Top-1 by variant")]
    assert order == sorted(order)
    for words in ("Top-1 against multiply-adds", "Top-1 against latency"):
        assert page.index(words) < page.index("Top-1 by variant") < page.index("Top-1 against training")


def test_a_self_supervised_row_is_held_against_the_best_control(tmp_path):
    accuracies = (("tcn-ntxent", 0.9), ("mlp-ntxent", 0.4), ("raw-linear", 0.55), ("majority", 0.2))
    write_run(tmp_path, accuracies, test=300)
    text = page_of(tmp_path)
    rows = re.findall(
        r'<th scope="row">([\w-]+)</th><td>classifier</td><td>([\w-]+)</td>.*?<td>([^<]*)</td></tr>', text
    )
    assert rows == [("tcn-ntxent", "raw-linear", "beats it"), ("mlp-ntxent", "raw-linear", "below it")]


def test_a_large_run_stays_below_15_mb(tmp_path):
    """60 classes, 8 variants, 18,932 clips; seeds add a thin line to each curve."""
    accuracies = tuple((key, 0.8) for key in (*VARIANTS, "majority", "raw-linear"))
    write_run(
        tmp_path,
        accuracies,
        (0, 1),
        60,
        18_932,
        epochs=1000,
        map_clips=samples.MAP_CLIPS,
        worst=samples.WORST,
    )
    assert write(RunFolder(tmp_path)).stat().st_size < 5e6


def test_an_unfinished_run_has_a_page(tmp_path):
    write_run(tmp_path, ())
    assert "No variant is finished yet." in page_of(tmp_path)


def test_pareto_front():
    assert overview.pareto([(1, 5), (2, 4), (2, 3), (0, 6), (1, 5)]) == {0, 1, 3, 4}


def test_charts_follow_the_page_and_repeat_to_the_byte():
    dots = [overview.Dot("a", "control", charts.series(3), "X", 50.0, 40.0, 60.0, (45.0, 55.0))]
    drawn = overview.accuracy(dots, 50.0)
    assert drawn == overview.accuracy(dots, 50.0)
    assert "var(--s3)" in drawn
    assert "var(--ink)" in drawn
    assert not re.search(r"#0[1-4][0-9a-f]{4}\b", drawn)


def test_every_picture_has_a_text_alternative(page):
    document = parse(page)
    pictures = document.all("svg", class_="chart") + document.all("canvas", class_="map")
    assert len(pictures) > 10
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        assert len(picture.attributes["aria-label"]) > 20
    first, by_variant = (picture.attributes["aria-label"] for picture in (pictures[0], pictures[3]))
    assert first.startswith("Top-1 against parameters, millions: conmlp-supcon 8")
    assert by_variant.startswith("Top-1 by variant: conmlp-supcon 8")
    for mark in document.all("svg", class_="mark"):
        assert mark.attributes["aria-hidden"] == "true"
    for frame in document.all("div", class_="scroll"):
        assert frame.attributes["tabindex"] == "0"
        assert frame.attributes["aria-label"]


def test_text_of_charts_is_legible_on_a_phone(page):
    """400 pixels wide: 14 of the page and 9 of the figure are lost on each side."""
    sizes = {}
    for chart in re.findall(r'<svg [^>]*class="chart".*?</svg>', page, re.DOTALL):
        width = float(re.search(r'viewBox="0 0 ([\d.]+)', chart)[1])
        least = min(map(float, re.findall(r"font-size: ([\d.]+)px", chart)))
        sizes[re.search(r'aria-label="([^"]{30})', chart)[1]] = least * (400 - 2 * 23) / width
    assert len(sizes) > 5
    assert min(sizes.values()) >= 10, sizes


def test_a_variant_looks_the_same_in_every_legend_table_and_chart(page):
    document = parse(page)
    look = {item.text: outlines(item.one("svg")) for item in document.all("ul", class_="legend")[0].all("li")}
    assert list(look) == ["conmlp-supcon", "conmlp-tcl", "majority"]
    assert len({str(own) for own in look.values()}) == 3
    for row in document.one("table", id="results").all("th", scope="row"):
        key = row.one("span").text
        assert outlines(row.one("svg")) == look[key]
    for tab in document.one("div", role="tablist").all("button"):
        assert outlines(tab.one("svg")) == look[tab.text]
    # What the legend draws is what the chart draws: for controls too.
    style = look["majority"][1]
    (chart,) = [
        chart
        for chart in document.all("svg", class_="chart")
        if chart.attributes["aria-label"].startswith("Top-1 by variant")
    ]
    drawn = {use.attributes.get("style", "").split(";")[0] for use in chart.all("use")}
    assert style.split(";")[0].replace(":", ": ") in drawn


def outlines(mark):
    return [path.attributes["d"] for path in mark.all("path")], mark.attributes["style"]


@pytest.mark.parametrize("marker", MARKERS)
def test_a_mark_has_the_outline_of_its_marker(marker):
    found = parse(marks.mark(marker, "var(--s0)")).all("path")[0].attributes["d"]
    numbers = np.array(re.findall(r"-?[\d.]+(?:e-?\d+)?", found), dtype=float).reshape(-1, 2)
    style = MarkerStyle(marker)
    outline = style.get_transform().transform_path(style.get_path())
    low, high = outline.get_extents().min, outline.get_extents().max
    assert numbers.min(0) == pytest.approx([low[0], -high[1]], abs=0.02)
    assert numbers.max(0) == pytest.approx([high[0], -low[1]], abs=0.02)


def test_the_table_has_the_time_and_says_what_it_is(page):
    document = parse(page)
    titles = [head.text for head in document.one("table", id="results").one("thead").all("th")]
    for row in document.one("table", id="results").all("tr"):
        if "data-family" in row.attributes:
            assert len(row.children) == len(titles)
            assert row.children[titles.index("time s")].text == "1.0"
            assert row.attributes["data-group"] in ("supervised", "control")
    assert "Time: training, scoring and measuring, median over seeds." in document.text
    heads = document.all("tr", class_="group")
    assert [head.text for head in heads] == ["Supervised", "Controls"]
    assert heads[0].one("th").attributes["colspan"] == str(len(titles))


def test_links_to_files_are_addresses(tmp_path):
    write_run(tmp_path, (("lab#1?x%20", 0.5),), (0,))
    links = [link.attributes["href"] for link in parse(page_of(tmp_path)).all("a")]
    assert "scores/lab%231%3Fx%2520-seed0.npz" in links
    assert all((tmp_path / unquote(link)).exists() for link in links if link.startswith("scores/"))


def test_a_stage_of_one_epoch_is_seen():
    drawn = charts.curve("loss", charts.Line([1], [[0.5]]), charts.series(0), "lab")
    assert drawn.count("<use") > 3


@pytest.mark.parametrize(("axis", "sign"), [(0, 1), (0, -1), (1, 1), (1, -1), (2, 1), (2, -1)])
def test_upright_is_a_rotation_that_lets_the_spine_point_up(axis, sign):
    from dataclasses import replace

    clips = make_clips()
    clips = replace(clips, skeleton=replace(clips.skeleton, hip=0, neck=4))
    clip = np.random.default_rng(0).normal(size=(6, 1, 5, 3)).astype(np.float32)
    clip[:, :, 0] = 0
    clip[:, :, 4] = 0.1
    clip[:, :, 4, axis] = 3 * sign
    turned = samples.upright(clip, clips)
    assert (turned[:, 0, 4, 1] == 3).all()
    pairwise = np.linalg.norm(clip[:, 0, :, None] - clip[:, 0, None], axis=-1)
    assert np.allclose(
        np.linalg.norm(turned[:, 0, :, None] - turned[:, 0, None], axis=-1), pairwise, atol=1e-5
    )
    body = np.zeros((1, 1, 5, 3), dtype=np.float32)
    body[0, 0, 1:4] = np.eye(3)  # handedness: the determinant stays +1
    body[0, 0, 4, axis] = 5 * sign
    assert np.linalg.det(samples.upright(body, clips)[0, 0, 1:4]) == pytest.approx(1)


def test_a_figure_keeps_the_shape_of_the_body():
    import base64

    clips = make_clips(bodies=2)
    figure = samples.figure(clips, 3, frames=8)
    joints = (
        np.frombuffer(base64.b64decode(figure.data), np.uint8).reshape(figure.shown, 2, 5, 3).astype(float)
    )
    assert figure.shown == 8
    assert figure.frames == clips.frames[3]
    chosen = np.linspace(0, clips.frames[3] - 1, 8).round().astype(int)
    clip = clips.clip(3)[chosen]
    scale = 255 / np.ptp(clip, axis=(0, 1, 2)).max()
    assert np.abs((joints - joints[0, 0, 0]) - (clip - clip[0, 0, 0]) * scale).max() <= 1.001


@pytest.mark.parametrize(
    ("fps", "said", "header"),
    [
        (None, "at 30 frames a second: the data do not say how fast they were recorded", False),
        ((15.0, 15.0), "at 15 frames a second.", True),
        ((12.5, 30.0), "at 12.5 to 30 frames a second.", True),
    ],
)
def test_a_report_says_how_fast_its_clips_were_recorded(fps, said, header, tmp_path):
    write_run(tmp_path / "run", worst=1, fps=fps)
    page = render(RunFolder(tmp_path / "run").load(), RunFolder(tmp_path / "run"))
    assert said in page
    assert ("<dt>Recorded at</dt>" in page) == header


def test_figures_of_the_worst_clips_have_the_rate_of_the_data():
    clips = replace(make_clips(clips=4), fps=np.array([10.0, 20.0, 30.0, 40.0]))
    assert [samples.figure(clips, index).fps for index in range(4)] == [10.0, 20.0, 30.0, 40.0]
    assert samples.figure(make_clips(clips=4), 0).fps is None
