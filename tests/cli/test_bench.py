"""`skelbench bench` runs the benchmarks of a checkout, and says so where there is none."""

from pathlib import Path

import pytest

from skelbench.cli import bench
from tests.conftest import command_line


def test_an_installed_skelbench_says_that_the_benchmarks_need_a_checkout(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "__file__", str(tmp_path / "site-packages" / "skelbench" / "cli" / "bench.py"))
    code, printed, error = command_line(capsys, "bench")
    assert code == 2
    assert not printed
    assert "needs a checkout" in error
    assert error.count("\n") == 1


@pytest.mark.skipif(
    not (Path(bench.__file__).parents[2] / "benchmarks").exists(),
    reason="skelbench is not run from a checkout",
)
def test_the_words_after_two_dashes_go_to_the_benchmarks(capfd):
    code, printed, _ = command_line(capfd, "bench", "--", "--list", "--size", "small")
    assert code == 0
    assert "contrastive" in printed
