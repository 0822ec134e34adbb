"""Unknown keys, wrong types, values out of range: one walk along the structs of ``model.py``.

The walk returns a copy that holds only what was right: keys nobody knows, ``x-`` keys, nulls and
empty mappings are gone, and so is whatever has a problem (in a list its place is kept by None).
Later rules work on that copy and never meet a value of a wrong type.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.formats import FORMATS
from gamepipeline_events.spec.checks.keys import unknown_key
from gamepipeline_events.spec.checks.kinds import (
    allows_null,
    choose,
    fields_of,
    format_of,
    options_of,
    wanted,
)
from gamepipeline_events.spec.checks.measure import is_key
from gamepipeline_events.spec.checks.report import KEY, Report, kind_of, quoted
from gamepipeline_events.spec.expressions import OPEN, ExpressionError, Reference, parse
from gamepipeline_events.spec.model import GamePipeline
from gamepipeline_events.values import OutOfRange

_FREE_TEXT = frozenset({"name", "description", "model"})
_BOOLEAN_WORDS = frozenset({"yes", "no", "on", "off", "true", "false"})


_MANY = (inspect.StructType, inspect.DictType, inspect.ListType, inspect.NoneType)


class _Wrong:
    """Stands for a value that has a problem."""


WRONG: Final = _Wrong()


class Use(msgspec.Struct, frozen=True):
    """An expression in a string of a container: where, and what it refers to."""

    path: Path
    reference: Reference


def shape(document: object, report: Report) -> tuple[Any, list[Use]]:
    """The right parts of a pipeline document (WRONG if none), and the expressions in its containers."""
    walk = Shape(report)
    if () in report.failed:
        return WRONG, []
    if document is None or document == {}:
        hint = "a pipeline has at least a name and steps"
        report.error("GP107", "the document is empty", (), hint)
        return WRONG, []
    return walk.walk(document, _root(), ()), walk.uses


@cache
def _root() -> inspect.Type:
    return inspect.type_info(GamePipeline)


class Shape:
    """One walk. ``uses`` fills with the expressions that were met, in order."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.uses: list[Use] = []

    def walk(self, value: Any, kind: inspect.Type, path: Path) -> Any:
        """The part of ``value`` that is a ``kind``, or WRONG."""
        if path in self.report.failed:
            return WRONG
        options = options_of(kind)
        chosen = choose(value, options)
        if isinstance(chosen, inspect.Metadata):
            return self.walk(value, chosen, path)
        # An expression is one value: it cannot stand for a mapping or a list.
        if isinstance(value, str) and OPEN in value and not all(isinstance(one, _MANY) for one in options):
            seen = self._expressions(value, path)
            if seen is not None:
                return seen
        name = format_of(kind)
        if chosen is None:
            self._wrong_type(value, wanted(options), path)
            return WRONG
        result = self._of_kind(value, chosen, path)
        if name and result is not WRONG:
            return self._formatted(result, name, path)
        return result

    def _of_kind(self, value: Any, kind: inspect.Type, path: Path) -> Any:
        result: Any = value
        match kind:
            case inspect.StructType():
                result = self._struct(value, kind.cls, path)
            case inspect.DictType():
                result = self._mapping(value, kind, path)
            case inspect.ListType():
                result = self._list(value, kind, path)
            case inspect.LiteralType():
                result = self._literal(value, kind, path)
            case inspect.IntType() | inspect.FloatType():
                why = _beyond(value, kind.ge, kind.le)
                result = self._unless(why and f"is {quoted(value)}; it must be {why}", value, path)
            case inspect.StrType():
                why = _beyond(len(value), kind.min_length, kind.max_length)
                why = why and (f"has {len(value)} characters; it must have {why}" if value else "is empty")
                result = self._unless(why, value, path)
            case _:
                pass  # true or false is all right as it is
        return result

    def _struct(self, value: dict[Any, Any], cls: type, path: Path) -> dict[str, Any]:
        fields = fields_of(cls)
        result: dict[str, Any] = {}
        for key, inner in value.items():
            if not is_key(key) or key.startswith("x-"):
                continue
            if key not in fields:
                unknown_key(key, cls, path, self.report)
            elif inner is not None and inner != {}:
                seen = self.walk(inner, fields[key].type, (*path, key))
                if seen is not WRONG:
                    result[key] = seen
        for name, field in fields.items():
            if field.required and value.get(name) in (None, {}):
                message = f"{_owner(path)} has no '{name}'"
                self.report.error("GP107", message, path, f"add '{name}'")
        return result

    def _mapping(self, value: dict[Any, Any], kind: inspect.DictType, path: Path) -> dict[str, Any]:
        nullable = allows_null(kind.value_type)
        key_format = format_of(kind.key_type)
        result: dict[str, Any] = {}
        for key, inner in value.items():
            place = (*path, key)
            if not is_key(key) or (inner is None and not nullable):
                continue
            if key_format and key.startswith("x-"):
                continue
            if key_format and self._formatted(key, key_format, place, KEY) is WRONG:
                continue
            seen = None if inner is None else self.walk(inner, kind.value_type, place)
            if seen is not WRONG:
                result[key] = seen
        return result

    def _list(self, value: list[Any], kind: inspect.ListType, path: Path) -> Any:
        if why := _beyond(len(value), kind.min_length, kind.max_length):
            code = "GP106" if value else "GP105"
            why = f"has {len(value)} items; it must have {why}" if value else "is empty"
            message = f"{_subject(path)} {why}"
            self.report.error(code, message, path)
            return WRONG
        result = []
        for index, inner in enumerate(value):
            seen = self.walk(inner, kind.item_type, (*path, index))
            result.append(None if seen is WRONG else seen)
        return result

    def _literal(self, value: Any, kind: inspect.LiteralType, path: Path) -> Any:
        if value in kind.values:
            return value
        known = [str(option) for option in kind.values if option != ""]
        message = f"{_subject(path)} is {quoted(value)}, not {' or '.join(known)}"
        self.report.error("GP105", message, path, self.report.guess(value, known))
        return WRONG

    def _unless(self, why: str, value: Any, path: Path) -> Any:
        """``value``, unless something speaks against it."""
        if not why:
            return value
        self.report.error("GP105", f"{_subject(path)} {why}", path)
        return WRONG

    def _formatted(self, value: Any, name: str, path: Path, offset: int | None = None) -> Any:
        code, why = "", ""
        try:
            FORMATS[name](value)
        except OutOfRange as exc:
            code, why = "GP105", str(exc)
        except ValueError as exc:
            code, why = "GP104", str(exc)
        if not code:
            return value
        subject = "the key" if offset == KEY else _subject(path)
        self.report.error(code, f"{subject} ({quoted(value)}) {why}", path, None, offset)
        return WRONG

    def _expressions(self, text: str, path: Path) -> str | _Wrong | None:
        """The text when it holds expressions that may stand here, WRONG, or None: it holds none."""
        rendered = path[2:3] == ("container",)
        free = path[-1:] and path[-1] in _FREE_TEXT and not rendered
        try:
            found = [piece for piece in parse(text) if isinstance(piece, Reference)]
        except ExpressionError as exc:
            if free:
                return None
            self.report.error("GP303", exc.why, path, exc.hint, exc.position)
            return WRONG
        if not found:
            return None
        if rendered:
            self.uses.extend(Use(path, reference) for reference in found)
            return text
        message = f"{_subject(path)}: expressions are filled in below 'container' only"
        if free:
            self.report.warn("GP304", message, path, None, found[0].position)
            return None
        self.report.error("GP304", message, path, None, found[0].position)
        return WRONG

    def _wrong_type(self, value: Any, words: str, path: Path) -> None:
        message = f"{_subject(path)} must be {words}, not {kind_of(value)}"
        hint = f"write {{default: {quoted(value)}}}" if path[:1] == ("args",) and len(path) == 2 else None
        self.report.error("GP104", message, path, hint or _type_hint(value, words))


