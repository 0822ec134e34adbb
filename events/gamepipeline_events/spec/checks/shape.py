"""Unknown keys, wrong types, values out of range: one walk along the structs of ``model.py``.

The walk returns a copy that holds only what was right: keys nobody knows, ``x-`` keys, nulls and
empty mappings are gone, and so is whatever has a problem (in a list its place is kept by None).
Later rules work on that copy and never meet a value of a wrong type.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec import inspect

from gamepipeline_events.problems import Path
from gamepipeline_events.spec import compose
from gamepipeline_events.spec.checks.formats import FORMATS
from gamepipeline_events.spec.checks.measure import is_key
from gamepipeline_events.spec.checks.report import Report, kind_of, quoted
from gamepipeline_events.spec.expressions import (
    OPEN,
    ExpressionError,
    Reference,
    has_expression,
    parse,
)
from gamepipeline_events.spec.model import GamePipeline, Step
from gamepipeline_events.values import OutOfRange

_UNSUPPORTED: dict[type, frozenset[str]] = {
    compose.Container: compose.UNSUPPORTED,
    compose.Deploy: compose.UNSUPPORTED_DEPLOY,
    compose.Resources: compose.UNSUPPORTED_DEPLOY,
    compose.Reservations: compose.UNSUPPORTED_DEPLOY,
}
_FREE_TEXT = frozenset({"name", "description", "model"})
_BOOLEAN_WORDS = frozenset({"yes", "no", "on", "off", "true", "false"})


class _Wrong:
    """Stands for a value that has a problem."""


WRONG = _Wrong()


class Use:
    """An expression in a string of a container: where, and what it refers to."""

    __slots__ = ("path", "reference", "text")

    def __init__(self, path: Path, reference: Reference, text: str) -> None:
        self.path = path
        self.reference = reference
        self.text = text


class Shape:
    """One walk. ``uses`` fills with the expressions that were met, in order."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.uses: list[Use] = []

    def walk(self, value: Any, kind: inspect.Type, path: Path, *, rendered: bool) -> Any:
        """The part of ``value`` that is a ``kind``, or WRONG. ``rendered``: inside a container."""
        if path in self.report.failed:
            return WRONG
        formats: tuple[str, ...] = ()
        if isinstance(kind, inspect.Metadata):
            formats = (kind.extra["format"],) if kind.extra else ()
            kind = kind.type
        options = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
        chosen = _choose(value, options)
        if isinstance(chosen, inspect.Metadata):
            return self.walk(value, chosen, path, rendered=rendered)
        if isinstance(value, str) and OPEN in value:
            if (seen := self._expressions(value, path, rendered=rendered)) is not None:
                return seen
        if chosen is None:
            self._wrong_type(value, options, formats, path)
            return WRONG
        result = self._of_kind(value, chosen, path, rendered=rendered)
        if formats and result is not WRONG and not isinstance(result, dict | list):
            return self._formatted(result, formats[0], path)
        return result

    def _of_kind(self, value: Any, kind: inspect.Type, path: Path, *, rendered: bool) -> Any:
        match kind:
            case inspect.StructType():
                inside = rendered or kind.cls is compose.Container
                return self._struct(value, kind, path, rendered=inside)
            case inspect.DictType():
                return self._mapping(value, kind, path, rendered=rendered)
            case inspect.ListType():
                return self._list(value, kind, path, rendered=rendered)
            case inspect.LiteralType():
                return self._literal(value, kind, path)
            case inspect.IntType() | inspect.FloatType():
                return self._bounded(value, value, kind.ge, kind.le, path)
            case inspect.StrType():
                shown = f"text of {len(value)} characters"
                low, high = kind.min_length, kind.max_length
                return self._bounded(value, len(value), low, high, path, shown)
            case _:
                return value

    def _struct(self, value: dict[Any, Any], kind: Any, path: Path, *, rendered: bool) -> Any:
        fields = _fields(kind)
        result: dict[str, Any] = {}
        for key, inner in value.items():
            if not is_key(key) or key.startswith("x-"):
                continue
            field = fields.get(key)
            if field is None:
                self._unknown_key(key, kind.cls, fields, path)
            elif inner is None or inner == {}:
                continue
            else:
                seen = self.walk(inner, field.type, (*path, key), rendered=rendered)
                if seen is not WRONG:
                    result[key] = seen
        for name, field in fields.items():
            if field.required and value.get(name) in (None, {}):
                what = path[-1] if path and isinstance(path[-1], str) else _noun(kind.cls)
                self.report.error("GP107", f"{what} has no '{name}'", path, f"add '{name}'")
        return result

    def _mapping(self, value: dict[Any, Any], kind: Any, path: Path, *, rendered: bool) -> Any:
        nullable = isinstance(kind.value_type, inspect.UnionType) and any(
            isinstance(option, inspect.NoneType) for option in kind.value_type.types
        )
        result: dict[str, Any] = {}
        for key, inner in value.items():
            place = (*path, key)
            if not is_key(key) or (inner is None and not nullable):
                continue
            if isinstance(kind.key_type, inspect.Metadata) and kind.key_type.extra:
                if self._formatted(key, kind.key_type.extra["format"], place) is WRONG:
                    continue
            if inner is None:
                result[key] = None
                continue
            seen = self.walk(inner, kind.value_type, place, rendered=rendered)
            if seen is not WRONG:
                result[key] = seen
        return result

    def _list(self, value: list[Any], kind: Any, path: Path, *, rendered: bool) -> Any:
        low, high = kind.min_length, kind.max_length
        code = "GP106" if high is not None and len(value) > high else "GP105"
        shown = "an empty list" if not value else f"a list of {len(value)}"
        if self._bounded(value, len(value), low, high, path, shown, code) is WRONG:
            return WRONG
        result = []
        for index, inner in enumerate(value):
            seen = self.walk(inner, kind.item_type, (*path, index), rendered=rendered)
            result.append(None if seen is WRONG else seen)
        return result

    def _literal(self, value: Any, kind: Any, path: Path) -> Any:
        if value in kind.values:
            return value
        known = [str(option) for option in kind.values if option != ""]
        self.report.error(
            "GP105",
            f"{_subject(path)} is {quoted(value)}, not one of {', '.join(known)}",
            path,
            self.report.guess(str(value), known),
        )
        return WRONG

    def _bounded(
        self,
        value: Any,
        amount: float,
        low: float | None,
        high: float | None,
        path: Path,
        shown: str = "",
        code: str = "GP105",
    ) -> Any:
        """``value`` if ``amount`` is within the bounds."""
        if (low is None or amount >= low) and (high is None or amount <= high):
            return value
        bounds = " and ".join(
            f"{word} {bound:g}" for word, bound in (("at least", low), ("at most", high)) if bound is not None
        )
        unit = " long" if shown else ""
        self.report.error(code, f"{_subject(path)} is {shown or quoted(value)}; it must be {bounds}{unit}", path)
        return WRONG

    def _formatted(self, value: Any, name: str, path: Path) -> Any:
        try:
            FORMATS[name](value)
        except OutOfRange as exc:
            self.report.error("GP105", f"{_subject(path)} ({quoted(value)}) {exc}", path)
        except ValueError as exc:
            self.report.error("GP104", f"{_subject(path)} ({quoted(value)}) {exc}", path)
        else:
            return value
        return WRONG

    def _expressions(self, text: str, path: Path, *, rendered: bool) -> Any:
        """The text when it holds an expression that may stand here, WRONG, or None: it holds none."""
        try:
            found = [piece for piece in parse(text) if isinstance(piece, Reference)]
        except ExpressionError as exc:
            if not rendered and path[-1] in _FREE_TEXT:
                return None
            self.report.error("GP303", exc.why, path, exc.hint, exc.position)
            return WRONG
        if not found:
            return None
        if rendered:
            self.uses.extend(Use(path, reference, text) for reference in found)
            return text
        message = f"{_subject(path)}: expressions are filled in below 'container' only"
        if path[-1] in _FREE_TEXT:
            self.report.warn("GP304", message, path, None, found[0].position)
            return None
        self.report.error("GP304", message, path, None, found[0].position)
        return WRONG

    def _wrong_type(self, value: Any, options: tuple[inspect.Type, ...], formats: tuple[str, ...], path: Path) -> None:
        wanted = _wanted(options)
        hint = None
        if isinstance(value, int | float) and "text" in wanted:
            hint = f'quote it: "{quoted(value)}"'
        elif value in _BOOLEAN_WORDS and "true or false" in wanted if isinstance(value, str) else False:
            hint = "write true or false"
        elif isinstance(value, str) and "a list" in wanted:
            hint = f"write [{value}]" if len(value) < 40 else "write a list"
        if formats:
            wanted = f"{wanted} ({formats[0]})"
        self.report.error("GP104", f"{_subject(path)} must be {wanted}, not {kind_of(value)}", path, hint)

    def _unknown_key(self, key: str, owner: type, fields: dict[str, Any], path: Path) -> None:
        place = (*path, key)
        if owner is GamePipeline and key == "status":
            self.report.warn("GP103", "'status' is ignored: the events say what the status is", place)
        elif key in _UNSUPPORTED.get(owner, ()):
            message = f"the compose field '{key}' is not supported"
            self.report.error("GP402", message, place, compose.INSTEAD.get(key))
        else:
            hint = _elsewhere(key, owner) or self.report.guess(key, fields)
            self.report.error("GP103", f"unknown key {quoted(key)}", place, hint)


