"""From a TOML document to structs, with errors a person can act on: the key, what is wrong, the likely fix."""

from __future__ import annotations

import difflib
import re
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from gamepipeline_engine.config_values import Bytes, Seconds
from gamepipeline_engine.policy.model import PortRanges

T = TypeVar("T")


def decode_config(document: dict[str, Any], kind: type[T]) -> T:
    """``document`` as a ``kind``. Raises ValueError naming all unknown keys at once, else the first wrong value."""
    info = inspect.type_info(kind)
    unknown = _unknown_keys(document, info, "")
    if unknown:
        raise ValueError("; ".join(unknown))
    _try_tables(document, info)
    try:
        return msgspec.convert(document, kind, dec_hook=_hook)
    except msgspec.ValidationError as exc:
        raise ValueError(_plain(str(exc), info)) from exc


def _try_tables(document: dict[str, Any], info: inspect.Type) -> None:
    """Tables with names of the user's own, one by one: msgspec does not say which of them is wrong."""
    for field in cast("inspect.StructType", info).fields:
        tables = document.get(field.encode_name)
        if isinstance(field.type, inspect.DictType) and isinstance(tables, dict):
            inner = cast("inspect.StructType", field.type.value_type)
            for name, table in tables.items():
                try:
                    msgspec.convert(table, inner.cls, dec_hook=_hook)
                except msgspec.ValidationError as exc:
                    what = _plain(str(exc), inner)
                    key = re.match(r"([a-z_]+): ", what)
                    place = f'{field.encode_name}."{name}"'
                    raise ValueError(f"{place}.{what}" if key else f"{place}: {what}") from exc


_PARSERS = {Seconds: Seconds.parse, Bytes: Bytes.parse}


def _hook(kind: type, value: Any) -> Any:
    if kind in _PARSERS:
        return _PARSERS[kind](value)
    if kind is PortRanges:
        if not isinstance(value, str):
            raise ValueError('is no range of ports: write "1024-65535"')
        return PortRanges.parse(value)
    raise NotImplementedError(kind)


_EXPECTED = re.compile(r"Expected `([a-z| ]+)`, got `([a-z]+)`")
_MISSING = re.compile(r"Object missing required field `(.+)`")
_ENUM = re.compile(r"Invalid enum value '(.*)'")
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}


def _plain(message: str, kind: inspect.Type) -> str:
    """What msgspec says, in words: the key first, then what is wrong with it."""
    matched = re.fullmatch(r"(.*) - at `\$\.?(.*)`", message, re.DOTALL)
    what, key = (matched[1], matched[2]) if matched else (message, "")
    if wrong := _EXPECTED.fullmatch(what):
        wanted = " or ".join(_WORDS.get(word, word) for word in wrong[1].split(" | ") if word != "null")
        what = f"must be {wanted}, not {_WORDS.get(wrong[2], wrong[2])}"
    elif missing := _MISSING.fullmatch(what):
        what = f"has no '{missing[1]}'"
    elif enum := _ENUM.fullmatch(what):
        what = f"'{enum[1]}' is not one of {', '.join(_literals(kind, key))}"
    return f"{key}: {what}" if key else what


def _literals(kind: inspect.Type, key: str) -> list[str]:
    """The values the key may have: follows ``a.b[0].c`` through the structs."""
    for part in re.sub(r"\[[0-9]+\]", "", key).split("."):
        kind = kind.item_type if isinstance(kind, inspect.VarTupleType) else kind
        kind = next(field.type for field in cast("inspect.StructType", kind).fields if field.name == part)
    return [str(value) for value in cast("inspect.LiteralType", kind).values]


def _unknown_keys(value: Any, kind: inspect.Type, path: str) -> list[str]:
    found: list[str] = []
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in kind.fields}
        for key, inner in value.items():
            place = f"{path}.{key}" if path else key
            if key in fields:
                found += _unknown_keys(inner, fields[key], place)
            else:
                found.append(_complaint(key, place, list(fields)))
    elif isinstance(kind, inspect.DictType) and isinstance(value, dict):
        for key, inner in value.items():
            found += _unknown_keys(inner, kind.value_type, f'{path}."{key}"')
    elif isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        for index, inner in enumerate(value):
            found += _unknown_keys(inner, kind.item_type, f"{path}[{index}]")
    return found


def _complaint(key: str, place: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
    return f"unknown key '{place}': {hint}"
