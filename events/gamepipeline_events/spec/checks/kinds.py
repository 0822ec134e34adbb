"""What kind of value a type of msgspec stands for: choosing among a union's, and saying it in words."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from msgspec import inspect

Types = tuple[inspect.Type, ...]

_WORDS: dict[type, str] = {
    inspect.StructType: "a mapping",
    inspect.DictType: "a mapping",
    inspect.ListType: "a list",
    inspect.StrType: "text",
    inspect.LiteralType: "text",
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
}
_JSON: dict[type, frozenset[type]] = {
    dict: frozenset({inspect.StructType, inspect.DictType}),
    list: frozenset({inspect.ListType}),
    str: frozenset({inspect.StrType, inspect.LiteralType}),
    bool: frozenset({inspect.BoolType}),
    int: frozenset({inspect.IntType, inspect.FloatType}),
    float: frozenset({inspect.FloatType}),
}
"""JSON kind of a value → the types it can be."""


def plain(kind: inspect.Type) -> inspect.Type:
    """``kind`` without what is annotated to it."""
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def format_of(kind: inspect.Type) -> str:
    """Name of the format annotated to ``kind``, or empty."""
    extra = kind.extra if isinstance(kind, inspect.Metadata) else None
    return str((extra or {}).get("format", ""))


def options_of(kind: inspect.Type) -> Types:
    """What a union is a union of; of anything else, itself."""
    inner = plain(kind)
    return inner.types if isinstance(inner, inspect.UnionType) else (inner,)


def choose(value: Any, options: Types) -> inspect.Type | None:
    """The option that a value of this JSON kind can only mean."""
    fitting = _JSON.get(type(value), frozenset())
    for option in options:
        if any(type(plain(inner)) in fitting for inner in options_of(option)):
            return option
    return None


def allows_null(kind: inspect.Type) -> bool:
    """Whether null is a value here, and not the absence of one."""
    return any(isinstance(option, inspect.NoneType) for option in options_of(kind))


def wanted(options: Types) -> str:
    """``text or a list``."""
    words = [_WORDS.get(type(plain(inner))) for option in options for inner in options_of(option)]
    named = dict.fromkeys(word for word in words if word)
    if "a number" in named:
        named.pop("a whole number", None)
    return " or ".join(named)


@cache
def fields_of(cls: type) -> dict[str, inspect.Field]:
    """The fields of a struct by name."""
    return {field.name: field for field in cast("inspect.StructType", inspect.type_info(cls)).fields}
