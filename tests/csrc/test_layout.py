"""The order of the folders under csrc, and the rule that keeps the code of the ISA levels apart."""

from __future__ import annotations

import graphlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.csrc.run import COMPILER, CSRC, compiled

OPS = sorted(path.parent.name for path in CSRC.glob("*/cpu.cpp"))


def includes() -> dict[str, set[str]]:
    """The folders of csrc that each folder includes something of."""
    found: dict[str, set[str]] = {path.name: set() for path in CSRC.iterdir()}
    for path in CSRC.glob("*/*.*"):
        if path.suffix in (".h", ".cuh", ".cpp", ".cu"):
            folder = path.parent.name
            found[folder] |= set(re.findall(r'#include "(\w+)/', path.read_text())) - {folder}
    return found


def test_isa_includes_no_other_folder() -> None:
    assert {"contrastive", "ragged", "augment", "wl"} <= set(OPS)
    assert includes()["isa"] == set()


def test_includes_between_folders_have_no_circle() -> None:
    graphlib.TopologicalSorter(includes()).prepare()


def test_an_op_includes_no_other_op() -> None:
    assert {op: includes()[op] & set(OPS) for op in OPS} == {op: set() for op in OPS}


@pytest.mark.skipif(not all(map(shutil.which, (COMPILER, "nm"))), reason="no C++ compiler")
@pytest.mark.parametrize("op", OPS)
def test_levels_share_no_inline_function(op: str, tmp_path: Path) -> None:
    """Of a function that two levels define the linker keeps one, perhaps the one that the machine cannot run.

    Without optimization every function that is not always inlined has a symbol. It must be in its level's namespace.
    """
    found = 0
    for level, file in compiled(tmp_path, op, ["-O0", "-g0"]).items():
        symbols = subprocess.run(["nm", file], capture_output=True, text=True, check=True).stdout
        functions = re.findall(r" W (\S+)", symbols)
        found += len(functions)
        # The scalar level is compiled without flags and runs everywhere.
        if level != "scalar":
            assert [name for name in functions if f"9skelbench{len(level)}{level}" not in name] == []
    assert found
