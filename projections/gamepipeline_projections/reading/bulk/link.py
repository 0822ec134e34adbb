"""One connection to one of the target's servers, without nats-py: address, TLS, log-in, single requests."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec
import nats.errors

from gamepipeline_projections.broker_errors import TargetUnusable
from gamepipeline_projections.connection import check_version, explain_failure, tls_context
from gamepipeline_projections.reading.bulk.login import connect_line
from gamepipeline_projections.reading.records import JournalUnavailable
from gamepipeline_projections.target import Target

REQUEST_LIMIT = 5.0
"""Seconds that one request may take."""

_BUFFER = 1024 * 1024
_PORT = 4222
_REPLIES, _DELIVERIES = 1, 2
"""Numbers of our two subscriptions."""


class Link:
    """A connection that is logged in. What breaks it raises JournalUnavailable.

    It has one inbox for the replies to single requests and one for the messages of a consumer.
    ``rest`` is what was read beyond the reply to the last request.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, info: Mapping[str, Any]) -> None:
        self.info = info
        self.rest = b""
        self._reader = reader
        self._writer = writer
        self._inbox = ""

    def subscribe(self, prefix: str | None) -> None:
        """Make the inboxes, below ``prefix`` or a random one."""
        self._inbox = f"{prefix or '_INBOX_' + secrets.token_hex(8)}.{secrets.token_hex(8)}"
        self.send(f"SUB {self._inbox}.r {_REPLIES}\r\nSUB {self._inbox}.d {_DELIVERIES}\r\n".encode())

    @property
    def inbox(self) -> str:
        """Where a consumer's messages come to."""
        return f"{self._inbox}.d"

    def send(self, data: bytes) -> None:
        """Bytes of the protocol; requests are small, nothing waits for them to leave."""
        self._writer.write(data)

    def ask(self, subject: str, body: Mapping[str, Any], reply: str) -> None:
        """Publish a request whose answers go to ``reply``."""
        content = msgspec.json.encode(body) if body else b""
        self.send(b"PUB %s %s %d\r\n%s\r\n" % (subject.encode(), reply.encode(), len(content), content))

    async def receive(self, within: float) -> bytes:
        """Whatever comes next, up to 1 MiB. Raises TimeoutError after ``within`` seconds of nothing."""
        try:
            async with asyncio.timeout(within):
                data = await self._reader.read(_BUFFER)
        except TimeoutError:
            raise
        except OSError as error:
            raise JournalUnavailable(f"the connection was lost: {error}") from error
        if not data:
            raise JournalUnavailable("the connection was lost")
        return data

    async def request(self, subject: str, body: Mapping[str, Any]) -> bytes:
        """The reply to one request. Messages of a consumer that come before it are dropped."""
        self.ask(subject, body, f"{self._inbox}.r")
        buffer, self.rest = self.rest, b""
        try:
            async with asyncio.timeout(REQUEST_LIMIT):
                while True:
                    reply, at = _reply_in(buffer, self)
                    if reply is not None:
                        self.rest = buffer[at:]
                        return reply
                    buffer = buffer[at:] + await self.receive(REQUEST_LIMIT)
        except TimeoutError as error:
            raise JournalUnavailable(f"{subject}: no answer within {REQUEST_LIMIT:g} s") from error

    async def close(self) -> None:
        """Hang up; never raises."""
        with contextlib.suppress(OSError, TimeoutError):
            self._writer.close()
            async with asyncio.timeout(1):
                await self._writer.wait_closed()


@asynccontextmanager
async def linked(target: Target, *, name: str, within: float) -> AsyncIterator[Link]:
    """A connection to the first server of ``target`` that takes us, for the length of a block.

    ``within`` is in seconds, for all servers together. Raises the BrokerErrors of
    ``connection.connect``, that of the last server when there are several.
    """
    link = await _first(target, name, within)
    try:
        yield link
    finally:
        await link.close()


async def _first(target: Target, name: str, within: float) -> Link:
    info: dict[str, Any] = {}
    reason: Exception = TimeoutError()
    try:
        async with asyncio.timeout(within):
            for url in target.urls:
                info.clear()
                try:
                    return await _open(target, urlsplit(url), name, info)
                except (OSError, nats.errors.Error, asyncio.IncompleteReadError, TargetUnusable) as error:
                    reason = error
    except TimeoutError as error:
        reason = error
    raise explain_failure(reason, info, target, within) from reason


async def _open(target: Target, address: SplitResult, name: str, info: dict[str, Any]) -> Link:
    host = address.hostname or ""
    first = tls_context(target.access, target) if target.access.tls_first else None
    reader, writer = await asyncio.open_connection(
        host, address.port or _PORT, limit=_BUFFER, ssl=first, server_hostname=host if first else None
    )
    try:
        info.update(await _info(reader))
        check_version(str(info.get("version", "unknown")), target.label)
        if first is None:
            await _start_tls(writer, target, host, info)
        writer.write(connect_line(target, address, info, name) + b"PING\r\n")
        await _logged_in(reader)
        link = Link(reader, writer, info)
        link.subscribe(target.inbox)
    except BaseException:
        writer.close()
        raise
    return link


async def _info(reader: asyncio.StreamReader) -> dict[str, Any]:
    line = await reader.readline()
    if not line:
        raise ConnectionResetError("it closed the connection")
    if not line.startswith(b"INFO "):
        raise nats.errors.Error("nats: empty response from server when expecting INFO message")
    found: dict[str, Any] = msgspec.json.decode(line[5:])
    return found


async def _start_tls(writer: asyncio.StreamWriter, target: Target, host: str, info: Mapping[str, Any]) -> None:
    if not (info.get("tls_required") or info.get("tls_available")):
        if target.wants_tls:
            raise TargetUnusable(target.source, "TLS was asked for, the server offers none", "see its tls block")
        return
    if info.get("tls_required") or target.wants_tls:
        await writer.start_tls(tls_context(target.access, target), server_hostname=host)


async def _logged_in(reader: asyncio.StreamReader) -> None:
    while True:
        line = await reader.readline()
        if line.startswith(b"PONG"):
            return
        if not line:
            raise ConnectionResetError("it closed the connection")
        if line.startswith(b"-ERR"):
            raise nats.errors.Error("nats: " + line[4:].decode().strip())  # as nats-py says it


def _reply_in(buffer: bytes, link: Link) -> tuple[bytes | None, int]:
    """The reply to a request if ``buffer`` holds it whole, and where what is not yet read begins."""
    at = 0
    while (end := buffer.find(b"\r\n", at)) >= 0:
        line = buffer[at:end].split(b" ")
        if line[0] not in {b"MSG", b"HMSG"}:
            control_line(line, link)
            at = end + 2
            continue
        stop = end + 2 + int(line[-1])
        if len(buffer) < stop + 2:
            break
        if int(line[2]) == _REPLIES:
            headers = int(line[-2]) if line[0] == b"HMSG" else 0
            if headers and buffer.startswith(b"NATS/1.0 503", end + 2):
                raise JournalUnavailable("nobody answers for JetStream")
            return buffer[end + 2 + headers : stop], stop + 2
        at = stop + 2
    return None, at


def control_line(line: list[bytes], link: Link) -> None:
    """What the server says beside messages. Raises JournalUnavailable for its errors."""
    if line[0] == b"PING":
        link.send(b"PONG\r\n")
    elif line[0] == b"-ERR":
        raise JournalUnavailable(b" ".join(line).decode())
