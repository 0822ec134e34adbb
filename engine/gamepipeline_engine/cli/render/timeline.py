"""A history and its log, as one row of things that happened one after the other. Pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from typing import NamedTuple

from gamepipeline_engine.cli.render.loglines import Chunks, Line, remark
from gamepipeline_events import ErrorLog, Event, LogClosed
from gamepipeline_events.times import Timestamp


class Closed(NamedTuple):
    """The log of an attempt is complete."""

    step: str
    attempt: int


class Remark(NamedTuple):
    """Something to be said beside the lines."""

    text: str


class Happening(NamedTuple):
    """What happened, and when; the time never goes back."""

    time: Timestamp
    what: Event | Line | Closed | Remark


async def timeline(events: Iterable[Event], records: AsyncIterable[Event]) -> AsyncGenerator[Happening, None]:
    """Events and what the log ``records`` hold, by their times; each in the order in which it was stored.

    Reads one record ahead, however many there are. Lines of steps that ran side by side are in
    the order of their chunks, which is right to a fraction of a second.
    """
    waiting = list(events)[::-1]
    time = ""
    async for when, what in _entries(records):
        while waiting and waiting[-1].time <= when:
            event = waiting.pop()
            time = max(time, event.time)
            yield Happening(time, event)
        time = max(time, when)
        yield Happening(time, what)
    while waiting:
        event = waiting.pop()
        time = max(time, event.time)
        yield Happening(time, event)


async def _entries(records: AsyncIterable[Event]) -> AsyncIterator[tuple[Timestamp, Line | Closed | Remark]]:
    chunks = Chunks()
    async for record in records:
        data = record.data
        for line in chunks.lines(data):
            yield line.time, line
        if isinstance(data, LogClosed):
            yield record.time, Closed(data.step, data.attempt)
        text = remark(data)
        if text is not None:
            yield data.time if isinstance(data, ErrorLog) else record.time, Remark(text)
