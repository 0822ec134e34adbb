"""Writes the tables of the reference from the code.

Usage: python docs/generate.py [--check]

A page holds regions between two comments; what is between them is this script's, the rest is
written by hand:

    <!-- generated: exit-codes -->
    <!-- end of exit-codes -->

With --check nothing is written: exit code 1 and the differences when a page is not up to date.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable
from pathlib import Path

from tables import audit, commandline, configuration, events, pipelinefile, status, transitions, words

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
    for page in sorted(DOCS.rglob("*.md")):
        old = page.read_text(encoding="utf-8")
        new = render(old, used)
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
