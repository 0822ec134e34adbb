"""What the engine's own source uses: for honest words about what has no effect yet."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import gamepipeline_engine

_DECLARED = {"config.py"}


@cache
def _code() -> str:
    folder = Path(gamepipeline_engine.__file__).parent
    files = (file for file in sorted(folder.rglob("*.py")) if file.name not in _DECLARED)
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def says(text: str) -> bool:
    """Whether ``text`` is a string somewhere in the engine."""
    return f'"{text}"' in _code()


def reads(path: str) -> bool:
    """Whether an attribute such as ``timing.heartbeat`` is read somewhere in the engine."""
    return re.search(rf"\.{re.escape(path)}\b", _code()) is not None
