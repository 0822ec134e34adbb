"""The connection of one call: its server, its readers, its queue. Opened by the command that needs it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gamepipeline_engine.broker.embedded import EmbeddedServer
from gamepipeline_engine.broker.streams import Topology, provision
from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.options import Settings
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading import EventReader, JournalUnavailable, LogReader
from gamepipeline_projections.reading.api import ApiRefused, StreamApi
from gamepipeline_projections.target import Target, resolve_target

if TYPE_CHECKING:
    from nats.aio.client import Client

    from gamepipeline_engine.commands.queue import JetStreamCommandQueue


@dataclass(frozen=True)
class Session:
    """A connection and what reads through it. ``embedded``: to the own server of this user."""

    client: Client
    topology: Topology
    embedded: bool

    @property
    def events(self) -> EventReader:
        """Reader of the events stream."""
        return EventReader(self.client, self.topology.subjects, self.topology.events)

    @property
    def logs(self) -> LogReader:
        """Reader of the logs stream."""
        return LogReader(self.client, self.topology.subjects, self.topology.logs)

    @property
    def queue(self) -> JetStreamCommandQueue:
        """The queue of commands, to publish to."""
        from gamepipeline_engine.commands.queue import JetStreamCommandQueue

        return JetStreamCommandQueue(self.client, self.topology)

    def api(self, stream: str) -> StreamApi:
        """Single requests to ``stream``."""
        return StreamApi(self.client, stream)


def find_target(settings: Settings, env: Mapping[str, str] | None = None) -> Target | None:
    """The NATS that is meant; None for the embedded one. Raises BrokerError, ConfigError."""
    env = os.environ if env is None else env
    from gamepipeline_engine.cli.configuration import nats_table

    return resolve_target(settings.nats, nats_table(), env)


@asynccontextmanager
async def open_session(settings: Settings, *, write: bool = False) -> AsyncIterator[Session]:
    """A session for the length of a block.

    The streams of the embedded server are created when they are missing; on another server that
    is done only to ``write``, because who only reads may lack the right.
    """
    target = find_target(settings)
    topology = Topology()
    if target is not None:
        async with _connected(target, topology, embedded=False) as session:
            await _look(session, write=write)
            yield session
        return
    async with EmbeddedServer().use() as url, _connected(url, topology, embedded=True) as session:
        await provision(session.client.jetstream(), topology)
        yield session


@asynccontextmanager
async def _connected(target: Target | str, topology: Topology, *, embedded: bool) -> AsyncIterator[Session]:
    client = await connect(target, name="gamepipeline-cli")
    try:
        yield Session(client, topology, embedded)
    finally:
        await client.close()


async def _look(session: Session, *, write: bool) -> None:
    """Somebody else's server: the streams are there, or are made now, or one line says so."""
    stream = session.topology.events
    try:
        await session.api(stream).request(f"STREAM.INFO.{stream}", {})
    except ApiRefused as refused:
        if write:
            await provision(session.client.jetstream(), session.topology)
            return
        fix = "start `gamepipeline engine` once, it creates the streams"
        raise CliError(Exit.INFRASTRUCTURE, f"{stream}: {refused.description}", fix) from refused
    except JournalUnavailable:
        return  # a narrow role may not ask; its own requests will tell
