"""A value that came out of an expression and is of the wrong type: where it stands, in our own words."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_events.problems import Path

_PLACE = re.compile(r"\.(?P<key>[A-Za-z_][A-Za-z0-9_]*)|\[(?P<index>[0-9]+)\]|\[\.\.\.\]")
_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def wrong_value(error: msgspec.ValidationError, path: Path, document: Any) -> TemplateError:
    """What ``error`` says of ``document``, which stands at ``path``.

    msgspec names the place (``$.healthcheck.retries``) and the type (``Expected `int```) in its
    message only. A form of it that is not known here is passed on as it is.
    """
    message, _, place = str(error).partition(" - at `$")
    parts = _parts(place.removesuffix("`"), document)
    return TemplateError((*path, *parts), _words(message, _value(document, parts)))


def _parts(place: str, document: Any) -> Path:
    """The place as a path; the key of a mapping that msgspec does not tell ends it."""
    found: list[str | int] = []
    for matched in _PLACE.finditer(place):
        if matched["key"]:
            found.append(matched["key"])
        elif matched["index"]:
            found.append(int(matched["index"]))
        else:
            break
    return tuple(found) if _value(document, tuple(found)) is not None else tuple(found[:1])


def _value(document: Any, parts: Path) -> Any:
    for part in parts:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def _words(message: str, value: Any) -> str:
    subject = f"'{value:.80}'" if isinstance(value, str) else "the value"
    if bound := re.fullmatch(r"Expected `(?:int|float)` (>=|<=) (\S+)", message):
        return f"{subject} must be {'at least' if bound[1] == '>=' else 'at most'} {bound[2]}"
    if wanted := re.match(r"Expected `([a-z |]+)`", message):
        kinds = dict.fromkeys(_WORDS.get(kind, kind) for kind in wanted[1].split(" | ") if kind != "null")
        return f"{subject} is not {' or '.join(kinds)}"
    if message.startswith("Invalid enum value"):
        return f"{subject} is not one of the values it can have"
    return message
