"""Which files of a workspace a list of patterns means. Pure; takes time that grows with the text only.

``*`` and ``?`` stay within one part of a path, ``**`` is any number of parts. What a pattern names
is kept with everything below it, so a folder is named like a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache

HIDDEN = ".gamepipeline"
"""The engine's own folder in a workspace."""

_MAGIC = frozenset("*?[")


class Patterns:
    """The files that any of some patterns means."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [tuple(part for part in one.split("/") if part not in ("", ".")) for one in patterns]

    def match(self, path: str) -> bool:
        """Whether the file at ``path`` (below the workspace) is meant."""
        parts = tuple(path.split("/"))
        return parts[0] != HIDDEN and any(_matches(one, parts) for one in self._patterns)

    def roots(self) -> list[str]:
        """The folders and files, below the workspace, that hold everything meant; empty text: all of it."""
        found: set[str] = set()
        for one in self._patterns:
            fixed = []
            for part in one:
                if _MAGIC & set(part):
                    break
                fixed.append(part)
            found.add("/".join(fixed))
        return sorted(root for root in found if not any(other != root and _holds(other, root) for other in found))


def _holds(folder: str, path: str) -> bool:
    return folder == "" or path.startswith(f"{folder}/")


def _matches(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether ``pattern`` means ``path`` or a folder above it: which prefixes of the pattern fit, part by part."""
    states = _skip(pattern, {0})
    for part in path:
        if len(pattern) in states:
            return True
        states = _skip(
            pattern,
            {at if pattern[at] == "**" else at + 1 for at in states if pattern[at] == "**" or _fits(pattern[at], part)},
        )
    return len(pattern) in states


def _skip(pattern: tuple[str, ...], states: set[int]) -> set[int]:
    """Also the places behind each ``**``, which may stand for nothing."""
    found = set(states)
    for at in sorted(states):
        here = at
        while here < len(pattern) and pattern[here] == "**":
            here += 1
            found.add(here)
    return found


def _fits(pattern: str, part: str) -> bool:
    return _compiled(pattern).match(part) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))
