"""The adapters of the journal's ports behind one face, so that one suite tests them all."""

import itertools
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec
from nats.aio.client import Client
from ulid import ULID

from gamepipeline_engine.broker import streams
from gamepipeline_engine.broker.streams import StreamOptions, Topology
from gamepipeline_engine.journal.jetstream import JetStreamJournal
from gamepipeline_engine.journal.logs import JetStreamLogStore
from gamepipeline_engine.journal.memory import MemoryJournal, MemoryLogStore, MemoryStream
from gamepipeline_engine.journal.port import Journal, LogStore, Recorded
from gamepipeline_events import Event, StepLog, StepSkipped, Subjects, encode
from gamepipeline_projections.connection import connect
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

PATIENCE = 1.0
"""Seconds after which adapters under test give up on a server that is away."""

_numbers = itertools.count(1)


def new_id(prefix: str = "p") -> str:
    """An id that no other test has."""
    return f"{prefix}-{secrets.token_hex(6)}"


def made(pipeline_id: str, seq: int = 1, *, text: str = "", event_id: str = "") -> tuple[Event, bytes]:
    """An event of the events stream and its bytes; every call makes another decision."""
    event = Event(
        id=event_id or str(ULID()),
        source="gamepipeline/test",
        name="StepSkipped",
        version=1,
        pipeline_id=pipeline_id,
        time="2026-11-23T18:10:41.000000Z",
        seq=seq,
        data=StepSkipped(step="a", reason=text or f"reason {next(_numbers)}"),
    )
    return event, encode(event)


def made_log(pipeline_id: str, chunk: int = 1, *, text: str = "line") -> tuple[Event, bytes]:
    """A record of the logs stream and its bytes."""
    time = "2026-11-23T18:10:41.000000Z"
    event = Event(
        id=str(ULID()),
        source="gamepipeline/test",
        name="StepLog",
        version=1,
        pipeline_id=pipeline_id,
        time=time,
        data=StepLog(step="a", attempt=1, chunk=chunk, lines=[(time, "stdout", text)]),
    )
    return event, encode(event)


async def all_of(records: AsyncIterator[Recorded]) -> list[Recorded]:
    """Everything a read yields."""
    return [record async for record in records]


class Rig(Protocol):
    """One stream of events and one of logs, and clients of them."""

    @property
    def subjects(self) -> Subjects:
        """Of both streams."""
        ...

    @property
    def journal(self) -> Journal:
        """The journal under test."""
        ...

    @property
    def logs(self) -> LogStore:
        """The log store under test."""
        ...

    async def another(self) -> Journal:
        """A journal of another client on the same stream, which ``away`` does not concern."""
        ...

    async def store(self, event: Event, payload: bytes) -> int:
        """Publish to the events stream without any condition, as a third party could."""
        ...

    async def away(self) -> None:
        """Cut ``journal`` and ``logs`` off from the streams."""
        ...

    async def back(self) -> None:
        """Undo ``away``."""
        ...

    async def fill(self) -> None:
        """Leave no room in the events stream."""
        ...


@dataclass
class MemoryRig:
    """The adapters in memory. See ``Rig``."""

    subjects: Subjects
    stream: MemoryStream
    journal: MemoryJournal
    logs: MemoryLogStore

    async def another(self) -> Journal:
        """A client of the same stream."""
        return MemoryJournal(self.stream, self.subjects)

    async def store(self, event: Event, payload: bytes) -> int:
        """Store without a condition."""
        return self.stream.store(self.subjects.event(event.pipeline_id, event.name), payload)

    async def away(self) -> None:
        """Cut off."""
        self.journal.away = self.logs.away = True

    async def back(self) -> None:
        """Undo ``away``."""
        self.journal.away = self.logs.away = False

    async def fill(self) -> None:
        """No room any more."""
        self.stream.capacity = 0


@dataclass
class JetStreamRig:
    """The adapters on a real server: ``journal`` and ``logs`` behind a proxy, ``direct`` beside it.

    See ``Rig``.
    """

    topology: Topology
    server: str
    proxy: TcpProxy
    client: Client
    direct: Client
    journal: JetStreamJournal
    logs: JetStreamLogStore
    stack: AsyncExitStack

    @property
    def subjects(self) -> Subjects:
        """Of these streams."""
        return self.topology.subjects

    async def another(self) -> JetStreamJournal:
        """A client of the same stream, not behind the proxy."""
        client = await self.stack.enter_async_context(connected(self.server))
        return JetStreamJournal(client, self.subjects, self.topology.events, publish_limit=PATIENCE)

    async def store(self, event: Event, payload: bytes) -> int:
        """Store without a condition."""
        subject = self.subjects.event(event.pipeline_id, event.name)
        ack = await self.direct.jetstream().publish(subject, payload)
        return ack.seq

    async def away(self) -> None:
        """Cut off."""
        self.proxy.refuse()

    async def back(self) -> None:
        """Undo ``away``."""
        await self.proxy.mend()

    async def fill(self) -> None:
        """The server takes any size below what is used: then every message is too much."""
        js = self.direct.jetstream()
        info = await js.stream_info(self.topology.events)
        await js.update_stream(replace(info.config, max_bytes=1))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """A client as the product makes it."""
    client = await connect(url, name="test")
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def memory_rig() -> AsyncIterator[MemoryRig]:
    """Adapters in memory."""
    subjects, stream = Subjects(new_id("root")), MemoryStream()
    yield MemoryRig(subjects, stream, MemoryJournal(stream, subjects), MemoryLogStore(MemoryStream(), subjects))


@asynccontextmanager
async def jetstream_rig(url: str) -> AsyncIterator[JetStreamRig]:
    """Adapters on streams of their own on the server at ``url``; the streams are removed at the end."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(tcp_proxy(url))
        direct = await stack.enter_async_context(connected(url))
        topology = await stack.enter_async_context(own_streams(direct))
        client = await stack.enter_async_context(connected(proxy.url))
        yield JetStreamRig(
            topology,
            url,
            proxy,
            client,
            direct,
            JetStreamJournal(client, topology.subjects, topology.events, publish_limit=PATIENCE, patience=PATIENCE),
            JetStreamLogStore(client, topology.subjects, topology.logs, limit=PATIENCE, patience=PATIENCE),
            stack,
        )


@asynccontextmanager
async def own_streams(client: Client, options: StreamOptions | None = None) -> AsyncIterator[Topology]:
    """Streams of events, logs and commands as the product makes them, only smaller, under a new root."""
    topology = Topology(new_id("root"))
    js = client.jetstream()
    names = {topology.events, topology.logs, topology.commands}
    for plan in streams._plans(topology, options or StreamOptions(), 1):
        if plan.name in names:
            await js.add_stream(replace(plan.config, max_bytes=256 * 1024 * 1024))
    try:
        yield topology
    finally:
        if client.is_connected:
            for name in names:
                await js.delete_stream(name)


def ids(records: list[Recorded]) -> list[str]:
    """The events' ids, in order."""
    return [msgspec.json.decode(record.payload)["id"] for record in records]
