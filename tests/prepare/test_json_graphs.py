"""The JSON graphs, read back as graph2vec tools read them: with networkx, labels as text."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import networkx as nx
import numpy as np
import pytest

from skelbench.data import DataError, synthetic_corpus
from skelbench.graph2vec import skeleton_graphs
from skelbench.prepare import json_graphs
from skelbench.prepare.json_graphs import INDEX, export_json_graphs

WINDOWS, WINDOW = 3, 4


@pytest.fixture(scope="module")
def clips():
    """Twelve clips of one person and two of two, in no order."""
    corpus = synthetic_corpus()
    one, two = (np.flatnonzero(corpus.bodies == bodies) for bodies in (1, 2))
    return corpus.select(np.concatenate([one[:5], two[:2], one[5:12]]))


def test_networkx_reads_the_same_graphs(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(json_graphs, "_BLOCK", 5)
    seen = []
    (tmp_path / "graphs").mkdir()
    written = export_json_graphs(
        clips, tmp_path / "graphs", WINDOWS, WINDOW, lambda done, total: seen.append((done, total))
    )
    assert (written.graphs, written.left_out) == (12 * WINDOWS, 2)
    assert seen == [(done, 12) for done in range(1, 13)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graphs"]
    with open(tmp_path / "graphs" / INDEX, newline="") as file:
        index = list(csv.DictReader(file))
    assert len(index) == len(list((tmp_path / "graphs").glob("*.json"))) == 12 * WINDOWS
    expected = skeleton_graphs(clips, windows=WINDOWS, window=WINDOW)
    for number, row in enumerate(index):
        data = json.loads((tmp_path / "graphs" / f"{number}.json").read_text())
        graph = nx.from_edgelist(data["edges"])
        assert {frozenset(edge) for edge in graph.edges} == set(map(frozenset, expected.edges.tolist()))
        labels = [data["features"][str(node)] for node in range(len(graph))]
        assert labels == list(map(str, expected.labels(slice(number, number + 1))[0].tolist()))
        clip = int(expected.kept[number // WINDOWS])
        assert row == {
            "graph": str(number),
            "clip": clips.names[clip],
            "window": str(number % WINDOWS),
            "label": str(clips.label[clip]),
        }


def test_what_is_refused(clips, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "0.json").write_text("{}")
    with pytest.raises(DataError, match="is there already"):
        export_json_graphs(clips, tmp_path / "mine", WINDOWS, WINDOW)
    with pytest.raises(DataError, match="no clip has one person"):
        export_json_graphs(clips.select(np.array([5, 6])), tmp_path / "none", WINDOWS, WINDOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_a_full_disk_leaves_nothing_that_looks_whole(clips, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json_graphs.Path, "write_text", full)
    with pytest.raises(DataError, match=r"No space left on device.*\.graphs\.partial-"):
        export_json_graphs(clips, tmp_path / "graphs", WINDOWS, WINDOW)
    assert not (tmp_path / "graphs").exists()


def test_the_command_writes_them(tmp_path):
    pytest.importorskip("skelbench.data._skeleton_file", reason="the extension is not built")
    from skelbench.data.synthetic.raw import write_raw_folder

    write_raw_folder(tmp_path / "raw", clips=36, seed=3, mean_frames=20)
    command = [sys.executable, "-m", "skelbench", "prepare", tmp_path / "raw", tmp_path / "out"]
    options = ["--json-graphs", tmp_path / "graphs", "--json-windows", 2]
    done = subprocess.run([*map(str, command + options)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count = len(list((tmp_path / "graphs").glob("*.json")))
    assert f"wrote {count} graphs" in done.stdout
    assert 0 < count <= 72
