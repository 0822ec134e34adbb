"""Strict adapters of the journal's ports in memory: for tests, dry runs and fault injection.

A ``MemoryStream`` stands for the server; several journals and log stores may share one, as several
engines do. ``away`` cuts off one journal, ``script`` lets its next calls fail in a chosen way. Time
passes only through ``sleep``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

from gamepipeline_engine.journal.background import Background
from gamepipeline_engine.journal.faults import (
    AppendFault,
    Full,
    Ghost,
    LostAck,
    Overtaken,
    PublishFault,
    Silence,
)
from gamepipeline_engine.journal.port import (
    Conflict,
    JournalRewound,
    JournalUnavailable,
    NotStored,
    Recorded,
)
from gamepipeline_events import Event, Subjects, decode
from gamepipeline_events.ids import PIPELINE_LEVEL

Sleep = Callable[[float], Awaitable[None]]

MAX_PAYLOAD = 1024 * 1024 - 2048


class MemoryStream:
    """Messages in one order. ``capacity``: bytes it takes; None for any number."""

    def __init__(self, *, capacity: int | None = None) -> None:
        self.records: list[Recorded] = []
        self.capacity = capacity
        self._ids: dict[str, int] = {}
        self._changed = asyncio.Event()

    @property
    def last_sequence(self) -> int:
        """Sequence of the last message; 0 for none."""
        return self.records[-1].sequence if self.records else 0

    def matching(self, subject_filter: str, after: int = 0) -> Iterator[Recorded]:
        """Messages under a filter above ``after``; a filter ends with ``>`` or has ``*`` for a token."""
        for record in self.records[_place(self.records, after) :]:
            if _matches(record.subject, subject_filter):
                yield record

    def last_of(self, subject_filter: str) -> int:
        """Sequence of the last message under a filter; 0 for none."""
        found = (record.sequence for record in reversed(self.records) if _matches(record.subject, subject_filter))
        return next(found, 0)

    def store(self, subject: str, payload: bytes, message_id: str | None = None) -> int:
        """Store without any condition but the room for it, as any publisher could. Raises NotStored."""
        if message_id is not None and message_id in self._ids:
            return self._ids[message_id]
        used = sum(len(record.payload) for record in self.records)
        if self.capacity is not None and used + len(payload) > self.capacity:
            raise NotStored(subject.split(".")[2], "maximum bytes exceeded", full=True)
        sequence = self.last_sequence + 1
        self.records.append(Recorded(sequence, subject, payload))
        if message_id is not None:
            self._ids[message_id] = sequence
        self.wake()
        return sequence

    def rewind(self, last: int) -> None:
        """Lose everything above ``last``, as a store does whose disk was damaged."""
        del self.records[_place(self.records, last) :]
        self.wake()

    def wake(self) -> None:
        """Something changed: whoever waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Wait until something changes."""
        await self._changed.wait()


class _Client:
    """One user of a stream, who may be cut off from it."""

    def __init__(self, stream: MemoryStream | None, subjects: Subjects | None, sleep: Sleep) -> None:
        self.stream = stream if stream is not None else MemoryStream()
        self._subjects = subjects if subjects is not None else Subjects()
        self._sleep = sleep
        self._away = False

    @property
    def away(self) -> bool:
        """Whether the server is out of this client's reach."""
        return self._away

    @away.setter
    def away(self, value: bool) -> None:
        self._away = value
        self.stream.wake()

    def check_reach(self) -> None:
        """Raise JournalUnavailable when cut off."""
        if self._away:
            raise JournalUnavailable("the stream is out of reach")

    async def reach(self) -> None:
        """Wait until the stream is in reach."""
        while self._away:
            await self.stream.change()

    async def _read(self, subject_filter: str, after: int) -> AsyncGenerator[Recorded, None]:
        self.check_reach()
        for record in list(self.stream.matching(subject_filter, after)):
            self.check_reach()
            yield record

    async def _follow(self, subject_filter: str, after: int) -> AsyncGenerator[Recorded, None]:
        position = after
        while True:
            await self.reach()
            if self.stream.last_sequence < position:
                raise JournalRewound("memory", position, self.stream.last_sequence)
            record = next(self.stream.matching(subject_filter, position), None)
            if record is None:
                await self.stream.change()
            else:
                position = record.sequence
                yield record