def shape(document: object, report: Report) -> tuple[Any, list[Use]]:
    """The right parts of a pipeline document (WRONG if none), and the expressions in its containers."""
    walk = Shape(report)
    if document is None or document == {}:
        report.error("GP107", "the document is empty", (), "a pipeline has at least a name and steps")
        return WRONG, []
    return walk.walk(document, inspect.type_info(GamePipeline), (), rendered=False), walk.uses


@cache
def _info(cls: type) -> inspect.StructType:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return info


def _fields(kind: inspect.StructType) -> dict[str, inspect.Field]:
    return _fields_of(kind.cls)


@cache
def _fields_of(cls: type) -> dict[str, inspect.Field]:
    return {field.name: field for field in _info(cls).fields}


def _choose(value: Any, options: tuple[inspect.Type, ...]) -> inspect.Type | None:
    """The option a value of this JSON kind can only mean."""
    for option in options:
        inner = option.type if isinstance(option, inspect.Metadata) else option
        if isinstance(inner, inspect.UnionType):
            if _choose(value, inner.types) is not None:
                return option
        elif _fits(value, inner):
            return option
    return None


def _fits(value: Any, kind: inspect.Type) -> bool:
    match kind:
        case inspect.StructType() | inspect.DictType():
            return isinstance(value, dict)
        case inspect.ListType():
            return isinstance(value, list)
        case inspect.StrType() | inspect.LiteralType():
            return isinstance(value, str)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return False


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


