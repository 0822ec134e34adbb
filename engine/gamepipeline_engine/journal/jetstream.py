"""The events stream in JetStream: optimistic appends whose outcome is always found out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator

from nats.aio.client import Client

from gamepipeline_engine.journal.background import Background
from gamepipeline_engine.journal.port import Conflict, JournalUnavailable, NotStored, Recorded
from gamepipeline_events import Event, Subjects
from gamepipeline_projections.reading import EventReader
from gamepipeline_projections.reading.api import StreamApi
from gamepipeline_projections.reading.stream import PATIENCE
from gamepipeline_projections.sending.publish import (
    SEQUENCE,
    SEQUENCE_FILTER,
    STREAM,
    Acknowledged,
    Outcome,
    Refused,
    Unknown,
    WrongSequence,
    publish,
    too_large,
)

PUBLISH_LIMIT = 5.0
"""Seconds to wait for an acknowledgement before the outcome counts as unknown."""

GHOST_WINDOW = 10.0
"""Seconds after an unknown publish in which a refusal does not yet prove that it was not stored:
its bytes may still wait in a connection that the server reads later."""

CONCURRENT = 256
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0

_log = logging.getLogger(__name__)


class JetStreamJournal:
    """Adapter of the Journal port. See there for what it promises."""

    def __init__(
        self,
        nc: Client,
        subjects: Subjects,
        stream: str,
        *,
        publish_limit: float = PUBLISH_LIMIT,
        patience: float = PATIENCE,
    ) -> None:
        self._nc = nc
        self._subjects = subjects
        self._stream = stream
        self._publish_limit = publish_limit
        self._reader = EventReader(nc, subjects, stream, patience=patience)
        self._api = StreamApi(nc, stream)
        self._places = asyncio.Semaphore(CONCURRENT)
        self._background = Background()

    async def append(self, event: Event, payload: bytes, expected: int) -> int:
        """As the port says."""
        return await self._background.run(self._append(event, payload, expected))

    async def last_sequence(self, pipeline_id: str) -> int:
        """As the port says."""
        return await self._reader.last_sequence(pipeline_id)

    def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        return self._reader.read(pipeline_id, after)

    def read_all(self, after: int = 0, event_type: str | None = None) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        return self._reader.read_all(after, event_type)

    def follow(self, pipeline_id: str | None = None, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        return self._reader.follow(pipeline_id, after)

    async def settle(self, within: float) -> bool:
        """Wait for appends whose caller was cancelled; False if some are still open ``within`` seconds."""
        return await self._background.settle(within)

    async def _append(self, event: Event, payload: bytes, expected: int) -> int:
        subject = self._subjects.event(event.pipeline_id, event.name)
        headers = _headers(self._stream, self._subjects.pipeline_events(event.pipeline_id), expected)
        if why := too_large(self._nc, subject, payload, headers):
            raise NotStored(event.pipeline_id, why)
        return await self._until_known(event.pipeline_id, subject, payload, headers, expected)

    async def _until_known(
        self, pipeline_id: str, subject: str, payload: bytes, headers: dict[str, str], expected: int
    ) -> int:
        """Publish, and for as long as nobody knows: read back, and publish the same bytes again."""
        loop = asyncio.get_running_loop()
        ghost_until = 0.0
        pause = _FIRST_PAUSE
        while True:
            async with self._places:
                outcome = await publish(self._nc, subject, payload, headers, self._publish_limit)
            if isinstance(outcome, Acknowledged) and not outcome.duplicate:
                return outcome.sequence
            if isinstance(outcome, Refused) and loop.time() >= ghost_until:
                raise NotStored(pipeline_id, outcome.why, full=outcome.full)
            if isinstance(outcome, Unknown) and outcome.sent:
                ghost_until = loop.time() + GHOST_WINDOW
            _report(pipeline_id, outcome)
            sequence = await self._read_back(pipeline_id, payload, expected, outcome)
            if sequence:
                return sequence
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _read_back(self, pipeline_id: str, payload: bytes, expected: int, outcome: Outcome) -> int:
        """Our event's sequence; 0 when nothing came after ``expected``. Raises Conflict if another did."""
        pause = _FIRST_PAUSE
        while True:
            try:
                found, last = await self._after(pipeline_id, payload, expected)
                if not found and last == expected and isinstance(outcome, WrongSequence):
                    last = await self.last_sequence(pipeline_id)
            except JournalUnavailable:
                if self._nc.is_closed:
                    raise
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
                continue
            if not found and last != expected:
                raise Conflict(pipeline_id, expected, last)
            return found

    async def _after(self, pipeline_id: str, payload: bytes, expected: int) -> tuple[int, int]:
        """Our event's sequence (0: not there) among all after ``expected``, and the last one's."""
        subject = self._subjects.pipeline_events(pipeline_id)
        last = expected
        while record := await self._api.next(subject, last):
            if record.payload == payload:
                return record.sequence, record.sequence
            last = record.sequence
        return 0, last


def _headers(stream: str, subject_filter: str, expected: int) -> dict[str, str]:
    """The only place that builds the condition of an append: a wrong one would be no condition."""
    if expected < 0:
        raise ValueError(f"expected sequence {expected} is below 0")
    return {STREAM: stream, SEQUENCE: str(int(expected)), SEQUENCE_FILTER: subject_filter}


def _report(pipeline_id: str, outcome: Outcome) -> None:
    match outcome:
        case Unknown(why) | Refused(why):
            _log.warning("append to pipeline %s: outcome unknown (%s), reading back", pipeline_id, why)
        case _:
            _log.debug("append to pipeline %s: %s", pipeline_id, outcome)
