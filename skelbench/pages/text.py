"""Text that is not ours (names of clips, classes, data sets, variants, files) on its way to a reader.

HTML is escaped by the templates. What is left: characters that a terminal or a file would act upon, Markdown's own
characters, and names too long for a chart.
"""

from __future__ import annotations

import html
import re
import unicodedata

# Control (Cc), formatting such as the marks that reverse the direction of text (Cf), half a surrogate pair (Cs), and
# the separators of lines and paragraphs (Zl, Zp).
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# An underscore within a word does nothing.
_MARKDOWN = re.compile(r"[\\`*\[\]#|~$]|(?<!\w)_|_(?!\w)")
# What begins a list, or makes the line above a heading, where it is first on a line.
_FIRST = re.compile(r"^(\d*)([-+=.)])(?=\s|[-=])")


def clean(text: str) -> str:
    r"""One line that a terminal shows as it is: unseen characters are written as `\n`, `\x1b` or `\u202e`."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _UNSEEN
        else character
        for character in text
    )


def short(text: str, most: int) -> str:
    """`clean`, cut in the middle to `most` characters: names often differ at their ends."""
    text = clean(text)
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def markdown(text: str) -> str:
    """`clean`, with every character escaped that Markdown or HTML within it would act upon."""
    escaped = _MARKDOWN.sub(lambda found: f"\\{found[0]}", html.escape(clean(text), quote=False).strip())
    return _FIRST.sub(lambda found: f"{found[1]}\\{found[2]}", escaped)
