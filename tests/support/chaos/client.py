"""The client: it submits, cancels, writes down what was acknowledged, and reads what became of it.

Its connection is replaced whenever a call fails. It takes no part in the recovery that is tested.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.aio.client import Client as NatsClient

from gamepipeline_engine.broker.streams import Topology
from gamepipeline_engine.clock import new_id
from gamepipeline_engine.commands.queue import JetStreamCommandQueue
from gamepipeline_engine.commands.queue_port import AlreadyQueued, QueueError
from gamepipeline_events import Cancel, Command, Execute
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_events.times import timestamp
from gamepipeline_projections.audit import ClientJournal, SentCommand
from gamepipeline_projections.broker_errors import BrokerError
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading import JournalError, Recorded
from gamepipeline_projections.reading.stream import StreamReader
from gamepipeline_projections.snapshots import NatsBucket, Snapshot, decode_snapshot
from tests.support.chaos.workload import Planned, plan_pipeline

_LOOK = 0.25
_CALL = 8.0
"""Seconds after which a call counts as failed, whatever the library thinks."""

_BROKEN = (QueueError, BrokerError, JournalError, TimeoutError, OSError)


@dataclass
class _Open:
    nats: NatsClient
    queue: JetStreamCommandQueue


class Client:
    """Everything it did and saw. ``records``: the events stream as read while it grew."""

    def __init__(self, url: str) -> None:
        self.planned: dict[str, Planned] = {}
        self.sent: list[SentCommand] = []
        self.records: list[Recorded] = []
        self.ended: dict[str, str] = {}
        """Pipeline → its first terminal event."""
        self.refused: Counter[str] = Counter()
        self.token = secrets.token_hex(3)
        """In the ids of its pipelines: containers and networks are named after them, and runs share the daemon."""
        self._url = url
        self._topology = Topology()
        self._open: _Open | None = None
        self._opening = asyncio.Lock()
        self._grew = asyncio.Event()
        self._over = False

    @property
    def journal(self) -> ClientJournal:
        """For the history checker."""
        return ClientJournal(tuple(self.sent))

    @property
    def open_pipelines(self) -> list[str]:
        """Submitted (acknowledged), and not ended as far as it is known."""
        return [one for one in self.acknowledged if one not in self.ended]

    @property
    def acknowledged(self) -> list[str]:
        """Pipelines of which at least one execute or cancel command was acknowledged."""
        return list(dict.fromkeys(one.pipeline_id for one in self.sent if one.acknowledged))

    # --- what it does ------------------------------------------------------------------------

    async def work(
        self, rng: random.Random, prefix: str, pools: tuple[str, ...], stop: asyncio.Event, *, longest: float = 3.0
    ) -> None:
        """One pipeline after the other until ``stop``; each is waited for. ``longest``: as for ``plan_pipeline``."""
        number = 0
        while not stop.is_set():
            number += 1
            await self.run(plan_pipeline(rng, f"{prefix}-{number}-{self.token}", pools, longest=longest), stop)
            await asyncio.sleep(rng.uniform(0, 0.3))

    async def run(self, planned: Planned, stop: asyncio.Event | None = None) -> None:
        """Do what is planned, and wait for the end, or for ``stop``."""
        self.planned[planned.id] = planned
        if planned.cancel is not None and planned.cancel < 0:
            await self.cancel(planned.id)
        command = Execute(id=new_id(), pipeline=planned.document, submitted_by="cli:chaos")
        where = CommandSubject("execute", planned.id, planned.pool)
        await self.publish(where, command)
        if planned.again:
            await self.publish(where, command)
        if planned.other:
            other = {**planned.document, "description": "another one"}
            await self.publish(where, Execute(id=new_id(), pipeline=other, submitted_by="cli:chaos"))
        if planned.cancel is not None and planned.cancel >= 0:
            await asyncio.sleep(planned.cancel)
            await self.cancel(planned.id)
            if planned.again:
                await self.cancel(planned.id)
        while planned.id not in self.ended and not (stop is not None and stop.is_set()):
            await self.grown()
        if planned.again and planned.id in self.ended:
            # With ids of their own: the stream itself refuses an id that it has seen lately.
            await self.publish(where, Execute(id=new_id(), pipeline=planned.document, submitted_by="cli:chaos"))
            await self.cancel(planned.id)

    async def cancel(self, pipeline_id: str) -> None:
        """Ask for the end of a pipeline."""
        cancel = Cancel(id=new_id(), reason="chaos", requested_by="cli:chaos")
        await self.publish(CommandSubject("cancel", pipeline_id), cancel)

    async def publish(self, subject: CommandSubject, command: Command) -> None:
        """Until it is acknowledged, or another command waits on the subject: that is no acknowledgement."""
        while True:
            stored = None
            try:
                async with asyncio.timeout(_CALL):
                    stored = await (await self._connection()).queue.publish(subject, command)
            except _BROKEN as error:
                self.refused[type(error).__name__] += 1
                await self._reconnect()
                await asyncio.sleep(_LOOK)
                continue
            self.sent.append(
                SentCommand(
                    kind="execute" if isinstance(command, Execute) else "cancel",
                    pipeline_id=subject.pipeline_id,
                    id=command.id,
                    acknowledged=not isinstance(stored, AlreadyQueued),
                    at=timestamp(datetime.now(UTC)),
                )
            )
            return

    # --- what it sees ------------------------------------------------------------------------

    async def observe(self) -> None:
        """Read the events stream as it grows, until ``close``.

        Not until a cancellation: a request of nats-py may forget it.
        """
        while not self._over:
            try:
                await self._read_on()
            except _BROKEN as error:
                self.refused[type(error).__name__] += 1
                await self._reconnect()
            await asyncio.sleep(_LOOK)

    async def grown(self) -> None:
        """Wait for a look at the stream."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._grew.wait()

    async def all_ended(self, within: float) -> bool:
        """Whether every acknowledged pipeline ends in that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.open_pipelines:
                    await self.grown()
        return not self.open_pipelines

    async def stored(self) -> tuple[list[Recorded], list[Recorded]]:
        """The events and the logs stream, read from their beginnings."""
        nats = (await self._connection()).nats
        topology, subjects = self._topology, self._topology.subjects
        events = [one async for one in StreamReader(nats, topology.events).read(subjects.all_events(), 0)]
        logs = [one async for one in StreamReader(nats, topology.logs).read(subjects.all_logs(), 0)]
        return events, logs

    async def snapshots(self) -> dict[str, Snapshot]:
        """The snapshots that are kept, by pipeline. Raises SnapshotsUnavailable, and Unusable for a damaged one."""
        bucket = NatsBucket((await self._connection()).nats, self._topology.snapshots)
        found = {one: await bucket.get(one) for one in self.planned}
        return {
            one: decode_snapshot(kept.payload, realm=None, pipeline_id=one)
            for one, kept in found.items()
            if kept is not None
        }

    async def _read_on(self) -> None:
        nats = (await self._connection()).nats
        reader = StreamReader(nats, self._topology.events, patience=_CALL / 2)
        after = self.records[-1].sequence if self.records else 0
        async with (
            asyncio.timeout(_CALL),
            contextlib.aclosing(reader.read(self._topology.subjects.all_events(), after)) as records,
        ):
            async for record in records:
                self.records.append(record)
                parsed = self._topology.subjects.parse_event(record.subject)
                if parsed.event_type in TERMINAL_EVENTS:
                    self.ended.setdefault(parsed.pipeline_id, parsed.event_type)
        self._grew.set()
        self._grew = asyncio.Event()

    # --- the connection ----------------------------------------------------------------------

    async def _connection(self) -> _Open:
        async with self._opening:
            if self._over:
                raise TimeoutError
            if self._open is None:
                nats = await connect(self._url, name="chaos client")
                self._open = _Open(nats, JetStreamCommandQueue(nats, self._topology, limit=_CALL / 2))
            return self._open

    async def _reconnect(self) -> None:
        async with self._opening:
            if self._open is not None:
                was, self._open = self._open, None
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(2):
                        await was.nats.close()

    async def close(self) -> None:
        """Do and see nothing more."""
        self._over = True
        await self._reconnect()


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Client]:
    """A client that observes."""
    one = Client(url)
    async with asyncio.TaskGroup() as group:
        group.create_task(one.observe())
        try:
            yield one
        finally:
            await one.close()
