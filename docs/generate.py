"""Writes the tables of the reference, and the AsyncAPI document, from the code.

Usage: python docs/generate.py [--check]

A page holds regions between two comments; what is between them is this script's, the rest is
written by hand:

    <!-- generated: exit-codes -->
    <!-- end of exit-codes -->

With --check nothing is written: exit code 1 and the differences when a page is not up to date.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tables import asyncapi, audit, commandline, configuration, events, pipelinefile, status, transitions, words

DOCS = Path(__file__).parent
REGIONS: dict[str, Callable[[], str]] = {
    **events.REGIONS,
    **status.REGIONS,
    **transitions.REGIONS,
    **words.REGIONS,
    **pipelinefile.REGIONS,
    **configuration.REGIONS,
    **commandline.REGIONS,
    **audit.REGIONS,
}
DOCUMENTS: dict[str, Callable[[], dict[str, Any]]] = {**asyncapi.DOCUMENTS}
"""Files that are this script's as a whole, by their path below docs/."""
_REGION = re.compile(r"<!-- generated: ([a-z-]+) -->\n(.*?)<!-- end of \1 -->", re.DOTALL)


def render(text: str, used: set[str]) -> str:
    """``text`` with every region filled in; their names are added to ``used``."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        used.add(name)
        return f"<!-- generated: {name} -->\n{REGIONS[name]().rstrip()}\n<!-- end of {name} -->"

    return _REGION.sub(fill, text)


def main(arguments: list[str]) -> int:
    """Write or check every page; the exit code."""
    check = arguments == ["--check"]
    used: set[str] = set()
    stale = 0
    wanted = {page: render(page.read_text(encoding="utf-8"), used) for page in sorted(DOCS.rglob("*.md"))}
    for path, document in DOCUMENTS.items():
        wanted[DOCS / path] = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    for page, new in wanted.items():
        old = page.read_text(encoding="utf-8") if page.exists() else ""
        if new == old:
            continue
        if check:
            name = str(page.relative_to(DOCS.parent))
            sys.stdout.writelines(
                difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), name, "generated")
            )
            stale += 1
        else:
            page.write_text(new, encoding="utf-8")
    unused = set(REGIONS) - used
    if unused:
        print(f"no page shows: {', '.join(sorted(unused))}")
    if stale:
        print(f"{stale} pages differ from the code: run `python docs/generate.py`")
    return 1 if stale or unused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
