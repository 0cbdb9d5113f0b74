"""What the main job shows on a terminal while it works, and the table at its end."""

import io
import re

import pytest
from rich.console import Console

from skelbench.cli.terminal import Terminal, results_table
from skelbench.runs.folder import RunFolder
from skelbench.variants import choose
from tests.conftest import command_line
from tests.runs.made_up import info, write_run


def test_names_of_variants_are_whole_at_80_columns(tmp_path):
    rows = choose(["all"])
    write_run(tmp_path / "run", [(row.key, 0.5) for row in rows], seeds=(0, 1, 2))
    text = io.StringIO()
    Console(file=text, width=80).print(results_table(RunFolder(tmp_path / "run").load()))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    first = {line.split()[0] for line in lines if line.strip()}
    assert {row.key for row in rows} <= first


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    """A terminal that takes its output for one, with a job begun."""
    shown = Terminal()
    monkeypatch.setattr(shown, "console", Console(file=io.StringIO(), force_terminal=True, width=80))
    shown.bars.disable = True
    rows = [row.info for row in choose(["conmlp-supcon", "conmlp-ce"])]
    shown.begin(info(config={"seeds": [0, 1, 2]}), rows, tmp_path)
    return shown


def test_the_output_folder_is_named_at_the_start(terminal, tmp_path):
    said = re.sub(r"\x1b\[[\d;]*m", "", terminal.console.file.getvalue())
    assert f"output: {tmp_path}" in said
    terminal.close()


def test_a_comparison_keeps_names_and_numbers_whole_at_80_columns(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    keys = [row.key for row in choose(["all"])]
    for name, share in (("one", 0.8), ("two", 0.5)):
        write_run(tmp_path / name, [(key, share) for key in keys], seeds=(0, 1, 2))
    command = ("compare", tmp_path / "one", tmp_path / "two", "--out", tmp_path / "compare.html")
    code, printed, _ = command_line(capsys, *command)
    assert code == 0
    rows = [line for line in printed.splitlines() if line.split()[:1] and line.split()[0] in keys]
    assert len(rows) == 2 * len(keys)
    assert max(map(len, rows)) <= 80
    assert sum("p < 0.001" in row for row in rows) > len(keys) // 2
