"""One connection to NATS, and what reads and sends through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar

import nats.errors
from nats.aio.client import Client
from nats.js.errors import APIError, NotFoundError

from gamepipeline_events import Unavailable
from gamepipeline_projections.broker_errors import BrokerError
from gamepipeline_projections.connection import Hooks, Watchdog, connect
from gamepipeline_projections.reading import EventReader
from gamepipeline_projections.reading.api import explain
from gamepipeline_projections.reading.bulk import open_bulk
from gamepipeline_projections.sending import CommandSender
from gamepipeline_projections.target import Target
from gamepipeline_projections.topology import REALM_KEY, Topology

T = TypeVar("T")


class Link:
    """A connection that mends itself; ``closed`` is set when nothing but a new one helps."""

    def __init__(self, nc: Client, target: Target | str, topology: Topology, realm: str, closed: asyncio.Event) -> None:
        self.nc = nc
        self.topology = topology
        self.realm = realm
        self.closed = closed
        self.events = EventReader(nc, topology.subjects, topology.events)
        self.bulk = open_bulk(target, nc, topology.subjects, topology.events)
        self.sender = CommandSender(nc, topology.subjects, topology.commands)

    @classmethod
    async def open(cls, target: Target | str, topology: Topology, name: str) -> Link:
        """Connect and look whose streams these are. Raises Unavailable."""
        closed = asyncio.Event()
        try:
            nc = await connect(target, name=name, hooks=Hooks(on_closed=closed.set))
        except BrokerError as error:
            raise Unavailable(f"{error.problem}: {error.cause}", error.fix) from error
        try:
            return cls(nc, target, topology, await _realm(nc, topology.events), closed)
        except BaseException:
            await nc.close()
            raise

    async def close(self) -> None:
        """End the connection, and whoever reads through it."""
        self.closed.set()
        await self.nc.close()

    async def watch(self) -> None:
        """Return when the connection is dead; the client itself may not notice."""
        await Watchdog(self.nc, self.topology.events, self.closed.set).run()

    async def until_closed(self, items: AsyncGenerator[T, None]) -> AsyncIterator[T]:
        """``items`` as they come. Raises Unavailable once the connection is closed: no more will come."""
        closing = asyncio.ensure_future(self.closed.wait())  # noqa: TID251 - awaited or cancelled below
        try:
            async with aclosing(items):
                while True:
                    coming = asyncio.ensure_future(anext(items))  # noqa: TID251 - as above
                    try:
                        await asyncio.wait({coming, closing}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        if not coming.done():
                            coming.cancel()
                            await asyncio.wait({coming})
                    if coming.cancelled():
                        raise Unavailable("the connection to NATS is closed", "Start another agent")
                    try:
                        item = coming.result()
                    except StopAsyncIteration:
                        return
                    yield item
        finally:
            closing.cancel()


async def _realm(nc: Client, stream: str) -> str:
    """The ULID that the events stream was created with. Raises Unavailable."""
    try:
        info = await nc.jetstream().stream_info(stream)
    except NotFoundError as error:
        why = f"the stream {stream} does not exist"
        raise Unavailable(why, "Start `gamepipeline engine` once, it creates the streams") from error
    except (nats.errors.Error, APIError) as error:
        raise Unavailable(f"the stream {stream}: {explain(error)}", "See `gamepipeline doctor`") from error
    return str((info.config.metadata or {}).get(REALM_KEY, ""))
