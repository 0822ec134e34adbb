"""The alerts of one webhook: its place in the events stream, kept by the server."""

from __future__ import annotations

from typing import Protocol

from nats.aio.client import Client

from gamepipeline_engine.broker.consumers import alerts_consumer, ensure_consumer
from gamepipeline_engine.broker.streams import Topology
from gamepipeline_engine.commands.pulls import Pulls
from gamepipeline_engine.commands.queue import JetStreamDelivery
from gamepipeline_engine.commands.queue_port import Delivery

_ANSWER = 3.0


class Source(Protocol):
    """Where alerts come from. What is fetched and not acked comes again after ``ack_wait`` seconds."""

    ack_wait: float

    async def begin(self) -> int:
        """Be ready to fetch; how many alerts somebody has fetched and not acked."""
        ...

    async def next(self, within: float) -> Delivery | None:
        """The next alert; None when none comes ``within`` seconds. Raises QueueUnavailable."""
        ...

    async def end(self) -> None:
        """Fetch no more, for now."""
        ...


class JetStreamSource:
    """Adapter of Source: the durable consumer ``name``."""

    def __init__(self, nc: Client, topology: Topology, name: str, ack_wait: float) -> None:
        self.ack_wait = ack_wait
        self._nc = nc
        self._topology = topology
        self._name = name
        self._pulls: Pulls | None = None

    async def prepare(self) -> int:
        """Create the consumer, or compare the one that is there; see ``begin``."""
        wanted = alerts_consumer(self._topology, self._name, self.ack_wait)
        js = self._nc.jetstream(timeout=_ANSWER)
        info = await ensure_consumer(js, self._topology, wanted, stream=self._topology.events)
        return info.num_ack_pending or 0

    async def begin(self) -> int:
        """See the port. Raises StreamMismatch, ProvisioningFailed."""
        self._pulls = Pulls(self._nc, self._topology.events)
        return await self.prepare()

    async def next(self, within: float) -> Delivery | None:
        """See the port. Raises ConsumerGone for one that was deleted."""
        assert self._pulls is not None  # noqa: S101 - begin() comes first
        message = await self._pulls.next([self._name], within)
        return None if message is None else JetStreamDelivery(self._nc, message)

    async def end(self) -> None:
        """See the port."""
        if self._pulls is not None:
            await self._pulls.close()
            self._pulls = None
