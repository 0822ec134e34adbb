"""One problem in a pipeline document, and the codes problems have.

Codes are part of the contract (``error[GP203]``); more may be added, none changes its meaning.
"""

from __future__ import annotations

import re

import msgspec

CODES: dict[str, str] = {
    "GP101": "not readable as YAML or JSON",
    "GP102": "duplicate key",
    "GP103": "unknown key",
    "GP104": "wrong type",
    "GP105": "value out of range",
    "GP106": "too large",
    "GP107": "required key is missing",
    "GP108": "keys contradict each other",
    "GP201": "duplicate id",
    "GP202": "unknown step in needs",
    "GP203": "steps wait for each other in a circle",
    "GP301": "name is not declared",
    "GP302": "value is missing",
    "GP303": "expression syntax",
    "GP304": "expression is not allowed here",
    "GP401": "refused by the node's policy",
    "GP402": "compose field is not supported",
    "GP403": "no place in the concurrency group",
}

Path = tuple[str | int, ...]
"""Where in a document: keys and indexes from the root, ``("steps", 0, "container", "image")``."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a document.

    ``path`` is the place in the document; ``line`` and ``column`` count from 1 and are 0 where
    the document came without text (a dict from Python).
    """

    code: str
    message: str
    path: Path
    hint: str | None = None
    severity: str = "error"  # or "warning"
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        where = format_path(self.path)
        return f"{self.code} at {where}: {self.message}" if where else f"{self.code}: {self.message}"


def format_path(path: Path) -> str:
    """``("steps", 0, "name")`` → ``steps[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def parse_path(text: str) -> Path:
    """``steps[0].name`` → ``("steps", 0, "name")``; a key that has a dot in it becomes two."""
    parts = re.findall(r"\[([0-9]+)\]|([^.\[]+|\[)", text)
    return tuple(int(index) if index else key for index, key in parts)
