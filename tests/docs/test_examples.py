"""The scripts of examples/ run, and do what they say."""

import runpy

import pytest
import torch
from PIL import Image

from tests.docs.pages import ROOT

EXAMPLES = ROOT / "examples"


@pytest.fixture
def main(request):
    """The script's main function; it runs on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield runpy.run_path(str(EXAMPLES / f"{request.param}.py"))["main"]
    torch.set_num_threads(threads)


@pytest.mark.parametrize("main", ["loss_in_your_loop"], indirect=True)
def test_the_loss_falls_in_a_loop_of_ones_own(main):
    first, last = main()
    assert last < 0.8 * first


@pytest.mark.parametrize("main", ["own_data_to_report"], indirect=True)
def test_own_arrays_become_a_report(main, tmp_path):
    results = main(tmp_path)
    assert results.of("conmlp-supcon")[0].top1 > results.of("majority")[0].top1
    assert "conmlp-supcon" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("main", ["encoder_to_plot"], indirect=True)
def test_an_encoder_becomes_a_picture(main, tmp_path):
    with Image.open(main(tmp_path)) as picture:
        assert min(picture.size) > 300
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 12


def test_every_script_is_tested():
    tested = {"loss_in_your_loop", "own_data_to_report", "encoder_to_plot"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested
