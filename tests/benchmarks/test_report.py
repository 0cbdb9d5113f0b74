"""Results survive their JSON, and the table and the picture show what is in them."""

import json

import pytest

from benchmarks import bounds, report
from benchmarks.cases import Contender, Problem
from benchmarks.measure import Ratio, paired_ratio
from benchmarks.record import Memory, PeerResult, Result, Run, load, save
from skelbench import ops

RATIO = Ratio(3.456, 3.1, 3.9, 0.002, 0.0069, 9)
RUN = Run(
    "python -m benchmarks.compare",
    "2026-01-02T03:04:05Z",
    "abc",
    "cpu",
    {"device": "some processor", "threads": "2", "torch": "2.13.0"},
    {"copy": 5e9, "float32 product": 1e11},
    [
        Result(
            "loss-n64", "what", {"n": 64}, 0.002, 1e8, 1e6, "float32 product", RATIO.times(0.1), 0, "",
            [PeerResult("eager", RATIO), PeerResult("cubic", reason="capped at N = 32")],
        ),
        Result("reader", "what", {}, 0.5, 0, 1e9, "copy", RATIO.times(0.01), 64, "files", []),
    ],
    [Memory("loss-n64", "ours", 3_000_000)],
)  # fmt: skip


def test_json_round_trip(tmp_path):
    save(RUN, tmp_path / "run.json")
    assert load(tmp_path / "run.json") == RUN


def test_other_json_is_refused_with_its_name(tmp_path):
    save(RUN, tmp_path / "run.json")
    good = json.loads((tmp_path / "run.json").read_text())
    others = {"schema": 1}, good | {"schema": 2}, good | {"colour": "red"}, good | {"date": 3}, []
    for content in (*map(json.dumps, others), "", "{"):
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(ValueError, match=r"other\.json.*not a result"):
            load(tmp_path / "other.json")


def test_kept_results_can_be_read():
    assert report.kept("cpu")


def test_table_has_a_row_per_case_with_every_peer_and_reason():
    lines = report.markdown(RUN).splitlines()
    row = next(line for line in lines if line.startswith("| loss-n64 | 2 ms"))
    assert "50 GFLOP/s" in row
    assert "35% of float32 product" in row
    assert "eager 3.46 [3.10, 3.90]; cubic: capped at N = 32" in row
    assert any("128 files/s" in line for line in lines)
    assert "| loss-n64 | ours | 3 |" in lines


def test_picture_is_drawn(tmp_path):
    path = report.draw(RUN, tmp_path / "run.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_slower_of_two_functions_has_the_larger_ratio():
    ratio = paired_ratio(lambda: sum(range(2_000)), lambda: sum(range(200_000)), seconds=0, min_groups=5)
    assert ratio.groups == 5
    assert 1 < ratio.low <= ratio.median <= ratio.high


def test_bound_is_the_resource_that_takes_longer(monkeypatch):
    product = bounds.Rate("float32 product", lambda: None, amount=100.0, seconds=1.0)
    copy = bounds.Rate("copy", lambda: None, amount=10.0, seconds=1.0)
    monkeypatch.setattr(bounds, "peak_rate", lambda device, dtype, flops: product)
    monkeypatch.setattr(bounds, "copy_rate", lambda device: copy)
    ours = Contender(lambda: None, lambda: None)
    assert bounds.bound_of(Problem(None, ours, flops=300, bytes=10), "cpu") == bounds.Bound(product, 3)
    assert bounds.bound_of(Problem(None, ours, flops=300, bytes=100), "cpu") == bounds.Bound(copy, 10)
    assert bounds.bound_of(Problem(None, ours, flops=0, bytes=0), "cpu") is None


@pytest.mark.skipif(not ops.built, reason="the extension is not built")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("flops", [1e6, 1e9])
def test_the_peak_is_counted_at_every_level(dtype, flops):
    for level in ops.isa_levels():
        with ops.use_isa(level):
            rate = bounds.peak_rate("cpu", dtype, flops)
            assert rate.name.startswith(level)
            assert rate.run() == pytest.approx(rate.amount)
            assert rate.per_second > 1e8
    assert bounds.FEWEST_ROUNDS < bounds.ROUNDS < bounds.MOST_ROUNDS