class MemoryJournal(_Client):
    """Adapter of the Journal port. ``script`` queues what happens to the next appends."""

    def __init__(
        self,
        stream: MemoryStream | None = None,
        subjects: Subjects | None = None,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(stream, subjects, sleep)
        self._faults: deque[AppendFault | None] = deque()
        self._background = Background()

    def script(self, *faults: AppendFault | None) -> None:
        """The next appends meet these, one each; None: nothing happens."""
        self._faults.extend(faults)

    async def append(self, event: Event, payload: bytes, expected: int) -> int:
        """As the port says; also insists that ``payload`` is the event, encoded."""
        written = decode(payload)
        if (written.id, written.name, written.pipeline_id) != (event.id, event.name, event.pipeline_id):
            raise ValueError(f"the payload is not that of the event {event.id}")
        if expected < 0:
            raise ValueError(f"expected sequence {expected} is below 0")
        return await self._background.run(self._append(event, payload, expected))

    async def last_sequence(self, pipeline_id: str) -> int:
        """As the port says."""
        subject_filter = self._subjects.pipeline_events(pipeline_id)
        self.check_reach()
        return self.stream.last_of(subject_filter)

    def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        return self._read(self._subjects.pipeline_events(pipeline_id), after)

    def read_all(self, after: int = 0, event_type: str | None = None) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        subjects = self._subjects
        wanted = subjects.all_events() if event_type is None else subjects.events_of_type(event_type)
        return self._read(wanted, after)

    def follow(self, pipeline_id: str | None = None, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        subjects = self._subjects
        return self._follow(
            subjects.all_events() if pipeline_id is None else subjects.pipeline_events(pipeline_id), after
        )

    async def settle(self, within: float) -> bool:
        """Wait for appends whose caller was cancelled; False if some are still open ``within`` seconds."""
        return await self._background.settle(within)

    async def _append(self, event: Event, payload: bytes, expected: int) -> int:
        subject = self._subjects.event(event.pipeline_id, event.name)
        if len(payload) > MAX_PAYLOAD:
            raise NotStored(event.pipeline_id, f"{len(payload)} bytes")
        await self.reach()
        match self._faults.popleft() if self._faults else None:
            case Full():
                raise NotStored(event.pipeline_id, "maximum bytes exceeded", full=True)
            case Overtaken(other, theirs):
                self.stream.store(other, theirs)
            case Ghost(after):
                await self._sleep(after)
            case LostAck(after):
                sequence = self._store(event.pipeline_id, subject, payload, expected)
                await self._sleep(after)
                await self.reach()
                return sequence
            case None:
                pass
        return self._store(event.pipeline_id, subject, payload, expected)

    def _store(self, pipeline_id: str, subject: str, payload: bytes, expected: int) -> int:
        subject_filter = self._subjects.pipeline_events(pipeline_id)
        last = self.stream.last_of(subject_filter)
        if last == expected:
            return self.stream.store(subject, payload)
        for record in self.stream.matching(subject_filter, expected):
            if record.payload == payload:
                return record.sequence
        raise Conflict(pipeline_id, expected, last)


class MemoryLogStore(_Client):
    """Adapter of the LogStore port. ``script`` queues what happens to the next publishes."""

    def __init__(
        self,
        stream: MemoryStream | None = None,
        subjects: Subjects | None = None,
        *,
        sleep: Sleep = asyncio.sleep,
        limit: float = 0.0,
    ) -> None:
        super().__init__(stream, subjects, sleep)
        self._limit = limit
        self._faults: deque[PublishFault | None] = deque()

    def script(self, *faults: PublishFault | None) -> None:
        """The next publishes meet these, one each; None: nothing happens."""
        self._faults.extend(faults)

    async def publish(self, event: Event, payload: bytes, step_id: str | None, *, after: int | None = None) -> int:
        """As the port says; also insists that ``payload`` is the event, encoded."""
        subject = self._subjects.log(event.pipeline_id, step_id)
        if decode(payload).id != event.id:
            raise ValueError(f"the payload is not that of the event {event.id}")
        if len(payload) > MAX_PAYLOAD:
            raise NotStored(event.pipeline_id, f"{len(payload)} bytes")
        fault = self._faults.popleft() if self._faults else None
        if isinstance(fault, Full):
            raise NotStored(event.pipeline_id, "maximum bytes exceeded", full=True)
        if isinstance(fault, Silence) and fault.stored:
            self._store(event, subject, payload, after)
        if isinstance(fault, Silence) or self.away:
            await self._sleep(self._limit)
            raise JournalUnavailable("no answer from the stream of logs")
        return self._store(event, subject, payload, after)

    def read(self, pipeline_id: str, step_id: str | None = None, *, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        return self._read(self._filter(pipeline_id, step_id), after)

    def follow(self, pipeline_id: str, step_id: str | None = None, *, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        return self._follow(self._filter(pipeline_id, step_id), after)

    def _store(self, event: Event, subject: str, payload: bytes, after: int | None) -> int:
        if after is not None:
            found = list(self.stream.matching(subject, after))
            own = next((record.sequence for record in found if record.payload == payload), 0)
            if found and not own:
                raise Conflict(event.pipeline_id, after, found[-1].sequence)
        sequence = self.stream.store(subject, payload, event.id)
        if self.stream.records[_place(self.stream.records, sequence - 1)].payload != payload:
            raise NotStored(event.pipeline_id, f"another record has the id {event.id}")
        return sequence

    def _filter(self, pipeline_id: str, step_id: str | None) -> str:
        if step_id is None:
            return self._subjects.pipeline_logs(pipeline_id)
        return self._subjects.log(pipeline_id, None if step_id == PIPELINE_LEVEL else step_id)


def _place(records: list[Recorded], after: int) -> int:
    """Index of the first record above ``after``. Sequences are dense from 1."""
    return min(max(after, 0), len(records))


def _matches(subject: str, subject_filter: str) -> bool:
    wanted, tokens = subject_filter.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(tokens) <= len(wanted):
            return False
        tokens = tokens[: len(wanted)]
    return len(wanted) == len(tokens) and all(want in {"*", token} for want, token in zip(wanted, tokens, strict=True))
