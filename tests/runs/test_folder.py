"""A folder of version 0.1.0 opens, with a row that no registry knows; a file is written whole or not at all."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import skelbench
import skelbench.data
from skelbench.pages.markdown import markdown
from skelbench.pages.run import render, write
from skelbench.runs.compare import compare
from skelbench.runs.files import FileError, replacing, write_text
from skelbench.runs.folder import RunFolder
from skelbench.runs.fuse import fuse, parse
from skelbench.runs.results import RunError
from skelbench.variants import VariantError, known_keys
from tests.conftest import command_line

FIXTURES = Path(__file__).parents[1] / "fixtures"
OLD = FIXTURES / "run-0.1.0"


@pytest.fixture
def old(tmp_path):
    """A copy of the old run, to write into."""
    shutil.copytree(OLD, tmp_path / "old")
    return tmp_path / "old"


def test_an_old_run_says_what_its_rows_were():
    results = RunFolder(OLD).load()
    assert [row.key for row, _ in results.rows()] == ["conmlp-supcon", "lab-mlp", "majority"]
    assert "lab-mlp" not in known_keys()
    supcon = results.variant("conmlp-supcon")
    assert (supcon.title, supcon.published.top1) == ("ConMLP, SupCon", 88.28)
    assert results.variant("lab-mlp").title == "lab-mlp"
    assert [stage.epochs for stage in results.of("conmlp-supcon")[0].stages] == [3, 3]


def test_an_unknown_row_is_shown_like_any_other(old):
    page = write(RunFolder(old)).read_text()
    for key in ("conmlp-supcon", "lab-mlp"):
        assert f'role="tab" value="{key}"' in page
        assert f"</svg>{key}</span><small>" in page
    assert "| lab-mlp | 66.7 |" in markdown(RunFolder(old).load())


def test_its_samples_are_found():
    results = RunFolder(OLD).load()
    assert "taken for <b>" in render(results, RunFolder(OLD))
    assert RunFolder(OLD).samples("lab-mlp", 0).exists()


def test_compare_and_fuse_open_it(old, tmp_path, capsys):
    found = compare([OLD, old])
    assert {row.variant for row in found.rows} == {"conmlp-supcon", "lab-mlp", "majority"}
    assert all(row.against.difference == 0 for row in found.rows if row.run != found.rows[0].run)
    members = parse([str(OLD)])
    assert [member.variant for member in members] == ["conmlp-supcon", "lab-mlp"]
    assert fuse(members).seeds == (0,)
    assert command_line(capsys, "compare", OLD, old, "--out", tmp_path / "page.html")[0] == 0
    assert "lab-mlp" in (tmp_path / "page.html").read_text()


def test_load_and_view_open_it(tmp_path, capsys):
    encoder = skelbench.load(OLD, "conmlp-supcon")
    clips = skelbench.data.load(FIXTURES / "tiny.npz")
    folder = RunFolder(OLD)
    stored = folder.load_scores(folder.load().of("conmlp-supcon")[0])
    place = {name: index for index, name in enumerate(clips.names.tolist())}
    rows = [place[name] for name in stored.names.tolist()]
    assert np.allclose(encoder.classify(clips)[rows], stored.logits, atol=1e-5)
    out = tmp_path / "clip.html"
    assert command_line(capsys, "view", f"{FIXTURES / 'tiny.npz'}:3", "--run", OLD, "--out", out)[0] == 0
    assert "Prediction over time" in out.read_text()


def test_weights_of_an_unknown_row_are_refused_by_name_or_loaded_with_the_row(old):
    folder = RunFolder(old)
    shutil.copy(folder.weights("conmlp-supcon", 0), folder.weights("lab-mlp", 0))
    with pytest.raises(VariantError, match="no row 'lab-mlp' is registered: install the package"):
        skelbench.load(old, "lab-mlp")
    from dataclasses import replace

    from skelbench.variants import choose

    (row,) = choose(["conmlp-supcon"])
    encoder = skelbench.load(old, replace(row, key="lab-mlp"))
    assert encoder.represent(FIXTURES / "tiny.npz").shape == (24, 256)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(RunError, match=r"holds no run: it has no results\.json"):
        RunFolder(tmp_path).load()


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def interrupted():
        with replacing(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("file.txt", "old")]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FileError, match=r"file/in/it\.txt cannot be written: "):
        write_text(tmp_path / "file" / "in" / "it.txt", "text")


def test_every_file_of_a_run_has_one_mode(tmp_path, capsys):
    out = tmp_path / "out"
    words = ("--data", FIXTURES / "tiny.npz", "--variants", "raw-linear", "--probe-epochs", 1, "--out", out)
    assert command_line(capsys, "eval", *words)[0] == 0
    assert len({path.stat().st_mode for path in out.rglob("*") if path.is_file()}) == 1
