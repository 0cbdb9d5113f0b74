"""The registry: every row can be built, and names are chosen as the command line says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from skelbench.models.conmlp import InputShape
from skelbench.models.ragged_input import RaggedInput
from skelbench.training.settings import Settings
from skelbench.training.task import top1
from skelbench.training.variant import resolve
from skelbench.variants import VARIANTS, Variant, VariantError, choose
from tests.training.test_recipes import task_of


class MarginLoss(torch.nn.Module):
    """A loss of a user's own: pulls positives to a margin, pushes the others apart."""

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.margin = temperature

    def forward(self, embeddings, labels):
        similarity = embeddings @ embeddings.T
        same = labels[:, None] == labels[None, :]
        return torch.where(same, 1 - similarity, (similarity - self.margin).clamp(min=0)).mean()


class WideMLP(torch.nn.Module):
    """An encoder of a user's own."""

    def __init__(self, shape: InputShape) -> None:
        super().__init__()
        self.width = 32
        self.first = RaggedInput(shape.features, self.width)

    def forward(self, clips):
        return torch.relu(self.first(clips))


def test_a_loss_and_an_encoder_of_ones_own_are_one_row(tiny_clips):
    row = Variant(
        "wide-margin",
        "Wide MLP, margin loss",
        "supervised",
        "skelbench.training.encoder:contrastive_then_probe",
        encoder="tests.test_variants:WideMLP",
        loss="tests.test_variants:MarginLoss",
        loss_options=("temperature",),
    )
    task = task_of(tiny_clips)
    fitted = row.fit(task)
    assert fitted.test_representations is not None
    assert fitted.test_representations.shape == (24, 32)
    assert top1(fitted.test_logits, task.data.label[task.test]) > 0.6


@pytest.mark.parametrize("row", VARIANTS, ids=lambda row: row.key)
def test_every_row_names_things_that_exist(row):
    for name in (row.recipe, row.encoder, row.loss):
        if name is not None:
            assert callable(resolve(name))
    for option in row.loss_options:
        assert hasattr(Settings(), option)


def test_keys_are_unique_and_name_files():
    keys = [row.key for row in VARIANTS]
    assert len(set(keys)) == len(keys)
    assert all(key.replace("-", "").replace("+", "").isalnum() for key in keys)


def test_choose_takes_keys_and_groups_in_the_order_of_the_registry():
    assert [row.key for row in choose(["majority", "conmlp-supcon"])] == ["conmlp-supcon", "majority"]
    assert {row.group for row in choose(["self-supervised"])} == {"self-supervised"}
    assert choose(["all"]) == VARIANTS


def test_choose_lists_what_there_is_when_it_does_not_know_a_name():
    with pytest.raises(VariantError, match=r"unknown variant 'conmpl'.*conmlp-supcon.*self-supervised"):
        choose(["conmpl"])


LAB = """
from skelbench.variants import Variant
from skelbench.models.conmlp import ConMLP

ROW = Variant("lab-mlp", "A laboratory's MLP", "supervised", "skelbench.training.encoder:cross_entropy",
              encoder=ConMLP, family="lab")
OTHER = Variant("lab-other", "Another", "supervised", "skelbench.training.encoder:cross_entropy",
                encoder="mylab:ConMLP")
TWICE = Variant("conmlp-ce", "Taken", "supervised", "skelbench.training.encoder:cross_entropy", encoder=ConMLP)
NOT_A_ROW = 3
"""
PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "mylab"
version = "1"
[project.entry-points."skelbench.variants"]
lab-mlp = "mylab:ROW"
[tool.setuptools]
py-modules = ["mylab"]
"""


def evaluate(folder, *words, path=""):
    """`skelbench eval` on tiny clips, in another process that works in `folder`."""
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "skelbench", "eval", "--data", root / "tests/fixtures/tiny.npz", *words]
    places = os.pathsep.join([str(root), str(path)])
    quick = ["--epochs", "2", "--threads", "1"]
    return subprocess.run(
        [*map(str, command), *quick],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": places},
        capture_output=True,
        text=True,
    )


def test_an_installed_package_brings_a_row(tmp_path):
    """Nothing here is edited: the row is trained by its key and by its family, and stands in the report."""
    project, site = tmp_path / "project", tmp_path / "site"
    project.mkdir()
    (project / "mylab.py").write_text(LAB)
    (project / "pyproject.toml").write_text(PROJECT)
    install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
        "--target",
    ]
    subprocess.run([sys.executable, *install, str(site), str(project)], check=True, capture_output=True)
    done = evaluate(tmp_path, "--variants", "lab,majority", "--out", "out", path=site)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "report.html").read_text()
    assert "A laboratory&#39;s MLP" in page
    assert "lab-mlp" in done.stdout
    # The report is written again without the package: the run says what its rows were.
    from skelbench.pages.run import render
    from skelbench.runs.folder import RunFolder

    folder = RunFolder(tmp_path / "out")
    assert "A laboratory&#39;s MLP" in render(folder.load(), folder)
    (site / "mylab.py").write_text("import nothing_of_this_name")
    broken = evaluate(tmp_path, "--out", "broken", path=site)
    assert broken.returncode == 2
    assert "entry point 'lab-mlp' of mylab cannot be loaded" in broken.stderr
    assert broken.stderr.count("\n") == 1


def test_a_row_of_any_module_is_named_on_the_command_line(tmp_path):
    (tmp_path / "mylab.py").write_text(LAB)
    done = evaluate(tmp_path, "--variants", "mylab:ROW,mylab:OTHER,majority", "--out", "out")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "report.html").read_text()
    assert "A laboratory&#39;s MLP" in page
    assert "lab-other" in page


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mylab:NOTHING", "--variants mylab:NOTHING: "),
        ("nolab:ROW", "No module named 'nolab'"),
        ("mylab:NOT_A_ROW", "is a int, not a skelbench.variants.Variant"),
        ("mylab:TWICE", "there is another row with the key 'conmlp-ce'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(name, said, tmp_path, monkeypatch):
    (tmp_path / "mylab.py").write_text(LAB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mylab", raising=False)
    with pytest.raises(VariantError, match=re.escape(said)):
        choose([name])


@pytest.mark.parametrize(("field", "value"), [("color", "mauve"), ("marker", "$x$")])
def test_a_look_that_charts_do_not_have_is_refused(field, value, tmp_path, monkeypatch):
    (tmp_path / "looks_lab.py").write_text(
        "from skelbench.variants import Variant\n"
        f'ROW = Variant("lab", "Lab", "supervised", "lab:recipe", {field}="{value}")\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "looks_lab", raising=False)
    with pytest.raises(VariantError, match=re.escape(f"the {field} is '{value}', it must be one of ")):
        choose(["looks_lab:ROW"])
