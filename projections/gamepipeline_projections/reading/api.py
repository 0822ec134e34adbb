"""Single requests to the JetStream API of one stream, and an inbox for answers that come in many parts.

``$JS.API.STREAM.*`` is answered by the stream's leader, so what it says includes everything that
was ever acknowledged. Direct gets may be answered by a replica that is behind.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import deque
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from gamepipeline_projections.reading.answers import NO_MESSAGE, Answer, read_answer
from gamepipeline_projections.reading.records import JournalUnavailable, Recorded

T = TypeVar("T")

REQUEST_LIMIT = 2.0
"""Seconds that one request may take."""

LOOK = 0.2
"""Seconds between looks at the connection while nothing comes."""

CONSUMER_NOT_FOUND = 10014

BROKEN = (nats.errors.Error, OSError, TimeoutError, msgspec.MsgspecError)
"""Everything a request can fail with when nothing is known about its outcome."""


class ApiRefused(Exception):
    """JetStream answered a request with an error; ``code`` is its err_code."""

    def __init__(self, subject: str, code: int, description: str) -> None:
        self.subject = subject
        self.code = code
        self.description = description
        super().__init__(f"{subject}: {description} ({code})")


class StreamApi:
    """The API requests of one ``stream``. Every method raises JournalUnavailable without an answer."""

    def __init__(self, nc: Client, stream: str) -> None:
        self.nc = nc
        self.stream = stream

    async def last(self, subject: str) -> Recorded | None:
        """The last message under the filter ``subject``, from the leader."""
        return await self._message({"last_by_subj": subject})

    async def next(self, subject: str, after: int) -> Recorded | None:
        """The first message under the filter ``subject`` above ``after``, from the leader."""
        return await self._message({"seq": after + 1, "next_by_subj": subject})

    async def at(self, sequence: int) -> Recorded | None:
        """The message with this ``sequence``, from the leader."""
        return await self._message({"seq": sequence})

    async def last_sequence(self) -> int:
        """Sequence of the stream's last message, whatever its subject, from the leader."""
        reply = await self.request(f"STREAM.INFO.{self.stream}", {})
        return reply.state.last_seq if reply.state is not None else 0

    async def request(self, call: str, body: dict[str, Any]) -> Answer:
        """One API request. Raises ApiRefused for what JetStream refuses."""
        subject = f"$JS.API.{call}"
        payload = msgspec.json.encode(body) if body else b""
        try:
            message = await heeding(self.nc.request(subject, payload, timeout=REQUEST_LIMIT))
            reply = read_answer(message.data)
        except BROKEN as error:
            raise JournalUnavailable(f"{subject}: {explain(error)}") from error
        if reply.error is not None:
            raise ApiRefused(subject, reply.error.err_code, reply.error.description)
        return reply

    async def _message(self, body: dict[str, Any]) -> Recorded | None:
        try:
            reply = await self.request(f"STREAM.MSG.GET.{self.stream}", body)
        except ApiRefused as refused:
            if refused.code == NO_MESSAGE:
                return None
            raise JournalUnavailable(str(refused)) from refused
        if reply.message is None:
            raise JournalUnavailable(f"stream {self.stream}: an answer without a message")
        found = reply.message
        return Recorded(found.seq, found.subject, base64.b64decode(found.data))


class Inbox:
    """An own subject to which many answers come. Use it as a context manager."""

    def __init__(self, nc: Client) -> None:
        self.subject = nc.new_inbox()
        self._nc = nc
        self._waiting: deque[Msg] = deque()
        self._arrived = asyncio.Event()
        self._subscription: Subscription | None = None
        self._connection = nc.stats["reconnects"]

    async def __aenter__(self) -> Self:
        try:
            self._subscription = await self._nc.subscribe(self.subject, cb=self._take)
        except BROKEN as error:
            raise JournalUnavailable(f"cannot subscribe: {explain(error)}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._subscription is not None:
            with contextlib.suppress(*BROKEN):
                await self._subscription.unsubscribe()

    async def ask(self, subject: str, body: dict[str, Any]) -> None:
        """Publish a request whose answers come here."""
        try:
            await self._nc.publish(subject, msgspec.json.encode(body), reply=self.subject)
        except BROKEN as error:
            raise JournalUnavailable(f"{subject}: {explain(error)}") from error

    async def get(self, within: float) -> Msg:
        """The next answer. Raises TimeoutError when none comes ``within`` seconds.

        Raises JournalUnavailable when the connection is another one than that of the requests:
        then no answer will come.
        """
        while not self._waiting:
            if not self._nc.is_connected or self._nc.stats["reconnects"] != self._connection:
                raise JournalUnavailable("the connection was lost")
            if within <= 0:
                raise TimeoutError
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(within, LOOK)):
                    await self._arrived.wait()
            within -= LOOK
        return self._waiting.popleft()

    async def _take(self, message: Msg) -> None:
        self._waiting.append(message)
        self._arrived.set()


async def heeding(request: Awaitable[T]) -> T:
    """The result of ``request``; a cancellation that came meanwhile is raised whatever ``request`` does with it.

    ``asyncio.wait_for`` of Python 3.11, and so a request of nats-py, forgets one that comes together with the result.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    result = await request
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
    return result


def explain(error: BaseException) -> str:
    """The text of ``error``, or its name where it has none."""
    return str(error) or type(error).__name__


def status_of(message: Msg) -> str:
    """The status code of a control message, empty for an ordinary one."""
    headers = message.headers
    return headers.get("Status", "") if headers else ""