def _wanted(options: tuple[inspect.Type, ...]) -> str:
    words: list[str] = []
    for option in options:
        inner = option.type if isinstance(option, inspect.Metadata) else option
        nested = inner.types if isinstance(inner, inspect.UnionType) else (inner,)
        words += [_WORDS[type(each)] for each in nested if type(each) in _WORDS]
    return " or ".join(dict.fromkeys(words))


def _subject(path: Path) -> str:
    """How a message names the value at ``path``."""
    if not path:
        return "the document"
    if isinstance(path[-1], str):
        return f"'{path[-1]}'"
    return f"item {path[-1] + 1} of '{path[-2]}'" if len(path) > 1 else "the item"


def _noun(cls: type) -> str:
    return {"GamePipeline": "the pipeline", "Step": "the step"}.get(cls.__name__, "the item")


def _elsewhere(key: str, owner: type) -> str | None:
    """Where a key that is unknown here belongs."""
    homes: tuple[tuple[type, str], ...] = (
        (Step, "on the step"),
        (compose.Container, "below 'container'"),
        (GamePipeline, "at the top of the file"),
    )
    if owner not in {cls for cls, _ in homes}:
        return None
    for cls, where in homes:
        if cls is not owner and key in _fields_of(cls):
            return f"'{key}' stands {where}"
    return None
