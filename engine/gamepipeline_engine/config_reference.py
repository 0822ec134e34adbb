"""Every key of the node configuration as rows of a table, for the docs: made from the structs, so never out of date."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from gamepipeline_engine.config import Config
from gamepipeline_engine.config_values import Bytes, Seconds
from gamepipeline_engine.policy.model import PortRanges


class Row(msgspec.Struct, frozen=True):
    """One key: its table, its name, what it takes, and its default as TOML writes it (empty: none)."""

    table: str
    key: str
    kind: str
    default: str


_NAMES: dict[type, str] = {
    inspect.StrType: "text",
    inspect.IntType: "whole number",
    inspect.FloatType: "number",
    inspect.BoolType: "true or false",
}
_CUSTOM: dict[type, str] = {Seconds: "duration", Bytes: "size", PortRanges: "ranges of ports"}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_SIZES = ((2**30, "g"), (2**20, "m"), (2**10, "k"))


def config_reference() -> list[Row]:
    """The keys in the order of the file. A table in a key stands as ``key.inner``, one in a list as ``key[].inner``."""
    rows: list[Row] = []
    for field in inspect.type_info(Config).fields:  # type: ignore[attr-defined]
        if isinstance(field.type, inspect.DictType):
            inner = field.type.value_type.fields  # type: ignore[attr-defined]
            table = f'{field.name}."…"'
            rows += [Row(table, one.name, _kind(_without_none(one.type)), _default(one.default)) for one in inner]
        else:
            rows += _rows(field.name, "", getattr(Config(), field.name))
    return rows


def _rows(table: str, prefix: str, value: msgspec.Struct) -> list[Row]:
    found: list[Row] = []
    for field in inspect.type_info(type(value)).fields:  # type: ignore[attr-defined]
        key = f"{prefix}{field.name}"
        kind = _without_none(field.type)
        default = getattr(value, field.name)
        if isinstance(kind, inspect.StructType):
            found += _rows(table, f"{key}.", default)
            continue
        found.append(Row(table, key, _kind(kind), _default(default)))
        if isinstance(kind, inspect.VarTupleType) and isinstance(kind.item_type, inspect.StructType):
            for inner in kind.item_type.fields:
                written = "" if inner.default is msgspec.NODEFAULT else _default(inner.default)
                found.append(Row(table, f"{key}[].{inner.name}", _kind(_without_none(inner.type)), written))
    return found


def _without_none(kind: inspect.Type) -> inspect.Type:
    if not isinstance(kind, inspect.UnionType):
        return kind
    return next(option for option in kind.types if not isinstance(option, inspect.NoneType))


def _kind(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.CustomType):
        return _CUSTOM[kind.cls]
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(str(value) for value in kind.values)
    if isinstance(kind, inspect.VarTupleType):
        return "list of tables" if isinstance(kind.item_type, inspect.StructType) else "list of texts"
    return _NAMES[type(kind)]


def _default(value: Any) -> str:
    match value:
        case None | "":
            return ""
        case PortRanges():
            return f'"{value}"'
        case Seconds():
            return f'"{_short(value, _UNITS)}"'
        case Bytes():
            return f'"{_short(value, _SIZES)}"'
        case _:
            return msgspec.json.encode(value).decode().replace(",", ", ")


def _short(value: float, units: tuple[tuple[int, str], ...]) -> str:
    """In the largest unit that gives a whole number."""
    return next((f"{value / size:.0f}{unit}" for size, unit in units if value % size == 0), f"{value:g}")
