"""The queue of commands in JetStream: a work queue with one durable pull consumer per pool."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from gamepipeline_engine.broker.consumers import (
    CANCEL,
    STOP,
    cancel_consumer,
    ensure_consumer,
    execute_consumer,
    stop_consumer,
)
from gamepipeline_engine.broker.errors import ProvisioningFailed
from gamepipeline_engine.broker.streams import StreamOptions, Topology
from gamepipeline_engine.commands.pulls import ConsumerGone, Pulls
from gamepipeline_engine.commands.queue_port import (
    AlreadyQueued,
    Queued,
    QueueUnavailable,
    Stored,
)
from gamepipeline_events import Command
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_projections.reading import JournalUnavailable
from gamepipeline_projections.reading.api import BROKEN, ApiRefused, StreamApi, explain
from gamepipeline_projections.sending import CommandSender
from gamepipeline_projections.sending.commands import ANSWER, LIMIT

_PAUSE = 0.1
_NO_SUCH_MESSAGE = {10043, 10057, 10037}
"""Message not found; deleting it failed; no message found."""


class JetStreamDelivery:
    """Adapter of the Delivery port."""

    def __init__(self, nc: Client, message: Msg) -> None:
        self._nc = nc
        self._reply = message.reply
        self.subject = message.subject
        self.payload = message.data
        metadata = message.metadata
        self.sequence: int = metadata.sequence.stream
        self.delivered_count: int = metadata.num_delivered

    async def hold(self) -> None:
        """As the port says."""
        if not await self._tell(b"+WPI"):
            raise QueueUnavailable(f"{self.subject}: no answer to a hold")

    async def ack(self) -> bool:
        """As the port says."""
        return await self._tell(b"+ACK")

    async def nak(self, delay: float = 0.0) -> None:
        """As the port says."""
        body = msgspec.json.encode({"delay": int(delay * 1_000_000_000)}) if delay > 0 else b""
        await self._tell(b"-NAK " + body if body else b"-NAK")

    async def term(self) -> bool:
        """As the port says."""
        return await self._tell(b"+TERM")

    async def _tell(self, what: bytes) -> bool:
        try:
            await self._nc.request(self._reply, what, timeout=ANSWER)
        except BROKEN:
            return False
        return True


class JetStreamCommandQueue:
    """Adapter of the CommandQueue port. See there for what it promises."""

    def __init__(
        self, nc: Client, topology: Topology, options: StreamOptions | None = None, *, limit: float = LIMIT
    ) -> None:
        self._nc = nc
        self._topology = topology
        self._options = options or StreamOptions()
        self._limit = limit
        self._subjects = topology.subjects
        self._api = StreamApi(nc, topology.commands)
        self._sender = CommandSender(nc, topology.subjects, topology.commands, limit=limit)
        self._pulls = Pulls(nc, topology.commands)
        self._ready: set[str] = set()

    async def prepare(self, pools: Collection[str], *, forgotten_after: float | None = None) -> None:
        """As the port says. Raises StreamMismatch or ProvisioningFailed."""
        js = self._nc.jetstream()
        private = {"forgotten_after": forgotten_after}
        configs = [execute_consumer(self._topology, pool, self._options, **private) for pool in pools]
        configs += [cancel_consumer(self._topology, self._options), stop_consumer(self._topology, self._options)]
        for config in configs:
            name = str(config.durable_name)
            if name not in self._ready:
                await ensure_consumer(js, self._topology, config)
                self._ready.add(name)

    async def close(self) -> None:
        """Nothing is fetched any more. Deliveries can still be acked."""
        await self._pulls.close()

    async def publish(self, subject: CommandSubject, command: Command) -> Stored | AlreadyQueued:
        """As the port says."""
        return await self._sender.publish(subject, command)

    async def next_execute(self, pools: Collection[str], within: float = 5.0) -> JetStreamDelivery | None:
        """As the port says."""
        await self._ensure(pools, within)
        return await self._next([f"execute_{pool}" for pool in pools], within)

    async def next_control(self, within: float = 5.0) -> JetStreamDelivery | None:
        """As the port says."""
        await self._ensure((), within)
        return await self._next([CANCEL, STOP], within)

    async def queued(self, pipeline_id: str) -> Queued | None:
        """As the port says."""
        return await self._sender.queued(pipeline_id)

    async def waiting(self) -> list[CommandSubject]:
        """As the port says."""
        js = self._nc.jetstream(timeout=self._limit)
        try:
            info = await js.stream_info(self._topology.commands, subjects_filter=self._subjects.commands_of("execute"))
        except BROKEN as error:
            raise QueueUnavailable(str(error) or type(error).__name__) from error
        return [self._subjects.parse_command(subject) for subject in info.state.subjects or ()]

    async def remove(self, queued: Queued) -> bool:
        """As the port says."""
        try:
            await self._api.request(
                f"STREAM.MSG.DELETE.{self._topology.commands}", {"seq": queued.sequence, "no_erase": True}
            )
        except ApiRefused as refused:
            if refused.code in _NO_SUCH_MESSAGE:
                return False
            raise QueueUnavailable(str(refused)) from refused
        except JournalUnavailable as error:
            raise QueueUnavailable(str(error)) from error
        return True

    async def _ensure(self, pools: Collection[str], within: float) -> None:
        """As ``prepare``, but a server that does not answer is no reason to give up for good."""
        try:
            await self.prepare(pools)
        except (ProvisioningFailed, *BROKEN) as error:
            await asyncio.sleep(min(within, _PAUSE))
            raise QueueUnavailable(explain(error)) from error

    async def _next(self, consumers: Collection[str], within: float) -> JetStreamDelivery | None:
        try:
            message = await self._pulls.next(consumers, min(within, 5.0))
        except ConsumerGone as gone:
            self._ready.discard(gone.consumer)
            await asyncio.sleep(min(within, _PAUSE))
            raise
        return None if message is None else JetStreamDelivery(self._nc, message)
