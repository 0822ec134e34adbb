"""Collects the problems of one document, in the order they are found, bounded in number."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from gamepipeline_events.problems import Path, Problem

MAX_PROBLEMS = 1000
KEY = -1
"""An offset that says: the problem is about the key, not about its value."""

MAX_GUESSES = 30
"""Looking for similar words is slow; past this many unknown ones it is hostility, not a slip."""


class TooManyProblems(Exception):
    """The report is full."""


class Report:
    """Problems so far. ``offsets[i]`` is the character of the text ``problems[i]`` is about, KEY, or None."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.offsets: list[int | None] = []
        self.failed: set[Path] = set()
        self._guesses = 0

    def error(self, code: str, message: str, path: Path, hint: str | None = None, offset: int | None = None) -> None:
        """Record an error. Raises TooManyProblems when the report is full."""
        self.failed.add(path)
        self._add(_problem("error", code, message, path, hint), offset)

    def warn(self, code: str, message: str, path: Path, hint: str | None = None, offset: int | None = None) -> None:
        """Record something that does not keep the pipeline from running."""
        self._add(_problem("warning", code, message, path, hint), offset)

    def guess(self, word: str, known: Iterable[str]) -> str | None:
        """A ``did you mean`` hint, or None."""
        self._guesses += 1
        if self._guesses > MAX_GUESSES or len(word) > 100:
            return None
        close = get_close_matches(word, sorted(known)[:500], n=1, cutoff=0.6)
        return f"did you mean '{close[0]}'?" if close else None

    @property
    def has_errors(self) -> bool:
        """Whether anything found keeps the pipeline from running."""
        return bool(self.failed)

    def _add(self, problem: Problem, offset: int | None) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
            self.offsets.append(offset)
            return
        more = Problem(code="GP106", message=f"more than {MAX_PROBLEMS} problems", path=())
        self.problems.append(more)
        self.offsets.append(None)
        raise TooManyProblems


def _problem(severity: str, code: str, message: str, path: Path, hint: str | None) -> Problem:
    hint = None if hint is None else printable(hint)
    return Problem(code=code, message=printable(message), path=path, hint=hint, severity=severity)


def printable(text: str) -> str:
    """``text`` on one line, without anything a terminal would act upon."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def quoted(value: object, limit: int = 60) -> str:
    """``value`` for a message: short, on one line, safe to print whatever it holds."""
    if isinstance(value, str):
        text = printable(value if len(value) <= limit else value[: limit - 1] + "…")
        return f"'{text}'"
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 128:
            return "a number of more than 38 digits"
        case int() | float():
            return str(value)
        case _:
            return kind_of(value)


_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a decimal number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}


def kind_of(value: object) -> str:
    """What JSON calls ``value``, in words."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")
