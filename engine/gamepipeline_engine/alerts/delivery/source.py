"""The alerts of one webhook: its place in the events stream, kept by the server."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from nats.aio.client import Client

from gamepipeline_engine.broker.consumers import alerts_consumer, ensure_consumer
from gamepipeline_engine.broker.streams import Topology
from gamepipeline_engine.commands.pulls import Pulls
from gamepipeline_engine.commands.queue import JetStreamDelivery
from gamepipeline_engine.commands.queue_port import Delivery

_ANSWER = 3.0


class Fetched(NamedTuple):
    """A delivery and its number among all deliveries of the consumer, which has no gaps."""

    delivery: Delivery
    place: int


class Standing(NamedTuple):
    """What the server says of a consumer: alerts fetched and not acked, and the number of the last delivery."""

    outstanding: int
    place: int


class Source(Protocol):
    """Where alerts come from. What is fetched and not acked comes again after ``ack_wait`` seconds."""

    ack_wait: float

    async def begin(self) -> Standing:
        """Be ready to fetch."""
        ...

    async def next(self, within: float) -> Fetched | None:
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

    async def prepare(self) -> Standing:
        """Create the consumer, or compare the one that is there; see ``begin``."""
        wanted = alerts_consumer(self._topology, self._name, self.ack_wait)
        js = self._nc.jetstream(timeout=_ANSWER)
        info = await ensure_consumer(js, self._topology, wanted, stream=self._topology.events)
        place = info.delivered.consumer_seq if info.delivered is not None else 0
        return Standing(info.num_ack_pending or 0, place)

    async def begin(self) -> Standing:
        """See the port. Raises StreamMismatch, ProvisioningFailed."""
        self._pulls = Pulls(self._nc, self._topology.events)
        return await self.prepare()

    async def next(self, within: float) -> Fetched | None:
        """See the port. Raises ConsumerGone for one that was deleted."""
        assert self._pulls is not None  # noqa: S101 - begin() comes first
        message = await self._pulls.next([self._name], within)
        if message is None:
            return None
        return Fetched(JetStreamDelivery(self._nc, message), message.metadata.sequence.consumer)

    async def end(self) -> None:
        """See the port."""
        if self._pulls is not None:
            await self._pulls.close()
            self._pulls = None
