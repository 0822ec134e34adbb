"""The logs stream in JetStream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from nats.aio.client import Client

from gamepipeline_engine.journal.port import Conflict, JournalUnavailable, NotStored, Recorded
from gamepipeline_events import Event, Subjects
from gamepipeline_projections.reading import LogReader
from gamepipeline_projections.reading.api import StreamApi
from gamepipeline_projections.reading.stream import PATIENCE
from gamepipeline_projections.sending.publish import (
    MESSAGE_ID,
    SEQUENCE,
    SEQUENCE_FILTER,
    STREAM,
    Acknowledged,
    Refused,
    WrongSequence,
    publish,
    too_large,
)

LIMIT = 5.0
"""Seconds that one call may take, all attempts together."""

_ATTEMPT = 2.0
_PAUSE = 0.05


class JetStreamLogStore:
    """Adapter of the LogStore port. See there for what it promises.

    A record that is published again after an unknown outcome carries the same Nats-Msg-Id, so
    within the stream's duplicate window (two minutes) it is stored once.
    """

    def __init__(
        self, nc: Client, subjects: Subjects, stream: str, *, limit: float = LIMIT, patience: float = PATIENCE
    ) -> None:
        self._nc = nc
        self._subjects = subjects
        self._stream = stream
        self._limit = limit
        self._reader = LogReader(nc, subjects, stream, patience=patience)
        self._api = StreamApi(nc, stream)

    async def publish(self, event: Event, payload: bytes, step_id: str | None, *, after: int | None = None) -> int:
        """As the port says."""
        subject = self._subjects.log(event.pipeline_id, step_id)
        headers = {STREAM: self._stream, MESSAGE_ID: event.id}
        if after is not None:
            headers |= {SEQUENCE: str(after), SEQUENCE_FILTER: subject}
        if why := too_large(self._nc, subject, payload, headers):
            raise NotStored(event.pipeline_id, why)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limit
        while True:
            within = min(_ATTEMPT, max(deadline - loop.time(), _PAUSE))
            outcome = await publish(self._nc, subject, payload, headers, within)
            match outcome:
                case Acknowledged(sequence, duplicate):
                    if duplicate:
                        await self._check_own(event, payload, sequence)
                    return sequence
                case Refused(why, full):
                    raise NotStored(event.pipeline_id, why, full=full)
                case WrongSequence() if after is not None:
                    sequence = await self._find_own(event.pipeline_id, subject, payload, after)
                    if sequence:
                        return sequence
                    # Nothing came behind it: it has expired itself.
                    last = await self._api.last(subject)
                    headers[SEQUENCE] = str(last.sequence if last is not None else 0)
                case _:
                    if loop.time() + _PAUSE >= deadline:
                        raise JournalUnavailable(f"log record of {event.pipeline_id}: {outcome}")
                    await asyncio.sleep(_PAUSE)

    async def _find_own(self, pipeline_id: str, subject: str, payload: bytes, after: int) -> int:
        """Where our record is above ``after``; 0 when nothing is there. Raises Conflict when something else is."""
        last = after
        while record := await self._api.next(subject, last):
            if record.payload == payload:
                return record.sequence
            last = record.sequence
        if last != after:
            raise Conflict(pipeline_id, after, last)
        return 0

    def read(self, pipeline_id: str, step_id: str | None = None, *, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        return self._reader.read(pipeline_id, step_id, after=after)

    def follow(self, pipeline_id: str, step_id: str | None = None, *, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        return self._reader.follow(pipeline_id, step_id, after=after)

    async def _check_own(self, event: Event, payload: bytes, sequence: int) -> None:
        """The id was seen before: with our record, or with one that keeps ours out."""
        record = await self._api.at(sequence)
        if record is not None and record.payload != payload:
            raise NotStored(event.pipeline_id, f"another record has the id {event.id}")
