"""What every page is made with: templates, embedded data, colours, writing."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skelbench.pages.text import clean
from skelbench.runs.files import write_text


@cache
def _environment() -> Environment:
    """The templates; a name that is missing in a page is an error."""
    return Environment(
        loader=PackageLoader("skelbench.pages"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """A value as it is written: names that are not ours without unseen characters, then escaped; our markup as is."""
    return clean(value) if type(value) is str else value


def render(template: str, **values: Any) -> str:
    """A page as text."""
    return _environment().get_template(template).render(version=version("skelbench"), **values)


def embed(data: Any) -> Markup:
    """JSON for a `<script>`: no text in it can end the element."""
    return Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))


def save(page: str, path: Path) -> Path:
    """Write a page atomically; returns its path.

    Raises:
        FileError: the file cannot be written.
    """
    write_text(path, page)
    return path
