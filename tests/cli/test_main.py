"""The command skelbench: its help, and what becomes of an error."""

import subprocess
import sys

import pytest

import skelbench
from skelbench.cli.commands import COMMANDS
from tests.conftest import command_line


def test_help_names_every_command_on_one_screen(capsys):
    code, printed, _ = command_line(capsys, "--help")
    assert code == 0
    for name, command in COMMANDS.items():
        assert f"{name} " in printed
        assert command.summary.split()[0] in printed
    assert len(printed.splitlines()) <= 24


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_teaches(name, capsys):
    code, printed, _ = command_line(capsys, name, "--help")
    assert code == 0
    assert "Examples:" in printed
    assert f"skelbench {name}" in printed


def test_help_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "skelbench", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert not imported & {"torch", "numpy", "scipy", "sklearn", "optuna", "pydantic", "matplotlib"}


def test_the_version_is_the_installed_one(capsys):
    code, printed, _ = command_line(capsys, "--version")
    assert code == 0
    assert printed == f"skelbench {skelbench.__version__}\n"


def test_the_presets_values_stand_in_the_help(capsys):
    for preset, epochs in (("quick", "200"), ("published", "5000")):
        _, printed, _ = command_line(capsys, "eval", "--preset", preset, "--help")
        assert f"(default: {epochs})" in " ".join(printed.split())


def test_a_bug_shows_its_traceback(monkeypatch, tmp_path, capsys):
    def broken(*arguments, **keywords):
        raise ValueError("a bug, not bad input")

    monkeypatch.setattr("skelbench.runs.compare.compare", broken)
    with pytest.raises(ValueError, match="a bug"):
        command_line(capsys, "compare", tmp_path, tmp_path)


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m skelbench eval --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""


def test_completion_is_for_skelbench(capsys):
    code, printed, _ = command_line(capsys, "--tyro-print-completion", "bash")
    assert code == 0
    assert "skelbench" in printed
    assert "--variants" in printed