def _type_hint(value: Any, words: str) -> str | None:
    hint = None
    match value:
        case int() | float() if "text" in words:
            hint = f'quote it: "{quoted(value)}"'
        case str() if value.lower() in _BOOLEAN_WORDS and "true or false" in words:
            hint = "write true or false"
        case str() if "a list" in words:
            hint = f"write [{value}]" if len(value) < 40 and value.isprintable() else "write a list"
        case dict() if len(value) == 1 and "text" in words:
            hint = "a text that holds ': ' must be in quotes"
    return hint


def _beyond(amount: float, low: float | None, high: float | None) -> str:
    """The bounds when ``amount`` is not within them, in words; else empty."""
    if (low is None or amount >= low) and (high is None or amount <= high):
        return ""
    bounds = (("at least", low), ("at most", high))
    return " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


def _subject(path: Path) -> str:
    """How a message names the value at ``path``."""
    match path:
        case ():
            return "the document"
        case (*_, str() as key, int() as index):
            return f"item {index + 1} of '{key}'"
        case _:
            return f"'{path[-1]}'"


def _owner(path: Path) -> str:
    """How a message names the mapping at ``path``."""
    match path:
        case ():
            return "the pipeline"
        case ("steps", int() as index):
            return f"step {index + 1}"
        case _:
            return _subject(path)
