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
    QueueRefused,
    QueueUnavailable,
    Stored,
    subject_of,
)
from gamepipeline_engine.journal.publish import (
    MESSAGE_ID,
    STREAM,
    SUBJECT_LIMIT,
    Acknowledged,
    Refused,
    Unknown,
    publish,
    too_large,
)
from gamepipeline_events import Command
from gamepipeline_events.commands import MAX_EXECUTE_BYTES
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_projections.reading import JournalUnavailable, Recorded
from gamepipeline_projections.reading.api import BROKEN, ApiRefused, StreamApi, explain

LIMIT = 5.0
"""Seconds that one call may take, all attempts together."""

ANSWER = 2.0
"""Seconds to wait for the answer to a hold or an ack."""

_PAUSE = 0.1
_NO_SUCH_MESSAGE = {10043, 10057, 10037}
"""Message not found; deleting it failed; no message found."""


class _Id(msgspec.Struct):
    id: str


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
        where = subject_of(self._subjects, subject)
        payload = msgspec.json.encode(command)
        headers = {STREAM: self._topology.commands, MESSAGE_ID: command.id}
        why = too_large(self._nc, where, payload, headers)
        if why or len(payload) > MAX_EXECUTE_BYTES:
            raise QueueRefused(where, why or f"{len(payload)} bytes, at most {MAX_EXECUTE_BYTES} are allowed")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limit
        while True:
            outcome = await publish(self._nc, where, payload, headers, min(ANSWER, self._limit))
            match outcome:
                case Acknowledged(sequence, duplicate):
                    return Stored(sequence, duplicate)
                case Refused(why, full):
                    return await self._refused(where, command, why, full=full)
                case _:
                    if loop.time() + _PAUSE >= deadline:
                        why = outcome.why if isinstance(outcome, Unknown) else str(outcome)
                        raise QueueUnavailable(f"{where}: {why}")
                    await asyncio.sleep(_PAUSE)

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
        return self._queued(await self._last(self._subjects.pipeline_execute(pipeline_id)))

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

    async def _refused(self, where: str, command: Command, why: str, *, full: bool) -> Stored | AlreadyQueued:
        """A limit was reached: that of the subject if something waits on it, else that of the stream."""
        if not full:
            raise QueueRefused(where, why)
        record = await self._last(where)
        if record is None:
            if why == SUBJECT_LIMIT:
                return AlreadyQueued(None)
            raise QueueRefused(where, why, full=True)
        if _id_of(record.payload) == command.id:
            return Stored(record.sequence, duplicate=True)
        return AlreadyQueued(self._queued(record))

    async def _last(self, subject: str) -> Recorded | None:
        try:
            return await self._api.last(subject)
        except JournalUnavailable as error:
            raise QueueUnavailable(str(error)) from error

    def _queued(self, record: Recorded | None) -> Queued | None:
        if record is None:
            return None
        return Queued(record.sequence, self._subjects.parse_command(record.subject), record.payload)


def _id_of(payload: bytes) -> str | None:
    """The id of a queued command; None for what is no command."""
    try:
        return msgspec.json.decode(payload, type=_Id).id
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
