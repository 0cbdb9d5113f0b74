"""results.json goes out and comes back the same, and says what is wrong with what it cannot read."""

from dataclasses import asdict, replace

import pytest

from skelbench.runs.numbers import significant
from skelbench.runs.results import (
    Curve,
    Failure,
    Published,
    Results,
    RunError,
    RunInfo,
    Score,
    Speed,
    Stage,
    VariantInfo,
)


@pytest.fixture
def results():
    info = RunInfo(
        dataset="synthetic", source="made", synthetic=True, unit="metre", protocol="xview", description="d",
        class_names=["a", "b"], n_train=2, n_test=2, data_sha256="0", dropped=[["clip", "NaN"]], caveats=[],
        config={}, settings={}, command="c", device="CPU", threads=2, versions={}, git_revision=None, started="s",
    )  # fmt: skip
    speed = Speed(None, 10.0, 0.1, 0.2, 50.0)
    score = Score(
        variant="majority", seed=0, top1=0.5, top1_interval=(0.1, 0.9), top5=None, mean_class=0.5, knn1=None,
        best_on_test=None, released_score=None, correct=1, n_train=2, n_test=2, coverage=2, training_parameters=0,
        inference_parameters=0, macs=0, seconds=1.0, scores_sha256="1", speed=speed,
        curves=[Curve("train", [1.0], [0.1])], stages=[Stage("train", 1, 8, 0.1, "SGD")],
    )  # fmt: skip
    rows = [VariantInfo("majority", "Majority", "control", "conmlp", "Controls", Published(1.0, 2.0))]
    return Results(info, rows, [score], [Failure("majority", 1, "why")])


def test_round_trip(results, tmp_path):
    results.save(tmp_path / "results.json")
    assert asdict(Results.load(tmp_path / "results.json")) == asdict(results)
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_list_of_numbers_is_one_line(results, tmp_path):
    path = tmp_path / "results.json"
    results.scores[0].curves[0].loss = [1.0, 2.5e-7, 3.0]
    results.info.caveats.append("[\n 1\n]")  # text that looks like one stays as it is
    results.save(path)
    assert '"loss": [1.0, 2.5e-07, 3.0]' in path.read_text()
    assert Results.load(path) == results


def test_results_are_a_data_frame(results):
    pytest.importorskip("pandas")
    frame = results.to_pandas()
    assert frame.loc[0, "variant"] == "majority"
    assert frame.loc[0, "title"] == "Majority"
    assert frame.loc[0, "top1_low"] == 0.1
    assert frame.loc[0, "latency_p50_ms"] == 0.1


def test_results_show_themselves_in_a_line_and_as_a_small_table(results):
    results.variants[0] = replace(results.variants[0], title="a <b>")
    shown = results._repr_html_()
    assert "a &lt;b&gt;" in shown
    assert len(shown) < 1000
    assert repr(results) == "Results(synthetic, xview: majority 50.0)"


def test_another_schema_is_refused(results, tmp_path):
    results.schema = 99
    results.save(tmp_path / "results.json")
    with pytest.raises(RunError, match=r"results\.json has schema 99"):
        Results.load(tmp_path / "results.json")


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"schema": 1, "setting": {}}', '{"schema": 2, "info": 3}', "[" * 100_000]
)
def test_other_files_are_refused_by_name(text, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"results\.json"):
        Results.load(path)


def test_numbers_have_four_digits_and_no_exponent_where_they_are_large():
    assert [significant(value) for value in (0.012345, 985.34, 4988.0, 25249.6, 1.278e5, -3e4)] == [
        "0.01235", "985.3", "4988", "25,250", "127,800", "-30,000",
    ]  # fmt: skip
