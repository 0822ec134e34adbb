"""From nodes to a plain document, by the core schema of YAML 1.2.

``yes``, ``on``, ``1:30`` and dates are texts; ``012`` is twelve, ``0o14`` too. Environment values,
labels, defaults of arguments and values of a matrix keep the text they are written with: ``1.10``
stays ``1.10``.
"""

from __future__ import annotations

import re
from typing import Any, cast

from gamepipeline_events import Problem
from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.report import MAX_PROBLEMS, printable
from gamepipeline_projections.pipelinefile.nodes import Mapping, Node, Scalar, Sequence

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NAN = frozenset({".nan", ".NaN", ".NAN"})
_BEYOND = 2**64
"""Stands for a number with more digits than anyone can mean; the check refuses it."""


def scalar_value(text: str) -> Any:
    """What a plain scalar means."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base) if len(text) <= 40 else _BEYOND
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float("-inf") if text[0] == "-" else float("inf")
    return float("nan") if text in _NAN else text


def keeps_text(path: Path) -> bool:
    """Whether a scalar here means the text it is written with, if it is not null."""
    match path:
        case ("steps", int(), "container", "environment" | "labels", _):
            return True
        case ("args", _, "default") | ("args", _, "enum", _):
            return True
        case ("steps", int(), "matrix", _, int()) | ("steps", int(), "matrix", "include" | "exclude", int(), _):
            return True
        case _:
            return False


class Constructor:
    """Builds one document. ``problems`` fills with duplicate and impossible keys."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def build(self, node: Node, path: Path = ()) -> Any:
        """The value of ``node`` at ``path``."""
        if isinstance(node, Scalar):
            return self._scalar(node, path)
        if isinstance(node, Sequence):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.items)]
        return self._mapping(cast("Mapping", node), path)

    def _scalar(self, node: Scalar, path: Path) -> Any:
        if node.style:
            return node.value
        value = scalar_value(node.value)
        return value if value is None or not keeps_text(path) else node.value

    def _mapping(self, node: Mapping, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.pairs:
            if is_merge(key):
                name = "<<"
            elif (text := key_text(key)) is None:
                self._problem("GP104", "a key must be a text", path, key, "quote it")
                continue
            else:
                name = text
            if name in lines:
                message = f"duplicate key '{name[:80]}', first in line {lines[name]}"
                self._problem("GP102", message, (*path, name), key)
                continue
            lines[name] = key.line
            if not is_merge(key):
                result[name] = self.build(value, (*path, name))
        for key, value in node.pairs:
            if is_merge(key):
                self._merge(value, result, path)
        return result

    def _merge(self, node: Node, result: dict[str, Any], path: Path) -> None:
        """Add what a merge key brings; what is there already wins, and earlier mappings over later."""
        for source in node.items if isinstance(node, Sequence) else [node]:
            if not isinstance(source, Mapping):
                message = "'<<' merges a mapping or a list of mappings"
                self._problem("GP104", message, path, source)
                continue
            quiet = Constructor()
            for name, value in quiet._mapping(source, path).items():
                result.setdefault(name, value)

    def _problem(self, code: str, message: str, path: Path, node: Node, hint: str | None = None) -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            return
        self.problems.append(
            Problem(
                code=code,
                message=printable(message),
                path=path,
                hint=hint,
                line=node.line,
                column=node.column,
            )
        )


def is_merge(key: Node) -> bool:
    """Whether a key of a mapping is the merge key."""
    return isinstance(key, Scalar) and key.value == "<<" and not key.style


def key_text(key: Node) -> str | None:
    """The text of a key; None for null, a list or a mapping, which cannot be keys."""
    if not isinstance(key, Scalar) or (not key.style and scalar_value(key.value) is None):
        return None
    return key.value
