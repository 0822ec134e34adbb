"""The streams of events and logs: a server in memory behind a bad network, with the product's append protocol.

``JetStreamJournal`` and ``JetStreamLogStore`` are the real ones. Their client is a stand-in that
answers the publishes and the single reads they make, in JetStream's own words; only whole
histories are read in one go.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec
import nats.errors

from gamepipeline_engine.journal.jetstream import JetStreamJournal
from gamepipeline_engine.journal.logs import JetStreamLogStore
from gamepipeline_engine.journal.port import JournalUnavailable, Recorded
from gamepipeline_engine.reconcile import Position
from gamepipeline_events import Subjects
from gamepipeline_projections.sending.publish import MESSAGE_ID, SEQUENCE, SEQUENCE_FILTER
from tests.support.simulation.network import Link

EVENTS, LOGS = "GAMEPIPELINE_EVENTS", "GAMEPIPELINE_LOGS"
READ_PATIENCE = 15.0
LAG = 0.7
NO_MESSAGE = 10037
WRONG_SEQUENCE = 10071
NO_ROOM = 10077


class Stored(NamedTuple):
    """A record, and when it was stored (seconds of the loop)."""

    record: Recorded
    at: float


class Stream:
    """Messages in one order, by pipeline: the third token of a subject is its id."""

    def __init__(self, name: str, now: Callable[[], float]) -> None:
        self.name = name
        self.full = False
        self.records: list[Stored] = []
        self.of: defaultdict[str, list[Stored]] = defaultdict(list)
        self.listeners: list[Callable[[Recorded], None]] = []
        self._now = now
        self._ids: dict[str, Recorded] = {}

    def publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> dict[str, Any]:
        """JetStream's answer."""
        pipeline = subject.split(".")[2]
        wanted = headers.get(SEQUENCE)
        if wanted is not None:
            about = headers[SEQUENCE_FILTER]
            if about not in {subject, f"{subject.rpartition('.')[0]}.>"}:
                raise AssertionError(f"the condition of {subject} is about {about}")
            last = self._last_under(about)
            if int(wanted) != last:
                return _error(400, WRONG_SEQUENCE, f"wrong last sequence: {last}")
        known = self._ids.get(headers.get(MESSAGE_ID, ""))
        if known is not None:
            return {"stream": self.name, "seq": known.sequence, "duplicate": True}
        if self.full:
            return _error(503, NO_ROOM, "maximum bytes exceeded")
        record = Recorded(len(self.records) + 1, subject, payload)
        stored = Stored(record, self._now())
        self.records.append(stored)
        self.of[pipeline].append(stored)
        if MESSAGE_ID in headers:
            self._ids[headers[MESSAGE_ID]] = record
        for listen in self.listeners:
            listen(record)
        return {"stream": self.name, "seq": record.sequence}

    def get(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to STREAM.MSG.GET."""
        if "last_by_subj" in body:
            found = self._under(body["last_by_subj"])[-1:]
        elif "next_by_subj" in body:
            found = [one for one in self._under(body["next_by_subj"]) if one.record.sequence >= body["seq"]]
        else:
            found = self.records[body["seq"] - 1 : body["seq"]]
        if not found:
            return _error(404, NO_MESSAGE, "no message found")
        record = found[0].record
        data = base64.b64encode(record.payload).decode()
        return {"message": {"subject": record.subject, "seq": record.sequence, "data": data}}

    def all(self, after: int, event_type: str | None = None) -> list[Recorded]:
        """The messages of all pipelines above ``after``, of one type or of all."""
        records = (one.record for one in self.records[after:])
        return [one for one in records if event_type is None or one.subject.endswith(f".{event_type}")]

    def _under(self, about: str) -> list[Stored]:
        """The messages of a pipeline (``….>``), or of one subject."""
        found = self.of[about.split(".")[2]]
        return found if about.endswith(">") else [one for one in found if one.record.subject == about]

    def _last_under(self, about: str) -> int:
        found = self._under(about)
        return found[-1].record.sequence if found else 0

    def after(self, pipeline: str, after: int, step: str | None = None) -> list[Recorded]:
        """A pipeline's messages above ``after``, of one step or of all."""
        return [
            one.record
            for one in self.of[pipeline]
            if one.record.sequence > after and (step is None or one.record.subject.split(".")[3] == step)
        ]


def _error(code: int, err_code: int, description: str) -> dict[str, Any]:
    return {"error": {"code": code, "err_code": err_code, "description": description}}


class _Answer(NamedTuple):
    data: bytes


class Client:
    """Stand-in for nats-py's client: requests only."""

    max_payload = 1024 * 1024
    is_closed = False

    def __init__(self, link: Link, streams: dict[str, Stream]) -> None:
        self._link = link
        self._streams = streams

    @property
    def is_connected(self) -> bool:
        """As nats-py."""
        return self._link.up

    @property
    def stats(self) -> dict[str, int]:
        """As nats-py: a connection that is another one has another number of reconnects."""
        return {"reconnects": self._link.breaks}

    async def request(
        self, subject: str, payload: bytes = b"", timeout: float = 0.5, headers: dict[str, str] | None = None
    ) -> _Answer:
        """A publish or an API request."""
        given = dict(headers or {})
        answer = await self._link.call(lambda: self._serve(subject, payload, given), timeout)
        return _Answer(msgspec.json.encode(answer))

    def _serve(self, subject: str, payload: bytes, headers: dict[str, str]) -> dict[str, Any]:
        api, _, name = subject.rpartition(".")
        if api == "$JS.API.STREAM.MSG.GET":
            return self._streams[name].get(msgspec.json.decode(payload))
        name = EVENTS if subject.split(".")[1] == "events" else LOGS
        return self._streams[name].publish(subject, payload, headers)


class Journal(JetStreamJournal):
    """The events stream for one process."""

    def __init__(self, client: Client, link: Link, stream: Stream, subjects: Subjects) -> None:
        super().__init__(client, subjects, EVENTS)  # type: ignore[arg-type] # the stand-in answers what is asked
        self._link = link
        self._stored = stream

    async def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        for record in await read_all(self._link, lambda: self._stored.after(pipeline_id, after)):
            yield record

    async def read_all(self, after: int = 0, event_type: str | None = None) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        for record in await read_all(self._link, lambda: self._stored.all(after, event_type)):
            yield record

    async def follow(self, pipeline_id: str | None = None, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the port says, of all pipelines; it lags by up to ``LAG`` seconds."""
        assert pipeline_id is None
        while True:
            with contextlib.suppress(JournalUnavailable):
                for record in await read_all(self._link, partial(self._stored.all, after)):
                    after = record.sequence
                    yield record
            await asyncio.sleep(LAG)


class LogStore(JetStreamLogStore):
    """The logs stream for one process."""

    def __init__(self, client: Client, link: Link, stream: Stream, subjects: Subjects) -> None:
        super().__init__(client, subjects, LOGS)  # type: ignore[arg-type] # the stand-in answers what is asked
        self._link = link
        self._stored = stream

    async def read(
        self, pipeline_id: str, step_id: str | None = None, *, after: int = 0
    ) -> AsyncGenerator[Recorded, None]:
        """As the port says."""
        for record in await read_all(self._link, lambda: self._stored.after(pipeline_id, after, step_id)):
            yield record


class Identity:
    """Says whose stream ``stream`` is; the server answers, mostly."""

    def __init__(self, link: Link, stream: Stream, realm: str) -> None:
        self._link = link
        self._stream = stream
        self._realm = realm

    async def position(self) -> Position:
        """See StreamIdentity."""
        try:
            last = await self._link.call(lambda: len(self._stream.records), 5.0)
        except nats.errors.Error as exc:
            raise JournalUnavailable(str(exc) or type(exc).__name__) from exc
        return Position(self._realm, last)


async def read_all(link: Link, ask: Callable[[], list[Recorded]]) -> list[Recorded]:
    """Ask until there is an answer. Raises JournalUnavailable after ``READ_PATIENCE`` seconds."""
    until = asyncio.get_running_loop().time() + READ_PATIENCE
    while True:
        try:
            return await link.call(ask, 2.0)
        except nats.errors.Error as exc:
            if asyncio.get_running_loop().time() >= until:
                raise JournalUnavailable(str(exc) or type(exc).__name__) from exc
        await asyncio.sleep(0.2)
