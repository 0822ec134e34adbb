"""The connection of one call: its server, its readers, its queue. Opened by the command that needs it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gamepipeline_engine.broker.embedded import EmbeddedServer
from gamepipeline_engine.broker.streams import StreamOptions, Topology, provision
from gamepipeline_engine.cli.configuration import nats_table
from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.known import KNOWN
from gamepipeline_engine.cli.options import Settings
from gamepipeline_engine.config import load_config
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading import EventReader, JournalUnavailable, LogReader
from gamepipeline_projections.reading.api import ApiRefused, StreamApi
from gamepipeline_projections.snapshots import NatsBucket, SnapshotStore
from gamepipeline_projections.target import Target, resolve_target

if TYPE_CHECKING:
    from nats.aio.client import Client

    from gamepipeline_engine.commands.queue import JetStreamCommandQueue


@dataclass(frozen=True)
class Session:
    """A connection and what reads through it. ``embedded``: to the own server of this user.

    ``target``: where it leads, for another connection; it may hold a password.
    """

    client: Client
    topology: Topology
    embedded: bool
    target: Target | str = field(repr=False)

    @property
    def events(self) -> EventReader:
        """Reader of the events stream."""
        return EventReader(self.client, self.topology.subjects, self.topology.events)

    @property
    def logs(self) -> LogReader:
        """Reader of the logs stream."""
        return LogReader(self.client, self.topology.subjects, self.topology.logs)

    @property
    def snapshots(self) -> SnapshotStore:
        """The last snapshots of the pipelines, to read."""
        return SnapshotStore(NatsBucket(self.client, self.topology.snapshots))

    @property
    def queue(self) -> JetStreamCommandQueue:
        """The queue of commands, to publish to."""
        from gamepipeline_engine.commands.queue import JetStreamCommandQueue

        return JetStreamCommandQueue(self.client, self.topology)

    def api(self, stream: str) -> StreamApi:
        """Single requests to ``stream``."""
        return StreamApi(self.client, stream)


@asynccontextmanager
async def open_session(settings: Settings, *, write: bool = False, create: bool = True) -> AsyncIterator[Session]:
    """A session for the length of a block. Raises BrokerError, ConfigError.

    The streams of the embedded server are created when they are missing; on another server that
    is done only to ``write``, because who only reads may lack the right. ``create`` False: nobody
    looks whether they are there.
    """
    config = load_config()
    target = resolve_target(settings.nats, nats_table(config), os.environ)
    topology = Topology()
    if target is not None:
        KNOWN.add(target.secrets())
        async with _connected(target, topology, embedded=False) as session:
            if create:
                await _look(session, write=write)
            yield session
        return
    async with await EmbeddedServer().acquire() as lease, _connected(lease.url, topology, embedded=True) as session:
        if create:
            await provision(session.client.jetstream(), topology, StreamOptions(room=lease.room), presence=False)
        yield session


@asynccontextmanager
async def _connected(target: Target | str, topology: Topology, *, embedded: bool) -> AsyncIterator[Session]:
    client = await connect(target, name="gamepipeline-cli")
    try:
        yield Session(client, topology, embedded, target)
    finally:
        await client.close()


async def _look(session: Session, *, write: bool) -> None:
    """Somebody else's server: the streams are there, or are made now, or one line says so."""
    stream = session.topology.events
    try:
        await session.api(stream).request(f"STREAM.INFO.{stream}", {})
    except ApiRefused as refused:
        if write:
            await provision(session.client.jetstream(), session.topology, presence=False)
            return
        fix = "start `gamepipeline engine` once, it creates the streams"
        raise CliError(Exit.INFRASTRUCTURE, f"{stream}: {refused.description}", fix) from refused
    except JournalUnavailable:
        return  # a narrow role may not ask; its own requests will tell
