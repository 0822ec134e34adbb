"""Expressions ``${{ args.X }}`` inside a text: parsing, listing and one-pass rendering. Pure.

A text is literal pieces and references. ``$${{`` is a literal ``${{``; a ``$`` that is not
followed by ``{{`` means nothing, so ``$HOME``, ``$$`` and ``${x}`` stay as they are. There is no
evaluation: a reference names one value, and a value is never parsed again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from gamepipeline_events.ids import ID_PATTERN, NAME_PATTERN
from gamepipeline_events.problems import Path

OPEN, CLOSE, ESCAPED = "${{", "}}", "$${{"

PIPELINE_FIELDS = ("id", "name", "status", "failed_step")
NAMED_ROOTS = ("args", "envs", "secrets", "matrix")
ROOTS = (*NAMED_ROOTS, "pipeline", "steps")

_NAMED = re.compile(rf"(args|envs|secrets|matrix)\.({NAME_PATTERN})")
_PIPELINE = re.compile(rf"pipeline\.({'|'.join(PIPELINE_FIELDS)})")
_OUTPUT = re.compile(rf"steps\.({ID_PATTERN})\.outputs\.({NAME_PATTERN})")
_ROOT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Reference(msgspec.Struct, frozen=True):
    """One expression. ``root`` is args, envs, secrets, matrix, pipeline or steps; ``name`` the
    argument, variable, pipeline field or output; ``step`` only for a step's output.

    ``position`` is where its ``${{`` begins in the text it was parsed from; it does not count
    when two references are compared.
    """

    root: str
    name: str
    step: str | None = None
    position: int = 0

    def __str__(self) -> str:
        middle = f"{self.step}.outputs." if self.step is not None else ""
        return f"{self.root}.{middle}{self.name}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class ExpressionError(ValueError):
    """A text with a malformed expression. ``position`` counts characters from 0; ``why`` says what is wrong."""

    def __init__(self, position: int, why: str, hint: str | None = None) -> None:
        self.position = position
        self.why = why
        self.hint = hint
        super().__init__(f"{why} (at character {position + 1})")


def has_expression(text: str) -> bool:
    """Whether ``text`` holds anything that ``parse`` would not return as it is."""
    return OPEN in text


def parse(text: str) -> tuple[str | Reference, ...]:
    """The pieces of ``text`` in order: literal text (escapes resolved, never empty) and references.

    Raises ExpressionError at the first malformed expression.
    """
    pieces: list[str | Reference] = []
    literal: list[str] = []
    at = 0
    while (start := text.find(OPEN, at)) >= 0:
        if start > at and text[start - 1] == "$":
            literal.append(text[at : start - 1] + OPEN)
            at = start + len(OPEN)
            continue
        literal.append(text[at:start])
        if any(literal):
            pieces.append("".join(literal))
        literal = []
        reference, at = _reference_at(text, start)
        pieces.append(reference)
    literal.append(text[at:])
    if any(literal):
        pieces.append("".join(literal))
    return tuple(pieces)


def render(text: str, lookup: Callable[[Reference], str]) -> str:
    """``text`` with each reference replaced by what ``lookup`` says, in one pass: values are not parsed.

    Raises ExpressionError, and whatever ``lookup`` raises.
    """
    return "".join(piece if isinstance(piece, str) else lookup(piece) for piece in parse(text))


def strings(document: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string value in a document with its path; keys are not values."""
    if isinstance(document, str):
        yield path, document
    elif isinstance(document, dict):
        for key, value in document.items():
            yield from strings(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from strings(value, (*path, index))


def references(document: Any) -> Iterator[tuple[Path, Reference]]:
    """Every reference in every string of ``document``, with the path of the string.

    Raises ExpressionError when it comes to a malformed one.
    """
    for path, text in strings(document):
        if has_expression(text):
            for piece in parse(text):
                if isinstance(piece, Reference):
                    yield path, piece


def _reference_at(text: str, start: int) -> tuple[Reference, int]:
    """The reference whose ``${{`` is at ``start``, and the place behind its ``}}``."""
    inside = start + len(OPEN)
    end = text.find(CLOSE, inside)
    if end < 0:
        raise ExpressionError(start, "'${{' without '}}'", "close it with '}}', or write '$${{' for the text '${{'")
    body = text[inside:end]
    nested = body.find("${")
    if nested >= 0:
        raise ExpressionError(inside + nested, "an expression cannot stand inside another")
    reference = _reference(body.strip(" \t\r\n"), start)
    return reference, end + len(CLOSE)


def _reference(body: str, position: int) -> Reference:
    if matched := _NAMED.fullmatch(body):
        return Reference(matched[1], matched[2], None, position)
    if matched := _PIPELINE.fullmatch(body):
        return Reference("pipeline", matched[1], None, position)
    if matched := _OUTPUT.fullmatch(body):
        return Reference("steps", matched[2], matched[1], position)
    raise ExpressionError(position, *_complaint(body))


def _complaint(body: str) -> tuple[str, str]:
    """What is wrong with the inside of an expression, and what would be right."""
    matched = _ROOT.match(body)
    root = matched[0] if matched else ""
    if not body:
        return "the expression is empty", "write ${{ args.NAME }}"
    if root in NAMED_ROOTS:
        return f"'{body[:80]}' is no reference", f"write ${{{{ {root}.NAME }}}}"
    if root == "pipeline":
        known = ", ".join(f"pipeline.{field}" for field in PIPELINE_FIELDS)
        return f"'{body[:80]}' is not known", f"there are {known}"
    if root == "steps":
        return f"'{body[:80]}' is no reference", "write ${{ steps.<id>.outputs.<name> }}"
    return f"'{body[:80]}' is not known", f"an expression begins with {', '.join(ROOTS)}"
