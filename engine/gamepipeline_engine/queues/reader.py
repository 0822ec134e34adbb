"""Keeps ``Places`` up to date from the events stream, while somebody here waits for a place.

Nobody who uses no group pays for them: nothing is read until the first ticket of this process.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

import structlog

from gamepipeline_engine.core.inputs import Input, MakeRoom
from gamepipeline_engine.journal.port import Journal, JournalError, JournalRewound, JournalUnavailable, Recorded
from gamepipeline_engine.queues.places import Places
from gamepipeline_engine.runner.host import Host
from gamepipeline_engine.runner.writer import Fenced
from gamepipeline_events import BadInput, Event, Subjects, decode
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_events.subjects import EventSubject
from gamepipeline_projections.reading import EventReader
from gamepipeline_projections.tickets import RELEVANT, TICKETS, Place, TicketTable

log = structlog.get_logger(__name__)

FAR_BEHIND = 20_000
"""Events after which beginning anew is less work than reading them all."""

_AWAY_PAUSE = 1.0

CarryOut = Callable[[str, Input, str | None], Awaitable[bool]]
"""``carry_out(pipeline_id, asked, causation)`` puts a request into a pipeline's history."""


async def keep_places(host: Host, subjects: Subjects, carry_out: CarryOut) -> None:
    """For ever. Whoever is in the way of a ticket that makes itself room is asked to end."""
    places, room = host.places, _Room(host, carry_out)
    while True:
        await places.wanted.wait()
        try:
            await _begin(places, host.journal, subjects)
            await room.make()
            async with contextlib.aclosing(host.journal.follow(after=places.position or 0)) as records:
                await _follow(records, places, subjects, room)
        except JournalError as exc:
            log.warning("queues cannot be read", why=str(exc))
            if isinstance(exc, JournalRewound):  # it is not the stream that was read before
                places.renew(None)
            await host.clock.sleep(_AWAY_PAUSE)


async def _follow(records: AsyncGenerator[Recorded, None], places: Places, subjects: Subjects, room: _Room) -> None:
    async for record in records:
        if _subject(record, subjects).event_type in RELEVANT:
            event = _event(record, subjects)
            if event is not None:
                places.take(event)
            await room.make()
        places.passed(record.sequence)
        if not places.wanted.is_set():
            return


async def _begin(places: Places, journal: Journal, subjects: Subjects) -> None:
    """Know all tickets up to the last one that somebody waits for; go on from where it was, if that is not far."""
    upto = places.highest_wanted
    if places.position is not None and upto - places.position < FAR_BEHIND:
        return
    places.renew(await read_table(journal, subjects, upto))


async def read_table(journal: Journal | EventReader, subjects: Subjects, upto: int) -> TicketTable:
    """The living tickets as of the stream sequence ``upto``. Raises JournalError."""
    records = []
    for pipeline_id in await _with_tickets(journal, subjects):
        async with contextlib.aclosing(journal.read(pipeline_id)) as history:
            records += [record async for record in history if record.sequence <= upto]
    table = TicketTable()
    for record in sorted(records, key=lambda one: one.sequence):
        event = _event(record, subjects)
        if event is not None:
            table.take(event)
    table.position = upto
    return table


async def _with_tickets(journal: Journal | EventReader, subjects: Subjects) -> list[str]:
    """The pipelines that may have a living ticket: they took one, and are not over without a service."""
    found: dict[str, None] = {}
    for event_type in TICKETS:
        async with contextlib.aclosing(journal.read_all(0, event_type)) as records:
            found |= {_subject(one, subjects).pipeline_id: None async for one in records}
    found.pop("", None)
    for event_type in TERMINAL_EVENTS if found else ():
        async with contextlib.aclosing(journal.read_all(0, event_type)) as records:
            async for one in records:
                if b'"services":[' not in one.payload or b'"services":[]' in one.payload:
                    found.pop(_subject(one, subjects).pipeline_id, None)
    return list(found)


def _subject(record: Recorded, subjects: Subjects) -> EventSubject:
    """What its subject says; nothing where somebody published under one that means nothing."""
    try:
        return subjects.parse_event(record.subject)
    except BadInput:
        return EventSubject("", "")


def _event(record: Recorded, subjects: Subjects) -> Event | None:
    """The event, if it is one, of the pipeline that its subject names."""
    try:
        event = decode(record.payload, sequence=record.sequence)
    except BadInput as exc:
        log.warning("event cannot be read", sequence=record.sequence, why=str(exc))
        return None
    return event if event.pipeline_id == _subject(record, subjects).pipeline_id else None


class _Room:
    """Asks who is in the way to end, each once."""

    def __init__(self, host: Host, carry_out: CarryOut) -> None:
        self._host = host
        self._carry_out = carry_out
        self._asked: set[tuple[int, int]] = set()

    async def make(self) -> None:
        """Raises JournalError: then not all were asked."""
        unserved = self._host.places.unserved()
        pairs = {(place.sequence, other.sequence): (place, other) for place, other in unserved}
        self._asked &= pairs.keys()
        for key, (place, other) in pairs.items():
            if key not in self._asked:
                await ask_to_end(self._host, self._carry_out, place, other)
                self._asked.add(key)


async def ask_to_end(host: Host, carry_out: CarryOut, place: Place, other: Place) -> None:
    """Put on record that ``other`` has to make room for ``place``, if it still is where it was. Raises JournalError."""
    step = f"step {place.step} of " if place.step else ""
    groups = {want.name for want in place.wants if want.kind == "group"}
    asked = MakeRoom(
        sequence=other.sequence,
        group=next(want.name for want in other.wants if want.kind == "group" and want.name in groups),
        wanted_by=f"{step}pipeline {place.pipeline_id}",
        requested_by=f"engine:{host.node}",
    )
    try:
        await carry_out(other.pipeline_id, asked, None)
    except Fenced as exc:  # by the next try it is nobody's here
        raise JournalUnavailable(str(exc)) from exc
