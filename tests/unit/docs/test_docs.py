"""The docs agree with the code and with each other."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`")


def test_the_reference_is_what_the_code_says() -> None:
    """Whoever changes a table's source runs `python docs/generate.py`; no region is unknown or unused."""
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file of this repository, and its fragment a heading of that file."""
    broken = []
    for target in _LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        inside = file.exists() and file.is_relative_to(ROOT)
        if not inside or (fragment and fragment not in _anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_have_one_title_and_closed_blocks(page: Path) -> None:
    """One first-level heading, at the top; every code block ends."""
    text = page.read_text()
    assert text.startswith("# ")
    assert len(re.findall(r"^# ", _FENCE.sub("", text), re.MULTILINE)) == 1
    assert len(re.findall(r"^```", text, re.MULTILINE)) % 2 == 0


def test_the_index_reaches_every_page() -> None:
    """Nobody has to know the name of a page to find it."""
    index = (ROOT / "docs" / "index.md").read_text()
    pages = [page.relative_to(ROOT / "docs") for page in PAGES if page.is_relative_to(ROOT / "docs")]
    missing = [str(page) for page in pages if page.parts[0] != "decisions" and page.name != "index.md"]
    assert [name for name in missing if f"({name})" not in index] == []


def _prose(page: Path) -> str:
    """The text without code, where brackets mean something else."""
    return _CODE.sub("", _FENCE.sub("", page.read_text()))


def _anchors(page: Path) -> set[str]:
    """Fragments of the headings, made as hosting sites make them."""
    if page.suffix != ".md":
        return set()
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE):
        kept = [char for char in heading.lower() if char in "-_ " or unicodedata.category(char)[0] in "LN"]
        found.add("".join(kept).strip().replace(" ", "-"))
    return found
