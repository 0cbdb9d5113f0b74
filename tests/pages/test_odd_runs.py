"""Runs at the edge: nothing finished, one of everything, names that mean harm, sixty classes. No page breaks."""

import re
import statistics

import pytest

from skelbench.pages import compare as compare_page
from skelbench.pages import tune, verdicts
from skelbench.pages.markdown import markdown
from skelbench.pages.overview import Dot
from skelbench.pages.run import render
from skelbench.pages.tables import comparable
from skelbench.runs.compare import compare
from skelbench.runs.folder import RunFolder
from skelbench.runs.results import Failure
from skelbench.runs.significance import Comparison
from tests.pages.parsed import parse
from tests.runs.made_up import write_run

HOSTILE = 'a<b onclick="x">\'&amp;$|\\`*_[red]\n# h\x1b[31m{{ 1 }}\u202e</script><img src=x>'
KEY = HOSTILE.replace("/", "")
LONG = "somebody-elses-model-" + "x" * 200

RUNS = {
    "nothing": {"accuracies": ()},
    "one variant": {"accuracies": (("conmlp-supcon", 0.8),), "seeds": (3,)},
    "one class": {"classes": 1, "accuracies": (("conmlp-supcon", 1.0), ("majority", 1.0))},
    "one clip": {"classes": 1, "test": 1, "seeds": (0,)},
    "one epoch": {"epochs": 1, "map_clips": 6, "worst": 1},
    "controls only": {"accuracies": (("majority", 0.2), ("raw-linear", 0.2))},
    "unknown rows": {"accuracies": (("lab-a", 0.5), ("lab-b", 0.6), (LONG, 0.7)), "row": {"family": LONG}},
    "nobody right": {"accuracies": (("conmlp-supcon", 0.0), ("conmlp-tcl", 0.0))},
    "hostile": {
        "accuracies": ((KEY, 0.5), ("majority", 0.2)), "worst": 2, "map_clips": 8,
        "dataset": HOSTILE, "protocol": HOSTILE, "source": HOSTILE, "caveats": [HOSTILE], "command": HOSTILE,
        "class_names": [HOSTILE, LONG, "", HOSTILE + "2"], "dropped": [[HOSTILE, HOSTILE]],
        "row": {"title": HOSTILE, "family": HOSTILE, "table": HOSTILE}, "device": HOSTILE, "description": HOSTILE,
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize("name", RUNS)
def test_a_page_of_any_run_is_whole(name, tmp_path):
    results = write_run(tmp_path, **RUNS[name])
    page = render(results, RunFolder(tmp_path))
    document = parse(page)
    assert not document.all("img")
    assert len(document.all("script")) == 2
    assert not [element for element in document.all("b") if "onclick" in element.attributes]
    # What a script holds is its own business; nothing else shows what is not seen.
    shown = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", shown)
    assert not re.search(
        r"\bnan\b|\binf\b|None|Undefined", re.sub(r"<style.*?</style>", "", shown, flags=re.S)
    )
    assert not re.search(r"\b1 (threads|clips|seeds|epochs|classes|pairs|runs|frames)\b", parse(shown).text)
    assert len(document.one("div", role="tablist").all("button")) == len(results.rows())
    markdown(results)
    if name in ("one variant", "controls only", "nobody right", "one epoch"):
        return  # alike to `compare`
    other = tmp_path / "again"
    write_run(other, **RUNS[name])
    parse(compare_page.render(compare([tmp_path, other])))


def test_an_unfinished_run_says_so_everywhere(tmp_path):
    results = write_run(tmp_path, ())
    results.failures.append(Failure("conmlp-supcon", 0, "loss is not finite"))
    page = parse(render(results, RunFolder(tmp_path)))
    assert "Failed: conmlp-supcon, seed 0: loss is not finite" in page.text
    assert not page.all("table", id="results")
    assert "mean and deviation over seeds ;" not in page.text
    assert "None" not in markdown(results)


def test_variants_without_a_common_seed_are_not_called_alone(tmp_path):
    results = write_run(tmp_path)
    results.scores = [score for score in results.scores if (score.variant == "majority") == (score.seed == 1)]
    assert "No two variants have a seed in common" in parse(render(results, RunFolder(tmp_path))).text


def test_clips_left_out_alike_are_told_in_one_line(tmp_path):
    results = write_run(tmp_path, (("graph2vec-lstm", 0.5), ("graph2vec-gru", 0.5), ("majority", 0.2)))
    for score in results.scores:
        if score.variant != "majority":
            score.n_test, score.n_train = 50, 80
    text = parse(render(results, RunFolder(tmp_path))).text
    assert "graph2vec-lstm and graph2vec-gru were scored on 50 of the 60 test clips." in text
    assert (
        "graph2vec-lstm and graph2vec-gru rest on 50 of the test clips and 80 of the training clips" in text
    )


@pytest.mark.parametrize(
    ("official", "synthetic", "same"), [(False, False, False), (True, False, True), (True, True, False)]
)
def test_published_figures_belong_to_official_data_only(official, synthetic, same, tmp_path):
    """The name alone does not make the data the same."""
    results = write_run(tmp_path, dataset="NTU RGB+D", official=official, synthetic=synthetic)
    assert comparable(results) == same
    told = " ".join(verdicts.differences(results))
    other = not same and not synthetic
    assert ("with other numbers of clips than the authors give" in told) == other
    assert ("other data and other training than here" in markdown(results)) == other
    assert ("published %" in markdown(results)) == (not synthetic)


def test_many_variants_are_counted_not_listed():
    dots = [
        Dot(f"lab-{index}", "supervised", "", "o", 90.0 - index, 0.0, 100.0, (90.0,)) for index in range(15)
    ]
    pairs = [Comparison("lab-0", dot.name, 0.1, (0.0, 0.2), 9, 0, 0.001, 0.01) for dot in dots[1:]]
    assert "It beats each of the 14 other variants" in " ".join(verdicts.verdicts(dots, pairs))
    some = " ".join(verdicts.verdicts(dots[:4], pairs[:3]))
    assert "It beats lab-1, lab-2 and lab-3" in some


def study(trials, names=("rate", "tau"), clips=97) -> tune.StudySummary:
    complete = [trial for trial in trials if trial.value is not None]
    best = max(complete, key=lambda trial: trial.value).number
    return tune.StudySummary(
        HOSTILE, False, [("Trials", str(len(trials)))], HOSTILE, list(names), best, HOSTILE, list(trials), [], clips
    )  # fmt: skip


def trials(count, values, params=lambda number: [0.1 * 1.3**number, 1.5**number]):
    return [tune.Trial(number, params(number), values(number)) for number in range(count)]


@pytest.mark.parametrize(
    "found",
    [
        trials(1, lambda number: 0.5),
        trials(14, lambda number: 0.5),
        trials(14, lambda number: number / 20, lambda number: [0.1, 0.1 + number]),  # on a line
        trials(14, lambda number: number / 20, lambda number: [0.1, 0.1]),
        [*trials(3, lambda number: number / 20), tune.Trial(3, [0.1, 1.0], None, HOSTILE)],
    ],
)
def test_a_page_of_any_study_is_whole(found):
    document = parse(tune.render(study(found)))
    assert not document.all("img")
    chart = document.one("svg", class_="chart")
    assert chart.all("text")


def test_trials_that_differ_by_half_a_clip_are_not_told_apart():
    found = trials(3, lambda number: [55 / 97, 60 / 97, 60.5 / 97][number])
    page = parse(tune.render(study(found)))
    cells = [[cell.text for cell in row.children] for row in page.all("tbody")[-1].all("tr")]
    assert cells[0][0] == "2"
    assert re.fullmatch(r"\d\d\.\d to \d\d\.\d", cells[0][-1])
    low, high = map(float, cells[1][-1].split(" to "))
    assert low < 60 / 97 * 100 < high
    assert 15 < high - low < 22  # Wilson's, of 97 clips
    assert "2 other trials lie within its interval" in page.text
    assert "of 97 validation clips" in page.text


def test_ticks_of_a_study_are_plain_numbers():
    page = parse(tune.render(study(trials(14, lambda number: 0.4 + number / 50))))
    ticks = [text.text.strip() for text in page.one("svg", class_="chart").all("text")]
    numbers = [float(tick.replace(",", "")) for tick in ticks if re.fullmatch(r"[\d.,]+", tick)]
    assert len(numbers) >= 8  # two axes and the bar
    assert statistics.median(numbers) > 0
    assert not any("10^" in tick or "mathdefault" in tick for tick in ticks)


def test_folds_have_a_table_and_are_not_called_seeds(tmp_path):
    """A score for each of two folds; every clip is tested once."""
    results = write_run(tmp_path, (("conmlp-supcon", 0.5), ("majority", 0.2)), (0, 1), test=40)
    folder = RunFolder(tmp_path)
    results.info.folds = ["view | 1", "view 2"]
    for score in results.scores:
        scores = folder.load_scores(score)
        score.fold, score.seed = results.info.folds[score.seed], 0
        folder.save_scores(score.variant, 0, scores, score.fold)
    page = parse(render(results, folder))
    assert "mean over seeds and folds (marker; a tick for each)" in page.text
    table = next(
        frame for frame in page.all("div", class_="scroll") if frame.attributes["aria-label"] == "Folds"
    )
    assert [head.text for head in table.one("thead").all("th")] == ["variant", "view | 1", "view 2", "mean"]
    assert r"| variant | view \| 1 | view 2 | mean |" in markdown(results)
    assert "rest on" not in page.text
