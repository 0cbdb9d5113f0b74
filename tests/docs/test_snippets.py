"""Every Python block of the README and the docs runs on its own: none lacks an import."""

import shutil

import numpy as np
import pytest

from skelbench.data import synthetic_corpus
from skelbench.eval import run
from tests.conftest import config_of
from tests.docs.pages import PAGES, blocks, name

BLOCKS = [(page, example) for page in PAGES for example in blocks(page, "python")]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What the snippets name: nw_ucla.npz, here a small stand-in of made-up clips, and the run runs/one on it."""
    folder = tmp_path_factory.mktemp("files")
    clips = synthetic_corpus(72)
    clips = clips.select(np.flatnonzero(clips.bodies == 1))
    np.savez(
        folder / "nw_ucla.npz",
        x=clips.joints[:, None],
        offsets=clips.offsets,
        label=clips.label,
        subject=clips.subject,
        view=clips.camera,
        names=[f"clip{index:03}" for index in range(len(clips))],
        class_names=clips.class_names,
        joint_names=clips.skeleton.joint_names,
        edges=clips.skeleton.edges,
    )
    config = config_of(
        protocol="xview",
        data=folder / "nw_ucla.npz",
        variants=("conmlp-supcon",),
        epochs=1,
        probe_epochs=2,
        threads=1,
        out=folder / "runs" / "one",
    )
    run(config)
    return folder


@pytest.mark.parametrize(
    "example", [example for _, example in BLOCKS], ids=[f"{name(page)}:{e.line}" for page, e in BLOCKS]
)
def test_a_python_block_runs_on_its_own(example, files, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(files, tmp_path / "work"))
    example.evaluate()


def test_there_are_blocks_to_run():
    pages = {name(page) for page, _ in BLOCKS}
    assert {"README.md", "docs/index.md", "docs/data.md", "docs/variants.md", "docs/outputs.md"} <= pages
