"""Single messages from several durable pull consumers, whoever has one first.

A pull request cannot be taken back, so it stays open after its caller has gone; it is used again by
the next caller. A message that arrives when nobody waits for it is given back at once instead of
lying here until ``ack_wait`` is over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from gamepipeline_engine.commands.queue_port import QueueUnavailable
from gamepipeline_projections.reading.api import BROKEN, explain, status_of

_LOOK = 0.2
_SHORTEST = 0.05
_SECOND = 1_000_000_000


class _Waiter:
    """A caller: the consumers it takes a message of, and what came of it."""

    def __init__(self, consumers: Collection[str]) -> None:
        self.consumers = frozenset(consumers)
        self.message: Msg | None = None
        self.failed: ConsumerGone | None = None
        self.changed = asyncio.Event()


class Pulls:
    """The open pull requests of one client on the consumers of one ``stream``."""

    def __init__(self, nc: Client, stream: str) -> None:
        self._nc = nc
        self._stream = stream
        self._inbox = nc.new_inbox()
        self._subscription: Subscription | None = None
        self._waiters: list[_Waiter] = []
        self._open: dict[str, float] = {}  # consumer → loop time at which its request ends
        self._reconnects = nc.stats["reconnects"]

    async def next(self, consumers: Collection[str], within: float) -> Msg | None:
        """A message of one of ``consumers``, None when none comes ``within`` seconds.

        Raises QueueUnavailable when the server could not be asked all that time, ConsumerGone when one of them
        does not exist any more.
        """
        waiter = _Waiter(consumers)
        self._waiters.append(waiter)
        try:
            await self._wait(waiter, asyncio.get_running_loop().time() + within)
        except BaseException:
            if waiter.message is not None:
                await self._give_back(waiter.message)
            raise
        finally:
            self._waiters.remove(waiter)
        return waiter.message

    async def close(self) -> None:
        """Open requests end; what they still bring is redelivered after ``ack_wait``."""
        if self._subscription is not None:
            with contextlib.suppress(*BROKEN):
                await self._subscription.unsubscribe()
            self._subscription = None

    async def _wait(self, waiter: _Waiter, deadline: float) -> None:
        """Return when ``waiter`` has a message or its time is up; a server that is away has that time too."""
        loop = asyncio.get_running_loop()
        while waiter.message is None and (left := deadline - loop.time()) > 0:
            away: QueueUnavailable | None = None
            try:
                await self._subscribe()
                await self._request(waiter.consumers, left)
            except QueueUnavailable as error:
                away = error
            waiter.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _LOOK)):
                    await waiter.changed.wait()
            if waiter.failed is not None:
                raise waiter.failed
            if away is not None and (self._nc.is_closed or loop.time() >= deadline):
                raise away

    async def _subscribe(self) -> None:
        if self._subscription is None:
            try:
                self._subscription = await self._nc.subscribe(f"{self._inbox}.*", cb=self._take)
            except BROKEN as error:
                raise QueueUnavailable(explain(error)) from error

    async def _request(self, consumers: Collection[str], within: float) -> None:
        """Make sure that each consumer has an open request."""
        now = asyncio.get_running_loop().time()
        if self._nc.stats["reconnects"] != self._reconnects:
            self._reconnects = self._nc.stats["reconnects"]
            self._open.clear()  # the server forgot them with the connection
        for consumer in consumers:
            if self._open.get(consumer, 0.0) > now:
                continue
            expires = max(within, _SHORTEST)
            body = msgspec.json.encode({"batch": 1, "expires": int(expires * _SECOND)})
            self._open[consumer] = now + expires
            try:
                await self._nc.publish(
                    f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer}",
                    body,
                    reply=f"{self._inbox}.{consumer}",
                )
            except BROKEN as error:
                self._open.pop(consumer, None)
                raise QueueUnavailable(explain(error)) from error

    async def _take(self, message: Msg) -> None:
        status = status_of(message)
        if not status:
            consumer = message.metadata.consumer
            self._open.pop(consumer, None)
            for waiter in self._waiters:
                if consumer in waiter.consumers and waiter.message is None:
                    waiter.message = message
                    waiter.changed.set()
                    return
            await self._give_back(message)
            return
        consumer = message.subject.rpartition(".")[2]
        self._open.pop(consumer, None)
        for waiter in self._waiters:
            if consumer in waiter.consumers:
                if status not in {"404", "408"}:  # no message; none in time
                    description = (message.headers or {}).get("Description", "")
                    waiter.failed = ConsumerGone(consumer, f"{status} {description}".strip())
                waiter.changed.set()

    async def _give_back(self, message: Msg) -> None:
        with contextlib.suppress(*BROKEN):
            await message.nak()


class ConsumerGone(QueueUnavailable):
    """``consumer`` did not take the request: it was deleted, or its server goes down."""

    def __init__(self, consumer: str, why: str) -> None:
        self.consumer = consumer
        super().__init__(f"consumer {consumer}: {why}")
