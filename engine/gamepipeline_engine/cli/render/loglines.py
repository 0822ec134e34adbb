"""From log records to what ``logs`` prints. Pure: every method returns what is to be written.

A record may hold pieces of a line (``partial``): the text goes on in the next entry of the same
stream. Raw output just goes on; where lines carry a prefix, the pieces are put together first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from gamepipeline_events import ErrorLog, EventData, LogClosed, LogGap, LogTruncated, StepLog

LONGEST = 1024 * 1024
"""Characters of one line that are kept to be put together; then it is written in parts."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a step, or a piece of one."""

    time: str
    step: str
    attempt: int
    stream: str
    text: str
    partial: bool


class Chunks:
    """Takes log records and gives their lines once, whatever was stored twice; knows what is complete."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, int], int] = {}
        self._open: set[tuple[str, int]] = set()

    def lines(self, data: EventData) -> list[Line]:
        """The lines of ``data`` that were not given before."""
        if isinstance(data, LogClosed):
            self._open.discard((data.step, data.attempt))
        if not isinstance(data, StepLog):
            return []
        key = (data.step, data.attempt)
        if data.chunk <= self._last.get(key, 0):
            return []
        self._last[key] = data.chunk
        self._open.add(key)
        partial = frozenset(data.partial)
        return [
            Line(time=time, step=data.step, attempt=data.attempt, stream=stream, text=text, partial=at in partial)
            for at, (time, stream, text) in enumerate(data.lines)
        ]

    @property
    def complete(self) -> bool:
        """Whether every attempt seen so far has its last record."""
        return not self._open


class Tail:
    """Keeps the last ``count`` lines of each step, in the order in which they came."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: dict[str, deque[tuple[int, list[Line]]]] = {}
        self._place = 0

    def add(self, line: Line) -> None:
        """Take one more line or piece."""
        kept = self._kept.setdefault(line.step, deque())
        if kept and kept[-1][1][-1].partial and kept[-1][1][-1].stream == line.stream:
            kept[-1][1].append(line)
            return
        self._place += 1
        kept.append((self._place, [line]))
        if len(kept) > self._count:
            kept.popleft()

    def take(self) -> Iterator[Line]:
        """What is left of them."""
        groups = sorted((group for kept in self._kept.values() for group in kept), key=lambda one: one[0])
        for _place, lines in groups:
            yield from lines


class Printer(Protocol):
    """One form of output."""

    def closed(self, step: str, attempt: int) -> bytes:
        """What to write when an attempt's log is complete."""
        ...

    def line(self, line: Line) -> bytes:
        """What to write for a line or a piece of one."""
        ...

    def end(self) -> bytes:
        """What to write when there is no more."""
        ...


class RawPrinter:
    """The lines of one step as the container wrote them; ``times`` puts the time in front of each."""

    def __init__(self, *, times: bool) -> None:
        self._times = times
        self._fresh = True

    def line(self, line: Line) -> bytes:
        """The text, with its line end unless it goes on."""
        text = f"{line.time} {line.text}" if self._times and self._fresh else line.text
        self._fresh = not line.partial
        return _bytes(text if line.partial else f"{text}\n")

    def closed(self, step: str, attempt: int) -> bytes:  # noqa: ARG002 - others need them
        """Nothing."""
        return b""

    def end(self) -> bytes:
        """Nothing: a last line without an end stays so."""
        return b""


class PrefixPrinter:
    """``<step> | line``, lines of several steps mixed and each of them whole."""

    def __init__(self, steps: Iterable[str], *, times: bool) -> None:
        self._times = times
        self._width = max(map(len, steps), default=0)
        self._pieces: dict[tuple[str, int, str], list[Line]] = {}

    def line(self, line: Line) -> bytes:
        """The whole line once its last piece is there."""
        key = (line.step, line.attempt, line.stream)
        pieces = [*self._pieces.pop(key, []), line]
        if line.partial and sum(len(one.text) for one in pieces) < LONGEST:
            self._pieces[key] = pieces
            return b""
        return self._whole(pieces)

    def closed(self, step: str, attempt: int) -> bytes:
        """Its lines that never ended."""
        keys = [key for key in self._pieces if key[:2] == (step, attempt)]
        return b"".join(self._whole(self._pieces.pop(key)) for key in keys)

    def end(self) -> bytes:
        """All lines that never ended."""
        rest = b"".join(self._whole(pieces) for pieces in self._pieces.values())
        self._pieces.clear()
        return rest

    def _whole(self, pieces: list[Line]) -> bytes:
        first = pieces[0]
        time = f"{first.time} " if self._times else ""
        return _bytes(f"{first.step:<{self._width}} | {time}{''.join(one.text for one in pieces)}\n")


class JsonPrinter:
    """One object for each entry: {time, step, attempt, stream, text, partial}."""

    def line(self, line: Line) -> bytes:
        """The object."""
        return msgspec.json.encode(line) + b"\n"

    def closed(self, step: str, attempt: int) -> bytes:  # noqa: ARG002 - others need them
        """Nothing."""
        return b""

    def end(self) -> bytes:
        """Nothing."""
        return b""


def remark(data: EventData) -> str | None:
    """What a person should know beside the lines; None for records that say nothing more."""
    match data:
        case LogTruncated():
            return f"{data.step}: {data.dropped_lines} lines ({data.dropped_bytes} bytes) beyond the limit were dropped"
        case LogGap():
            return f"{data.step}: output is missing here: {data.reason}"
        case ErrorLog():
            return f"{data.step or 'pipeline'}: {data.cause}: {data.message}"
        case _:
            return None


def remark_object(name: str, data: EventData) -> dict[str, Any]:
    """A record beside the lines, for ndjson: ``event`` names it, its data stands beside."""
    fields: dict[str, Any] = msgspec.to_builtins(data)
    return {"event": name, **fields}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
