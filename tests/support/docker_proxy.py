"""A proxy on a UNIX socket in front of the Docker engine that loses, holds and cuts what a test says.

It reads the head of each request, so a fault is for a method and a path: ``lose_reply("POST",
"/start$")`` lets the engine start the container and resets the caller's connection instead of
answering.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

ENGINE = "/var/run/docker.sock"
_CHUNK = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Mode = Literal["lose_reply", "lose_request", "hold_reply", "cut_reply"]


@dataclass
class Fault:
    """One fault, for the next ``times`` requests that match."""

    mode: Mode
    method: str
    path: re.Pattern[str]
    times: int
    after: int = 0
    hit: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a request has met it (and, for a lost reply, the engine has answered)."""
    release: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the test: replies that were held go on."""


class DockerProxy:
    """``host`` is what DOCKER_HOST would be. ``requests`` lists (method, path) of all that came."""

    def __init__(self, path: Path, engine: str = ENGINE) -> None:
        self.host = f"unix://{path}"
        self.requests: list[tuple[str, str]] = []
        self._path = path
        self._engine = engine
        self._faults: list[Fault] = []
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def lose_reply(self, method: str, path: str, times: int = 1) -> Fault:
        """The engine acts, the caller's connection is reset."""
        return self._add(Fault("lose_reply", method, re.compile(path), times))

    def lose_request(self, method: str, path: str, times: int = 1) -> Fault:
        """The caller's connection is reset, the engine hears nothing."""
        return self._add(Fault("lose_request", method, re.compile(path), times))

    def hold_reply(self, method: str, path: str, times: int = 1) -> Fault:
        """The engine acts, its answer waits for ``release``."""
        return self._add(Fault("hold_reply", method, re.compile(path), times))

    def cut_reply(self, method: str, path: str, after: int, times: int = 1) -> Fault:
        """The connection is reset once ``after`` bytes of the answer have passed."""
        return self._add(Fault("cut_reply", method, re.compile(path), times, after))

    def count(self, method: str, path: str) -> int:
        """How many requests of this kind came."""
        return sum(one == method and re.search(path, other) is not None for one, other in self.requests)

    def cut(self) -> None:
        """Reset every connection, as an engine that dies does."""
        for writer in tuple(self._clients):
            writer.transport.abort()

    async def open(self) -> None:
        """Accept callers."""
        if self._server is None:
            self._server = await asyncio.start_unix_server(self._connected, self._path)

    def refuse(self) -> None:
        """Refuse callers and reset those that are there, until ``open``."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._path.unlink(missing_ok=True)
        self.cut()

    async def close(self) -> None:
        """End everything."""
        for fault in self._faults:
            fault.release.set()
        self.refuse()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def _meet(self, method: str, path: str) -> Fault | None:
        self.requests.append((method, path))
        for fault in self._faults:
            if fault.times > 0 and fault.method == method and fault.path.search(path):
                fault.times -= 1
                return fault
        return None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._clients.add(writer)
        back: asyncio.StreamWriter | None = None
        try:
            with contextlib.suppress(OSError):  # an engine that is away: the caller's connection is reset
                back_reader, back = await asyncio.open_unix_connection(self._engine)
                await _Relay(self._meet, reader, writer, back_reader, back).run()
        finally:
            for one in (writer, back):
                if one is not None:
                    one.transport.abort()
            self._clients.discard(writer)
            self._tasks.discard(task)


class _Relay:
    """One caller's connection and the one to the engine that belongs to it."""

    def __init__(
        self,
        meet: Callable[[str, str], Fault | None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back_reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        self._meet = meet
        self._reader, self._writer = reader, writer
        self._back_reader, self._back = back_reader, back
        self._fault: Fault | None = None
        self._passed = 0

    async def run(self) -> None:
        """Until one of the sides has ended."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_until_cut(one)) for one in (self._requests(), self._replies())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def _requests(self) -> None:
        while True:
            head = await self._reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            found = _LENGTH.search(head)
            body = await self._reader.readexactly(int(found[1])) if found else b""
            self._fault, self._passed = self._meet(method, path), 0
            if self._fault is not None and self._fault.mode == "lose_request":
                self._fault.hit.set()
                return
            self._back.write(head + body)
            await self._back.drain()

    async def _replies(self) -> None:
        while data := await self._back_reader.read(_CHUNK):
            fault = self._fault
            if fault is not None and not await self._goes_on(fault, data):
                return
            self._writer.write(data)
            await self._writer.drain()

    async def _goes_on(self, fault: Fault, data: bytes) -> bool:
        """Whether ``data`` may pass."""
        self._passed += len(data)
        if fault.mode == "cut_reply":
            if self._passed <= fault.after:
                return True
            self._writer.write(data[: len(data) - (self._passed - fault.after)])
            await self._writer.drain()
            self._writer.close()
            fault.hit.set()
            return False
        fault.hit.set()
        if fault.mode == "hold_reply":
            await fault.release.wait()
            return True
        return False


async def _until_cut(direction: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await direction


@asynccontextmanager
async def docker_proxy(engine: str = ENGINE) -> AsyncIterator[DockerProxy]:
    """A proxy in front of the engine."""
    # A short path: the address of a UNIX socket has at most 108 bytes.
    with tempfile.TemporaryDirectory(prefix="gp-") as folder:
        proxy = DockerProxy(Path(folder) / "docker.sock", engine)
        await proxy.open()
        try:
            yield proxy
        finally:
            await proxy.close()
