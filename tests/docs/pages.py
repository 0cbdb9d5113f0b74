"""The pages whose code is tested, and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sybil", reason="sybil, of the test extra, finds the blocks of code")

from sybil import Document, Example, Region
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).parents[2]
INCLUDED = (
    *sorted(ROOT.glob("csrc/*/README.md")),
    ROOT / "skelbench/graph2vec/README.md",
    ROOT / "benchmarks/README.md",
)
"""READMEs beside the sources, which the docs include."""
_ALL = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "results/README.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *INCLUDED,
)
# The tests of an installed wheel stand without the sources of the package, and the README among them.
PAGES = tuple(page for page in _ALL if page.exists() or (ROOT / "skelbench").exists())
_SNIPPET = "--8<--"
# A command in a sentence: `skelbench eval xview`.
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def need_sources() -> None:
    """Skip a module that reads the package's own files beside its tests: those of a wheel stand without them."""
    if not (ROOT / "skelbench").exists():
        pytest.skip("the sources of the package are not here", allow_module_level=True)


def name(page: Path) -> str:
    """A page as it is called in the output of a test."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> Iterator[Example]:
    """The fenced blocks of a language, each in a document of its own: no block sees the names of another."""
    # The language, then what a renderer may be told (`title="mylab.py"`).
    lexer = RawFencedCodeBlockLexer(re.compile(rf"{language}(?: [^\n]*)?\n"))

    def parser(document: Document) -> Iterator[Region]:
        for region in lexer(document):
            region.parsed = region.lexemes["source"]
            region.evaluator = PythonEvaluator()
            if not region.parsed.startswith(_SNIPPET):
                yield region

    count = len(list(Document.parse(str(page), parser).examples()))
    for index in range(count):
        yield list(Document.parse(str(page), parser).examples())[index]


def inline(page: Path) -> list[str]:
    """The code in sentences and tables, as it stands between backticks."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [found.replace("\\|", "|") for found in _INLINE.findall(text)]
