"""The first look at a document: is it JSON at all, and small enough to look at more closely.

Nothing after this has to fear a deep, huge or strange document: it is bounded in depth, nodes and
bytes, its keys are text, its numbers fit 64 bits, its texts can be encoded.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.report import Report, kind_of, quoted

MAX_DEPTH = 50
MAX_NODES = 100_000
MAX_BYTES = 512 * 1024
_MAX_INT = 2**63


def measure(document: object, report: Report) -> tuple[bool, Any]:
    """Whether ``document`` may be walked, and what to walk; what speaks against it is in ``report``.

    A value that is no JSON is recorded too, without being in the way of the rest. What to walk is
    a copy of plain dicts and lists, when the whole document is JSON.
    """
    pending: list[tuple[Path, Any]] = [((), document)]
    nodes, encodable = 0, True
    while pending:
        path, value = pending.pop()
        nodes += 1
        if nodes > MAX_NODES:
            report.error("GP106", f"the document has more than {MAX_NODES} values", ())
            return False, None
        if len(path) > MAX_DEPTH:
            report.error("GP106", f"nested deeper than {MAX_DEPTH} levels", path[:MAX_DEPTH])
            return False, None
        if isinstance(value, dict):
            encodable &= _keys(value, path, report)
            pending.extend(((*path, key), inner) for key, inner in reversed(value.items()))
        elif isinstance(value, list | tuple):
            pending.extend(((*path, i), inner) for i, inner in reversed(list(enumerate(value))))
        elif why := _strange(value):
            encodable = False
            code = "GP105" if isinstance(value, int | float | str) else "GP104"
            report.error(code, f"the value {why}", path)
    return _plain(document, report) if encodable else (True, document)


def _keys(value: dict[Any, Any], path: Path, report: Report) -> bool:
    """Whether every key is text that can be encoded."""
    bad = [key for key in value if not is_key(key)]
    for key in bad:
        place = (*path, quoted(key))
        if isinstance(key, str):
            report.error("GP105", f"the key {quoted(key)} {_strange(key)}", place)
        else:
            report.error("GP104", f"the key {quoted(key)} must be text", place, "quote it")
    return not bad


def is_key(key: object) -> bool:
    """Whether ``key`` may be a key of a JSON document."""
    return isinstance(key, str) and not _strange(key)


def is_strange(value: object) -> bool:
    """Whether a scalar cannot be part of a document."""
    return bool(_strange(value))


def _strange(value: object) -> str:
    """Why a scalar cannot be part of a document; empty when it can."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            return "holds half of a surrogate pair, which is no character"
        return "holds a NUL character" if "\0" in value else ""
    if isinstance(value, int):
        return "" if -_MAX_INT <= value < _MAX_INT else "is a number beyond 64 bits"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "is not a finite number"
    return f"is {kind_of(value)}, which JSON does not have"


def _plain(document: object, report: Report) -> tuple[bool, Any]:
    encoded = msgspec.json.encode(document)
    if len(encoded) <= MAX_BYTES:
        return True, msgspec.json.decode(encoded)
    message = f"the document has {len(encoded)} bytes as JSON; at most {MAX_BYTES} are allowed"
    report.error("GP106", message, ())
    return False, None
