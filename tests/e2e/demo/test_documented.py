"""What the docs tell people to type works: every block marked as tested is run, page by page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.home import Home

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[3]
_BLOCK = re.compile(r"^<!-- tested -->\n```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = [
    page for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]) if _BLOCK.search(page.read_text())
]


def test_there_are_such_pages() -> None:
    """The pages that people type from are among them."""
    assert {"README.md", "getting-started.md", "consumers.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_the_docs_work(page: Path, home: Home) -> None:
    """All blocks of a page, one after the other in one folder, as a reader would type them."""
    (home.folder / "examples").symlink_to(ROOT / "examples")
    blocks = _BLOCK.findall(page.read_text())
    script = "set -eo pipefail\n" + "\n".join(blocks)
    code, out, err = home.run("bash", "-c", script, cwd=home.folder, timeout=220)
    assert code == 0, f"{script}\n{out}\n{err}"
