"""A TCP proxy on loopback whose two directions can be dropped, held back or cut."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

_CHUNK = 64 * 1024


class Direction:
    """One direction: ``pass`` hands on, ``drop`` swallows, ``hold`` keeps until it passes again."""

    def __init__(self) -> None:
        self.mode: Literal["pass", "drop", "hold"] = "pass"
        self.bytes = 0
        self._changed = asyncio.Event()

    def set(self, mode: Literal["pass", "drop", "hold"]) -> None:
        """From now on; what is held back goes on its way when the mode is ``pass``."""
        self.mode = mode
        self._wake()

    async def beyond(self, count: int) -> None:
        """Wait until more than ``count`` bytes have come this way, handed on or not."""
        while self.bytes <= count:
            await self._changed.wait()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on until the end of ``reader``."""
        while data := await reader.read(_CHUNK):
            self.bytes += len(data)
            self._wake()
            while self.mode == "hold":
                await self._changed.wait()
            if self.mode == "pass":
                writer.write(data)
                await writer.drain()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class TcpProxy:
    """Connects whoever connects to ``url`` with ``target``, which may change between connections."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.to_server = Direction()
        self.to_client = Direction()
        # Bound and never listening: keeps the port ours while the listener is closed.
        self._place = _bound(0)
        self.port: int = self._place.getsockname()[1]
        self._listener: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[None] | None] = set()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Accept clients."""
        if self._listener is None:
            self._listener = await asyncio.start_server(self.connected, sock=_bound(self.port))

    def cut(self) -> None:
        """Reset every client.

        What they have sent still arrives at the server, held back or not: a reset of the one side
        does not take back what is under way to the other.
        """
        for writer in self._clients:
            writer.transport.abort()

    def refuse(self) -> None:
        """Reset every client and refuse new ones, until ``mend``."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    async def mend(self, target: str | None = None) -> None:
        """Accept, and hand everything on; to ``target``, if there is a new one."""
        self.target = target or self.target
        self.to_server.set("pass")
        self.to_client.set("pass")
        await self.open()

    async def close(self) -> None:
        """Let what is under way arrive, end every connection."""
        self.to_server.set("pass")
        self.to_client.set("pass")
        self.refuse()
        self._place.close()
        if self._handlers:
            await asyncio.wait({task for task in self._handlers if task}, timeout=10)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        task = asyncio.current_task()
        self._handlers.add(task)
        self._clients.add(writer)
        try:
            await self._serve(reader, writer)
        finally:
            writer.transport.abort()
            self._clients.discard(writer)
            self._handlers.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = urlsplit(self.target)
        try:
            back_reader, back_writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(self.to_server, reader, back_writer))
            group.create_task(_pump(self.to_client, back_reader, writer))


async def _pump(direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on in one direction; its end closes the other side, so that direction ends as well."""
    with contextlib.suppress(OSError):
        await direction.pump(reader, writer)
    writer.close()


@asynccontextmanager
async def tcp_proxy(target: str) -> AsyncIterator[TcpProxy]:
    """A proxy in front of ``target`` (nats://host:port) on a port of its own."""
    proxy = TcpProxy(target)
    try:
        await proxy.open()
        yield proxy
    finally:
        await proxy.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
