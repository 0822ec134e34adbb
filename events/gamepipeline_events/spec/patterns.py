"""Regular expressions whose matching time grows with the text and no faster. Pure.

Python's ``re`` tries alternatives one after the other, so a pattern such as ``(a+)+b`` takes for
ever on thirty letters. Patterns come from pipeline files and are tried on values from the bus, so
they are matched here by following all alternatives at once. Its price: no look-around, no
back-references, no flags.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

MAX_PATTERN = 512
MAX_STATES = 2000
MAX_TEXT = 1024

_parser: Any = importlib.import_module("re._parser")
_TOO_LARGE = "is too large: its repetitions stand for too many characters"
Matches = Callable[[str], bool]

_CATEGORIES: dict[str, Matches] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda char: char.isalnum() or char == "_",
    "CATEGORY_NOT_DIGIT": lambda char: not char.isdecimal(),
    "CATEGORY_NOT_SPACE": lambda char: not char.isspace(),
    "CATEGORY_NOT_WORD": lambda char: not (char.isalnum() or char == "_"),
}
_ANCHORS = {
    "AT_BEGINNING": "start",
    "AT_BEGINNING_STRING": "start",
    "AT_END": "end",
    "AT_END_STRING": "end",
}


class Pattern:
    """A compiled pattern. Raises ValueError that says why it cannot be used."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_PATTERN:
            raise ValueError(f"is longer than {MAX_PATTERN} characters")
        try:
            tree = _parser.parse(text)
        except (re.error, OverflowError, RecursionError) as exc:
            raise ValueError(f"is not a regular expression: {exc}") from None
        if tree.state.flags & ~re.UNICODE:
            raise ValueError("must not hold flags such as (?i)")
        # A state is (test, where it leads): a character's test, "start" or "end", or None: anywhere.
        self._states: list[tuple[Matches | str | None, list[int]]] = []
        self._accept = self._state(None, [])
        self._first = self._sequence(list(tree), self._accept)

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole of ``text``, which has at most ``MAX_TEXT`` characters."""
        if len(text) > MAX_TEXT:
            return False
        current = self._closure([self._first], at_start=True, at_end=not text)
        for place, char in enumerate(text, start=1):
            current = self._closure(self._after(current, char), at_start=False, at_end=place == len(text))
        return self._accept in current

    def found_in(self, text: str) -> bool:
        """Whether the pattern matches somewhere in the first ``MAX_TEXT`` characters of ``text``."""
        text = text[:MAX_TEXT]
        current = self._closure([self._first], at_start=True, at_end=not text)
        for place, char in enumerate(text, start=1):
            if self._accept in current:
                return True
            begin = [*self._after(current, char), self._first]
            current = self._closure(begin, at_start=False, at_end=place == len(text))
        return self._accept in current

    def _after(self, states: set[int], char: str) -> list[int]:
        """Where ``char`` leads from ``states``."""
        return [
            target
            for state in states
            if callable(test := self._states[state][0]) and test(char)
            for target in self._states[state][1]
        ]

    def _closure(self, states: list[int], *, at_start: bool, at_end: bool) -> set[int]:
        """``states`` and what they lead to without a character."""
        seen: set[int] = set()
        pending = list(states)
        while pending:
            state = pending.pop()
            if state in seen:
                continue
            seen.add(state)
            test, targets = self._states[state]
            if test is None or (test == "start" and at_start) or (test == "end" and at_end):
                pending.extend(targets)
        return seen

    def _state(self, test: Matches | str | None, targets: list[int]) -> int:
        if len(self._states) >= MAX_STATES:
            raise ValueError(_TOO_LARGE)
        self._states.append((test, targets))
        return len(self._states) - 1

    def _sequence(self, items: list[Any], then: int) -> int:
        for operator, operand in reversed(items):
            then = self._item(str(operator), operand, then)
        return then

    def _item(self, operator: str, operand: Any, then: int) -> int:
        """The state before one item of the pattern; ``then`` is the one behind it."""
        match operator:
            case "BRANCH":
                return self._state(None, [self._sequence(list(each), then) for each in operand[1]])
            case "SUBPATTERN":
                if operand[1] or operand[2]:
                    raise ValueError("must not hold flags such as (?i:…)")
                return self._sequence(list(operand[3]), then)
            case "MAX_REPEAT" | "MIN_REPEAT":
                low, high, inner = operand
                return self._repeat(low, high, list(inner), then)
            case "AT" if str(operand) in _ANCHORS:
                return self._state(_ANCHORS[str(operand)], [then])
            case _:
                return self._state(_test(operator, operand), [then])

    def _repeat(self, low: int, high: Any, items: list[Any], then: int) -> int:
        if low > MAX_STATES:
            raise ValueError(_TOO_LARGE)
        if high == _parser.MAXREPEAT:
            loop = self._state(None, [then])
            self._states[loop][1].append(self._sequence(items, loop))
            then = loop
        else:
            end = then
            for _ in range(int(high) - low):
                then = self._state(None, [end, self._sequence(items, then)])
        for _ in range(low):
            then = self._sequence(items, then)
        return then


def _test(operator: str, operand: Any) -> Matches:
    """The test of one item that takes one character."""
    match operator:
        case "LITERAL":
            return chr(operand).__eq__
        case "NOT_LITERAL":
            return chr(operand).__ne__
        case "ANY":
            return "\n".__ne__
        case "IN":
            return _one_of(operand)
        case "CATEGORY":
            return _CATEGORIES[str(operand)]
        case "RANGE":
            low, high = operand
            return lambda char: low <= ord(char) <= high
        case _:
            name = operator.lower().replace("_", " ")
            raise ValueError(f"must not hold '{name}': only characters, classes, groups, repetition")


def _one_of(items: list[Any]) -> Matches:
    negated = str(items[0][0]) == "NEGATE"
    tests = [_test(str(operator), operand) for operator, operand in items[negated:]]
    return lambda char: any(test(char) for test in tests) is not negated
