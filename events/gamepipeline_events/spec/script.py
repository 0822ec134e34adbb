"""``commands`` of a step → one shell script in which every expression is a variable. Pure.

A value never becomes part of the script's text. It reaches the container as an environment
variable, and the script names that variable, quoted as the place demands, so that the value is data
and one word whatever it holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gamepipeline_events.spec.expressions import Reference, parse
from gamepipeline_events.spec.shell import ASSIGN, Items, Quoting, Reader, Unclear

PREFIX = "GAMEPIPELINE_"
_PREFIXES = {"args": "ARG_", "envs": "ENV_", "secrets": "SECRET_"}
_INSERT: dict[Quoting, str] = {
    "unquoted": '"${%s}"',
    "double": "${%s}",
    "single": "'\"${%s}\"'",
    "comment": "%s",
}


class Script(msgspec.Struct, frozen=True):
    """The text for ``sh -e -c``, and the variables it needs: name → what each stands for."""

    text: str
    variables: dict[str, Reference]


class Refusal(msgspec.Struct, frozen=True):
    """An expression that cannot stand where it does: character ``position`` of command ``index``."""

    index: int
    position: int
    why: str
    hint: str


class ScriptError(ValueError):
    """Expressions that cannot be quoted where they stand; ``refusals`` holds all of them."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("; ".join(refusal.why for refusal in self.refusals))


def build_script(commands: Sequence[str]) -> Script:
    """One script of ``commands``, a line each. Raises ExpressionError or ScriptError."""
    items, found = _items(commands)
    quoting: dict[int, Quoting] = {}
    refused: dict[int, tuple[str, str]] = {}
    if found:
        _read(items, quoting, refused, len(found))
    if refused:
        raise ScriptError(
            [Refusal(found[number][0], found[number][1].position, *refused[number]) for number in sorted(refused)]
        )
    names = _variables([reference for _, reference in found])
    text = "".join(item if isinstance(item, str) else _INSERT[quoting[item]] % names[found[item][1]] for item in items)
    return Script(text, {name: reference for reference, name in names.items()})


def _items(commands: Sequence[str]) -> tuple[Items, list[tuple[int, Reference]]]:
    """Characters and numbers of expressions; the expressions with the command each stands in."""
    items: Items = []
    found: list[tuple[int, Reference]] = []
    for index, command in enumerate(commands):
        if index:
            items.append("\n")
        for piece in parse(command):
            if isinstance(piece, Reference):
                items.append(len(found))
                found.append((index, piece))
            else:
                items.extend(piece)
    return items, found


def _read(items: Items, quoting: dict[int, Quoting], refused: dict[int, tuple[str, str]], count: int) -> None:
    why = "how the expression is quoted is not clear"
    try:
        Reader(items, quoting, refused).commands("")
    except Unclear as exc:
        why = f"{why}: {exc}"
    for number in range(count):
        if number not in quoting and number not in refused:
            refused[number] = (why, ASSIGN)


def _variables(references: list[Reference]) -> dict[Reference, str]:
    """A variable for each distinct reference."""
    names: dict[Reference, str] = {}
    others = 0
    for reference in references:
        if reference in names:
            continue
        if reference.root in _PREFIXES:
            names[reference] = PREFIX + _PREFIXES[reference.root] + reference.name
        else:
            others += 1
            names[reference] = f"{PREFIX}X{others}"
    return names
