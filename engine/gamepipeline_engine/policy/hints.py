"""The TOML lines that would allow several things at once, as one text that can be pasted."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

from gamepipeline_engine.policy.violation import quoted


def together(hints: Iterable[str]) -> str:
    """One text for all ``hints``: a table and a key stand once each, lists and ranges are united."""
    tables: dict[str, dict[str, Any]] = {}
    for hint in hints:
        for name, keys in tomllib.loads(hint).items():
            table = tables.setdefault(name, {})
            for key, value in keys.items():
                table[key] = _united(table[key], value) if key in table else value
    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {_written(value)}" for key, value in table.items())]
    return "\n".join(lines)


def _united(one: Any, other: Any) -> Any:
    if isinstance(one, list):
        return [*one, *(value for value in other if value not in one)]
    if isinstance(one, str):  # ranges of ports
        return ",".join(dict.fromkeys((*one.split(","), *other.split(","))))
    return other


def _written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case dict():
            return f"{{{', '.join(f'{key} = {_written(one)}' for key, one in value.items())}}}"
        case _:
            return f"{value:.10g}"
