"""A page in a real browser: headless Chromium, where it is installed, and axe-core, where npm put it."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_AXE = Path(__file__).parents[2] / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
# What a page's test script writes its answer into.
_ANSWER = "answer-of-the-test"


def chromium() -> str:
    """The browser's command; skips where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    return found


def axe() -> str:
    """axe-core as a script; skips where there is none."""
    if not _AXE.exists():
        pytest.skip("no axe-core: npm install --prefix build/axe axe-core")
    return _AXE.read_text()


def run(page: str, script: str, folder: Path, dark: bool = False, width: int = 1400, scripts: str = ""):
    """What an asynchronous script returns that runs in a page after the page's own scripts.

    Args:
        page: HTML.
        script: the body of an async function; its value must be JSON.
        folder: where files may be written.
        dark: which colours are preferred.
        width: of the window.
        scripts: JavaScript that is loaded before.
    """
    path = folder / "page.html"
    waiting = f"""<script>{scripts}</script><script>
(async () => {{ {script} }})().catch(error => ({{ error: String(error) }})).then(value => {{
  const answer = document.createElement("pre");
  answer.id = "{_ANSWER}";
  answer.textContent = JSON.stringify(value);
  document.body.append(answer);
}});</script></body>"""
    before, after = page.rsplit("</body>", 1)
    path.write_text(before + waiting + after)
    words = [
        chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--window-size={width},1000",
        f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(rf'<pre id="{_ANSWER}">(.*?)</pre>', done.stdout, re.S)
    assert found, "the script of the test gave no answer: an error in the page's own?"
    value = json.loads(unescape(found[1]))
    assert not (isinstance(value, dict) and "error" in value), value
    return value


def violations(page: str, folder: Path, dark: bool = False, width: int = 1400) -> list[str]:
    """What axe-core objects to, one line for each rule and element."""
    script = """
    const found = await axe.run(document, { resultTypes: ["violations"] });
    return found.violations.flatMap(rule => rule.nodes.map(node =>
      `${rule.id}: ${node.target}: ${node.failureSummary.replaceAll("\\n", " ")}`));"""
    return run(page, script, folder, dark, width, axe())
