"""What the sdist and the wheel hold and say, by setuptools' own file lists; nothing is compiled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Copied where there is no git to name the files.
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "runs", "site", "*.egg-info")
# Left in a working tree by builds, and to be in no sdist.
STALE = ("skelbench/libskelbench.so", "skelbench/data/_skeleton_file.so", "csrc/wl/cuda.o.so")

pytest.importorskip("setuptools", minversion="77", reason="setuptools >= 77 is not installed")
if not (ROOT / "setup.py").exists() or not (ROOT / "skelbench").exists():
    pytest.skip("the sources of the package are not here", allow_module_level=True)


def tracked() -> list[str]:
    """The files of the checkout by git; without git, none."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return []
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, capture_output=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def python(folder: Path, *words: str) -> None:
    """Run Python in `folder`, away from the package under test."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The sdist of a copy of the checkout, with stale libraries in it, unpacked."""
    place = tmp_path_factory.mktemp("sdist")
    copy = place / "checkout"
    if files := tracked():
        for name in files:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    else:
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    for name in STALE:
        (copy / name).touch()
    # What `python -m build --sdist` calls in its clean environment.
    python(copy, "-c", f"from setuptools import build_meta; build_meta.build_sdist({str(place)!r})")
    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(place / "unpacked", filter="data")
    (unpacked,) = (place / "unpacked").iterdir()
    return unpacked


@pytest.fixture(scope="module")
def wheel(sdist) -> tuple[set[str], Message]:
    """The files of the wheel but for the compiled libraries, by name, and its METADATA: made from the sdist."""
    python(sdist, "setup.py", "--quiet", "build_py", "--build-lib", "lib")
    python(sdist, "-c", "from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel('.')")
    lib = sdist / "lib"
    files = {path.relative_to(lib).as_posix() for path in lib.rglob("*") if path.is_file()}
    (metadata,) = sdist.glob("*.dist-info/METADATA")
    return files, HeaderParser().parsestr(metadata.read_text(encoding="utf-8"))


def test_the_sdist_holds_what_a_build_needs(sdist):
    for name in (
        "setup.py",
        "pyproject.toml",
        "CMakeLists.txt",
        "LICENSE",
        "README.md",
        "Makefile",
        "conftest.py",
    ):
        assert (sdist / name).is_file(), name
    cmake = (sdist / "CMakeLists.txt").read_text(encoding="utf-8")
    named = set(re.findall(r"csrc/[\w/]+\.\w+", cmake))
    assert len(named) > 3
    ops = re.findall(r"^skelbench_op\((\w+)", cmake, flags=re.MULTILINE)
    for name in named | {f"csrc/{op}/{file}" for op in ops for file in ("op.cpp", "cpu.cpp")}:
        assert (sdist / name).is_file(), name


def test_the_sdist_holds_the_checkout_but_for_its_dotfiles(sdist):
    files = tracked()
    if not files:
        pytest.skip("no git, or not a checkout")
    expected = {name for name in files if not name.startswith(".")}
    held = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    assert sorted(expected - held) == []


def test_the_sdist_holds_nothing_that_was_compiled(sdist):
    assert not [path for path in sdist.rglob("*") if path.suffix in (".so", ".pyc", ".o")]


def test_the_wheel_holds_every_file_of_the_package(sdist, wheel):
    files, _ = wheel
    package = {
        path.relative_to(sdist).as_posix() for path in (sdist / "skelbench").rglob("*") if path.is_file()
    }
    assert package == files
    for name in (
        "py.typed",
        "data/_skeleton_file.pyi",
        "pages/templates/style.css",
        "pages/templates/report.js",
    ):
        assert f"skelbench/{name}" in files


def test_the_wheel_holds_nothing_but_the_package(wheel):
    files, _ = wheel
    assert {name.split("/")[0] for name in files} == {"skelbench"}


def test_the_metadata_say_licence_author_and_python(wheel):
    _, metadata = wheel
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Author"] or metadata["Author-email"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    classifiers = metadata.get_all("Classifier") or []
    assert "Typing :: Typed" in classifiers
    assert "Programming Language :: Python :: 3.11" in classifiers


def test_every_python_of_the_classifiers_has_a_wheel(wheel):
    _, metadata = wheel
    workflow = ROOT / ".github" / "workflows" / "wheels.yml"
    if not workflow.exists():
        pytest.skip("the workflow is not here: an sdist holds no dotfiles")
    built = re.search(r"python: \[(.*)\]", workflow.read_text(encoding="utf-8"))
    assert built is not None
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(metadata.get_all("Classifier") or []))
    assert re.findall(r"[\d.]+", built[1]) == versions
