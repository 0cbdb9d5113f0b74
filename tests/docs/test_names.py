"""What the pages name exists: functions, files, rows of the registry, versions."""

import pkgutil
import re
from importlib.metadata import version

import pytest

from skelbench.variants import VARIANTS
from tests.docs.pages import PAGES, ROOT, inline, name, need_sources

need_sources()


_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
_DOTTED = re.compile(r"skelbench(?:\.\w+)+")
_CODE_NAME = re.compile(r"(skelbench(?:\.\w+)+)(?:\(.*\))?")


def dotted(page):
    """The dotted names of a page's sentences; of the changelog only those of today."""
    text = page.read_text(encoding="utf-8")
    found = {match[1] for code in inline(page) if (match := _CODE_NAME.fullmatch(code))}
    found |= set(re.findall(r"\]\[(skelbench(?:\.\w+)+)\]", text))
    if name(page) == "CHANGELOG.md":
        before = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
        found -= {dotted for cell in before for dotted in _DOTTED.findall(cell)}
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_name_of_the_package_resolves(page):
    for found in sorted(dotted(page) - {"skelbench.variants"}):
        try:
            pkgutil.resolve_name(found)
        except (ImportError, AttributeError) as error:
            pytest.fail(f"{name(page)} names {found}: {error}")


def test_the_way_of_a_batch_is_a_list_of_functions():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    way = text.split("## The way of a batch")[1].split("\n## ")[0]
    steps = re.split(r"\n(?=\d+\. )", way)[1:]
    assert [int(step.split(".")[0]) for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        functions = [pkgutil.resolve_name(found) for found in re.findall(r"`(skelbench(?:\.\w+)+)`", step)]
        assert any(callable(function) for function in functions), step


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=name)
def test_every_link_to_a_file_leads_somewhere(page):
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert (ROOT / link).exists(), f"{name(page)} links to {link}"


def test_the_table_of_variants_is_the_registry():
    text = (ROOT / "docs/variants.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w+-]+)` \| ([\w-]+) \| .* \| ([^|]+) \|$", text, re.MULTILINE)
    expected = [
        (
            row.key,
            row.group,
            f"{row.published.top1:.2f}, {row.published.parameters:.2f}" if row.published else "-",
        )
        for row in VARIANTS
    ]
    assert rows == expected


def test_every_public_name_is_in_the_reference():
    directives = set()
    for page in (ROOT / "docs/reference").glob("*.md"):
        directives |= set(re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE))
    for found in directives:
        pkgutil.resolve_name(found)
    # A package is documented with every name of its __all__.
    for package in (
        "skelbench.ops",
        "skelbench.losses",
        "skelbench.data",
        "skelbench.eval",
        "skelbench.graph2vec",
    ):
        assert package in directives
    assert "skelbench.load" in directives
    modules = {path.stem for path in (ROOT / "skelbench/runs").glob("*.py")}
    shown = {found.rpartition(".")[2] for found in directives if found.startswith("skelbench.runs.")}
    assert {"folder", "results", "significance", "compare", "fuse"} <= shown <= modules


def test_the_citation_has_the_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", text, re.MULTILINE)[1] == version("skelbench")


def test_the_compiler_that_is_asked_for_is_the_one_that_is_needed():
    needed = re.search(r"CXX_STANDARD (\d+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1]
    for page in ("README.md", "docs/index.md"):
        assert f"C++{needed} compiler" in (ROOT / page).read_text(encoding="utf-8")


def test_the_package_ships_its_types():
    assert (ROOT / "skelbench/py.typed").exists()
