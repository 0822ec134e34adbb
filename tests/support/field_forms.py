"""The forms that the fields of a container can have, and which of them some containers use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import inspect

from gamepipeline_events.spec.checks.kinds import choose, fields_of, options_of, plain
from gamepipeline_events.spec.compose import Container

Form = tuple[str, str, str]
"""Struct, field, kind of JSON value."""

_KINDS: dict[type, str] = {
    inspect.StructType: "mapping",
    inspect.DictType: "mapping",
    inspect.ListType: "list",
    inspect.StrType: "text",
    inspect.LiteralType: "text",
    inspect.BoolType: "true or false",
    inspect.IntType: "number",
    inspect.FloatType: "number",
}


def forms() -> Iterator[Form]:
    """Everything that can be written below ``container``."""
    todo: list[type] = [Container]
    done: set[type] = set()
    while todo:
        cls = todo.pop()
        if cls in done:
            continue
        done.add(cls)
        for name, field in fields_of(cls).items():
            todo += _structs(field.type)
            for option in _flat(field.type):
                if kind := _KINDS.get(type(option)):
                    yield cls.__name__, name, kind


def _flat(kind: inspect.Type) -> list[inspect.Type]:
    """What ``kind`` can be, through unions of unions."""
    inner = plain(kind)
    return [one for option in inner.types for one in _flat(option)] if isinstance(inner, inspect.UnionType) else [inner]


def _structs(kind: inspect.Type) -> list[type]:
    """The structs somewhere in ``kind``."""
    match plain(kind):
        case inspect.StructType() as found:
            return [found.cls]
        case inspect.ListType() as found:
            return _structs(found.item_type)
        case inspect.DictType() as found:
            return _structs(found.value_type)
        case inspect.UnionType() as found:
            return [cls for option in found.types for cls in _structs(option)]
        case _:
            return []


_JSON = {bool: "true or false", int: "number", float: "number", str: "text", list: "list", dict: "mapping"}


def used(containers: Iterable[dict[str, Any]]) -> set[Form]:
    """Everything that is written in some of these."""
    found: set[Form] = set()
    for container in containers:
        _walk(container, Container, found)
    return found


def _walk(value: dict[str, Any], cls: type, found: set[Form]) -> None:
    for key, inner in value.items():
        found.add((cls.__name__, key, _JSON[type(inner)]))
        _below(inner, fields_of(cls)[key].type, found)


def _below(value: Any, kind: inspect.Type, found: set[Form]) -> None:
    chosen = choose(value, options_of(kind))
    match chosen and plain(chosen):
        case inspect.StructType() as one:
            _walk(value, one.cls, found)
        case inspect.ListType() as one:
            for item in value:
                _below(item, one.item_type, found)
        case inspect.DictType() as one:
            for item in value.values():
                _below(item, one.value_type, found)
        case _:
            pass
