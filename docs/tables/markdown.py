"""Markdown tables, and the names of types as a reader of JSON knows them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import msgspec

from gamepipeline_events import OnFull, StopCause

_NAMES = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "true or false",
    "Any": "any value",
    "None": "null",
    "Timestamp": "time",
}


_ALIASES = {
    name: "Literal[" + ", ".join(get_args(alias)) + "]"
    for name, alias in (("StopCause", StopCause), ("OnFull", OnFull))
}


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell may hold anything but a line break."""
    lines = [_row(header), _row(["---"] * len(header)), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def code(text: object) -> str:
    """``text`` as code; nothing for an empty one."""
    return f"`{text}`" if str(text) else ""


def meaning(texts: Mapping[str, str], name: str, module: str) -> str:
    """The words for ``name``; raises SystemExit that says where to write them when there are none."""
    if name not in texts:
        raise SystemExit(f"{name} is new: say what it means in docs/tables/{module}.py, then run docs/generate.py")
    return texts[name]


def summary(cls: type) -> str:
    """The docstring as paragraphs of Markdown: ``x`` becomes `x`."""
    text = "\n".join(line.strip() for line in (cls.__doc__ or "").strip().splitlines())
    return re.sub(r"\n(?!\n)(?<!\n\n)", " ", text).replace("``", "`")


def annotation(text: str) -> str:
    """The words for a Python annotation as written: ``list[str] | None`` is "list of text, or null"."""
    parts = _split(text, "|")
    if len(parts) > 1:
        named = [annotation(part) for part in parts]
        null = "null" in named
        kept = " or ".join(name for name in named if name != "null")
        return f"{kept}, or null" if null else kept
    text = _ALIASES.get(text.strip(), text.strip())
    if matched := re.fullmatch(r"(\w+)\[(.*)\]", text, re.DOTALL):
        outer, inner = matched[1], matched[2]
        if outer == "Literal":
            return ", ".join(code(value.strip("'\"")) for value in _split(inner, ","))
        if outer == "dict":
            key, value = _split(inner, ",")
            return "object" if value == "Any" else f"object: {annotation(key)} to {annotation(value)}"
        if outer == "list":
            return f"list of {annotation(inner)}"
    return _NAMES.get(text, f"[{text}](#{text.lower()})")


def fields(cls: type[msgspec.Struct]) -> list[tuple[str, str]]:
    """Name and type of each field, in the order of the wire."""
    written: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        written.update(inspect.get_annotations(base))
    return [(field.encode_name, str(written[field.name])) for field in msgspec.structs.fields(cls)]


def field_table(cls: type[msgspec.Struct]) -> str:
    """Name and type of each field."""
    return table(("field", "type"), ((code(name), annotation(kind)) for name, kind in fields(cls)))


def _split(text: str, separator: str) -> list[str]:
    """Parts of ``text`` outside of brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[(") - (char in "])")
        if char == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]
