"""Every command of the README and the docs is one that today's programs take: no option is stale."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from skelbench.cli.commands import COMMANDS
from skelbench.cli.main import _parse
from tests.conftest import command_line
from tests.docs.pages import PAGES, ROOT, blocks, inline, name, need_sources

need_sources()


# `skelbench COMMAND --help` stands for several commands.
_SEVERAL = ("COMMAND", "...")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


def commands(page: Path) -> set[tuple[str, ...]]:
    """The commands of a page's shell blocks and sentences, each as words."""
    text = "\n".join(str(example.parsed) for example in blocks(page, "sh")).replace("\\\n", " ")
    lines = text.splitlines() + [
        code for code in inline(page) if code.startswith(("skelbench ", "python -m "))
    ]
    found = set()
    for line in lines:
        for part in re.split(r" && |;", line):
            words = shlex.split(part, comments=True)
            while words and _ASSIGNMENT.match(words[0]):
                words = words[1:]
            if words:
                found.add(tuple(words))
    return found


# The changelog also names what a command was called before.
TODAY = tuple(page for page in PAGES if name(page) != "CHANGELOG.md")
EVERY = sorted({(command, name(page)) for page in TODAY for command in commands(page)})


def of(*starts):
    """Commands that begin with one of these words, each once, without them, and a page that has it."""
    chosen = {}
    for words, page in EVERY:
        for start in starts:
            if words[: len(start)] == start:
                rest = words[len(start) :]
                if not any(word in _SEVERAL for word in rest):
                    chosen[rest] = page
    return sorted(chosen.items())


SKELBENCH = [
    *of(("skelbench",), ("python", "-m", "skelbench")),
    *((("eval", *words), page) for words, page in of(("python", "-m", "skelbench.eval"))),
]


@pytest.mark.parametrize(("words", "page"), SKELBENCH, ids=[shlex.join(words) for words, _ in SKELBENCH])
def test_a_documented_command_is_taken(words, page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if "--config" in words:  # the one file that is read with the options
        path = tmp_path / words[words.index("--config") + 1]
        path.parent.mkdir(parents=True)
        path.touch()
    try:
        _parse(words)
    except SystemExit as ended:
        if ended.code:  # `--help` ends with 0
            pytest.fail(f"{page}: skelbench {shlex.join(words)}\n{capsys.readouterr().err}")


def test_a_stale_option_would_be_found(capsys):
    with pytest.raises(SystemExit) as ended:
        _parse(["eval", "xview", "--learning-rate", "0.1"])
    assert ended.value.code == 2
    assert "--learning-rate" in capsys.readouterr().err


MODULES = [
    (words, page)
    for words, page in of(("python", "-m"))
    if words and words[0].split(".")[0] in ("skelbench", "benchmarks")
]


@pytest.mark.parametrize(("words", "page"), MODULES, ids=[shlex.join(words) for words, _ in MODULES])
def test_a_documented_module_can_be_run(words, page, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    spec = find_spec(words[0])
    assert spec is not None, f"{page}: python -m {words[0]}: there is no such module"
    if spec.submodule_search_locations is not None:
        spec = find_spec(f"{words[0]}.__main__")
        assert spec is not None, f"{page}: python -m {words[0]}: it has no __main__"
    if words[0].startswith("skelbench") and words[0] != "skelbench.pages.readme":
        return
    source = Path(spec.origin).read_text(encoding="utf-8")
    for option in words[1:]:
        if option.startswith("-"):
            assert f'"{option}"' in source, f"{page}: python -m {words[0]} has no {option}"


def test_every_option_in_a_sentence_exists(capsys):
    known = (ROOT / "conftest.py").read_text(encoding="utf-8") + " --benchmark-only "
    for module in ("compare", "report", "epoch", "ntu_size", "embedding", "processes"):
        known += (ROOT / "benchmarks" / f"{module}.py").read_text(encoding="utf-8")
    for path in ("skelbench/pages/readme.py", "tests/killing.py"):
        known += (ROOT / path).read_text(encoding="utf-8")
    for command in COMMANDS:
        known += command_line(capsys, command, "--help")[1]
    known += command_line(capsys, "--help")[1]
    for page in TODAY:
        for code in inline(page):
            if code.startswith("--") and code != "--8<--":
                option = re.split(r"[ =]", code)[0]
                assert re.search(rf"{re.escape(option)}\b", known), f"{name(page)}: no command has {option}"


# What a command needs before its options.
NEEDED = {
    "fuse": ["runs/one"],
    "view": ["clips.npz"],
    "compare": ["runs/one", "runs/two"],
    "predict": ["runs/one"],
}


def takes(command, words):
    """Whether a command takes these options."""
    try:
        _parse([command, *NEEDED.get(command, []), *words])
    except SystemExit as ended:
        return not ended.code
    return True


def test_every_value_of_an_option_in_a_sentence_is_one(capsys):
    every = {
        (code, name(page))
        for page in TODAY
        for code in inline(page)
        # A value in capitals stands for one.
        if re.fullmatch(r"--[a-z][\w-]*( [^A-Z ]\S*)+", code)
    }
    assert any("--preset" in code for code, _ in every)
    outside = ("--bench-size", "--benchmark-only", "--size", "--memory", "--device cuda")
    for code, page in sorted(every):
        if code.startswith(outside):
            continue
        assert any(takes(command, code.split()) for command in COMMANDS), f"{page}: no command takes {code}"
    assert not takes("eval", ["--preset", "report"])


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words, page in of(("make",)):
        assert words[0] in targets, f"{page}: make {words[0]}: there is no such target"
    for page in TODAY:
        for code in inline(page):
            if re.fullmatch(r"make [a-z-]+", code):
                assert code.split()[1] in targets, f"{name(page)}: {code}: there is no such target"
