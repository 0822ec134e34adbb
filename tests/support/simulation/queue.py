"""The queue of commands behind a bad network, and the bucket of presence records."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

import nats.errors

from gamepipeline_engine.commands.memory import MemoryCommandQueue, MemoryDelivery
from gamepipeline_engine.commands.queue_port import AlreadyQueued, Queued, QueueUnavailable, Stored
from gamepipeline_engine.presence_memory import Entry, MemoryBucket, MemoryClient
from gamepipeline_events import Command
from gamepipeline_events.subjects import CommandSubject
from tests.support.simulation.chance import Chance
from tests.support.simulation.loop import SeededLoop
from tests.support.simulation.network import Link

T = TypeVar("T")

ANSWER = 2.0


class Delivery:
    """A command given to a process."""

    def __init__(self, queue: Queue, given: MemoryDelivery) -> None:
        self._queue = queue
        self._given = given
        self.subject = given.subject
        self.payload = given.payload
        self.sequence = given.sequence
        self.delivered_count = given.delivered_count

    async def hold(self) -> None:
        """As the port says."""
        await self._queue.ask(lambda: self._queue.now(self._given.hold()))

    async def ack(self) -> bool:
        """As the port says."""
        return await self._tell(self._given.ack)

    async def nak(self, delay: float = 0.0) -> None:
        """As the port says."""
        await self._tell(lambda: self._given.nak(delay))

    async def term(self) -> bool:
        """As the port says."""
        return await self._tell(self._given.term)

    async def _tell(self, what: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
        try:
            await self._queue.ask(lambda: self._queue.now(what()))
        except QueueUnavailable:
            return False
        return True


class Queue:
    """The commands stream for one process; ``server`` is what all share."""

    def __init__(self, loop: SeededLoop, link: Link, server: MemoryCommandQueue, chance: Chance) -> None:
        self._loop = loop
        self._link = link
        self._server = server
        self._chance = chance

    @staticmethod
    def now(work: Coroutine[Any, Any, T]) -> T:
        """The result of a call of the memory adapter that waits for nothing."""
        try:
            work.send(None)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        raise AssertionError("it wanted to wait")

    async def ask(self, serve: Callable[[], T]) -> T:
        """One request. Raises QueueUnavailable."""
        try:
            return await self._link.call(serve, ANSWER)
        except nats.errors.Error as exc:
            raise QueueUnavailable(str(exc) or type(exc).__name__) from exc

    async def prepare(self, pools: Collection[str], *, forgotten_after: float | None = None) -> None:
        """As the port says."""
        await self.ask(lambda: self.now(self._server.prepare(pools, forgotten_after=forgotten_after)))

    async def publish(self, subject: CommandSubject, command: Command) -> Stored | AlreadyQueued:
        """As the port says."""
        return await self.ask(lambda: self.now(self._server.publish(subject, command)))

    async def queued(self, pipeline_id: str) -> Queued | None:
        """As the port says."""
        return await self.ask(lambda: self.now(self._server.queued(pipeline_id)))

    async def waiting(self) -> list[CommandSubject]:
        """As the port says."""
        return await self.ask(lambda: self.now(self._server.waiting()))

    async def remove(self, queued: Queued) -> bool:
        """As the port says."""
        return await self.ask(lambda: self.now(self._server.remove(queued)))

    async def next_execute(self, pools: Collection[str], within: float = 5.0) -> Delivery | None:
        """As the port says."""
        return await self._next(lambda: self._server.next_execute(pools, within), within)

    async def next_control(self, within: float = 5.0) -> Delivery | None:
        """As the port says."""
        return await self._next(lambda: self._server.next_control(within), within)

    async def _next(
        self, fetch: Callable[[], Coroutine[Any, Any, MemoryDelivery | None]], within: float
    ) -> Delivery | None:
        """The fetch waits at the server; what it gets travels to whoever still waits for it."""
        if not self._link.up:
            await asyncio.sleep(within)
            raise QueueUnavailable("not connected")
        answer: asyncio.Future[MemoryDelivery | None] = self._loop.create_future()
        breaks = self._link.breaks
        self._loop.do_outside(self._serve(fetch, answer, breaks))
        try:
            async with asyncio.timeout(within + 1.0):
                given = await answer
        except TimeoutError as exc:
            raise QueueUnavailable("no answer to a fetch") from exc
        return Delivery(self, given) if given is not None else None

    async def _serve(
        self,
        fetch: Callable[[], Coroutine[Any, Any, MemoryDelivery | None]],
        answer: asyncio.Future[MemoryDelivery | None],
        breaks: int,
    ) -> None:
        await asyncio.sleep(0.0005 + self._chance.brief(0.05))
        given = await fetch()
        await asyncio.sleep(0.0005 + self._chance.brief(0.05))
        if self._link.breaks != breaks:
            return  # it travelled on a connection that is gone: given out again after ack_wait
        if answer.done():
            if given is not None:
                await given.nak()
            return
        answer.set_result(given)


class Bucket(MemoryBucket):
    """The bucket of presence records. ``puts``: when each key was written."""

    def __init__(self, ttl: float, now: Callable[[], float]) -> None:
        super().__init__(ttl, now)
        self.puts: defaultdict[str, list[float]] = defaultdict(list)
        self._clock = now

    def put(self, key: str, value: bytes) -> int:
        """See the memory adapter."""
        self.puts[key].append(self._clock())
        return super().put(key, value)


class PresenceClient(MemoryClient):
    """One process's way to the bucket of presence records."""

    def __init__(self, bucket: MemoryBucket, link: Link) -> None:
        super().__init__(bucket)
        self._link = link

    async def get(self, key: str) -> Entry:
        """See the bucket."""
        return await self._link.call(lambda: self.bucket.get(key), 3.0)

    async def put(self, key: str, value: bytes) -> int:
        """See the bucket."""
        return await self._link.call(lambda: self.bucket.put(key, value), 3.0)

    async def create(self, key: str, value: bytes) -> int:
        """See the bucket."""
        return await self._link.call(lambda: self.bucket.create(key, value), 3.0)

    async def update(self, key: str, value: bytes, last: int) -> int:
        """See the bucket."""
        return await self._link.call(lambda: self.bucket.update(key, value, last), 3.0)

    async def delete(self, key: str, last: int | None = None) -> bool:
        """See the bucket."""
        return await self._link.call(lambda: self.bucket.delete(key, last), 3.0)

    async def keys(self) -> list[str]:
        """See the bucket."""
        found = await self._link.call(self.bucket.keys, 3.0)
        return found or await super().keys()
