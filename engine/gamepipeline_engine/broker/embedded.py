"""The NATS server of this machine: started by the first who needs it, stopped by the last to leave.

Every user of a state folder, in whatever process, holds a shared lock on ``users.lock`` from before
it looks for the server until it has no more use for it. Who leaves lets go and asks at once for the
exclusive lock; only who gets it is alone, and stops the server. A user that is killed loses its
lock to the kernel; the server it leaves behind is found by the next and stopped by the last.

Starting is serialised by ``start.lock``. A server counts as running when the port on record answers
with the server id on record: a pid proves nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from gamepipeline_engine.broker.binary import find_server
from gamepipeline_engine.broker.errors import ServerStartFailed, ServerUnresponsive, StateFolderUnusable
from gamepipeline_engine.broker.files import FileLock
from gamepipeline_engine.broker.process import ANY_PORT, HOST, Record, Running, Server, ServerFolder, read_info
from gamepipeline_projections.connection import check_version

START_WITHIN = 60.0
"""Seconds for a start: a large store is read before the server answers."""

STOP_WITHIN = 10.0
"""Seconds between asking the server to end and ending it. Acknowledged data is on disk either way."""

_POLL = 0.01


def state_folder(env: Mapping[str, str]) -> Path:
    """``$XDG_STATE_HOME/gamepipeline``, or its usual place when the variable is not set or relative."""
    named = Path(env.get("XDG_STATE_HOME", ""))
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    return (named if named.is_absolute() else home / ".local" / "state") / "gamepipeline"


class EmbeddedServer:
    """The shared server whose data is in ``<state>/nats``. Cheap to make; does nothing by itself.

    ``env`` is asked for GAMEPIPELINE_NATS_SERVER and PATH, and for the state folder when ``state``
    is None. Several leases may be held at once, in one process or many.
    """

    def __init__(
        self,
        state: Path | None = None,
        *,
        env: Mapping[str, str] | None = None,
        start_within: float = START_WITHIN,
        stop_within: float = STOP_WITHIN,
    ) -> None:
        self._env = os.environ if env is None else env
        self._folder = ServerFolder((state or state_folder(self._env)).absolute() / "nats")
        self._start_within = start_within
        self._stop_within = stop_within
        self._child: Server | None = None

    @property
    def path(self) -> Path:
        """The folder with the server's data, log and locks."""
        return self._folder.path

    async def acquire(self) -> Lease:
        """A running server, kept until the lease is released.

        A child process that shall go on using it acquires a lease of its own before this one is
        released. Raises StateFolderUnusable, ServerBinaryMissing, ServerStartFailed,
        ServerUnresponsive, ServerTooOld.
        """
        try:
            self._folder.prepare()
            users = FileLock(self._folder.users_lock)
        except OSError as error:
            raise StateFolderUnusable(self._folder.path, error.strerror or str(error)) from error
        try:
            # Held exclusively only while the last user stops the server.
            await users.shared(self._stop_within + self._start_within)
            record = await self._ensure()
        except TimeoutError as error:
            users.close()
            raise self._unresponsive("its last user is still stopping it") from error
        except ServerUnresponsive:
            users.close()  # it may only be slow: ending it is for the operator to decide
            raise
        except OSError as error:
            await self._leave(users)
            raise StateFolderUnusable(self._folder.path, error.strerror or str(error)) from error
        except BaseException:
            await self._leave(users)
            raise
        return Lease(self, users, record)

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncIterator[str]:
        """The address of a running server, with credentials, for the length of a block."""
        lease = await self.acquire()
        try:
            yield lease.url
        finally:
            await lease.release()

    async def _ensure(self) -> Record:
        return await self._running() or await self._start_or_join()

    async def _running(self) -> Record | None:
        record = self._folder.load()
        if record is None or record.stopping or not record.server_id:
            return None
        running = await read_info(record.port)
        return record if running is not None and running.server_id == record.server_id else None

    async def _start_or_join(self) -> Record:
        start = FileLock(self._folder.start_lock)
        try:
            async with asyncio.timeout(self._start_within):
                await start.exclusive(self._start_within)
                while True:
                    if record := await self._running() or await self._adopted():
                        return record
                    store = FileLock(self._folder.server_lock)
                    try:
                        if store.try_exclusive():
                            return await self._start(store)
                    finally:
                        store.close()
                    await asyncio.sleep(_POLL)
        except TimeoutError as error:
            raise self._unresponsive(f"it did not answer within {self._start_within:g} s") from error
        finally:
            start.close()

    async def _adopted(self) -> Record | None:
        """A server that runs and is not on record: whoever started it was killed before it wrote so.

        One that somebody began to stop before being killed is asked again to end, not adopted.
        """
        record = self._folder.load()
        if record is None:
            return None
        if record.stopping:
            self._signal(record, signal.SIGTERM)
            return None
        for pid, port in self._folder.announced():
            running = await read_info(port)
            if running is not None and running.info.get("server_name") == record.server_name:
                return self._remember(record, running, pid)
        return None

    async def _start(self, store: FileLock) -> Record:
        """A new server on the port of the last one, so that its clients find it, or on any."""
        binary = find_server(self._env)
        record = (self._folder.load() or Record.new()).stopped()
        self._folder.save(record)
        seen = self._folder.log_size()
        for port in dict.fromkeys((record.port, ANY_PORT)):
            self._folder.forget_ports()
            self._folder.write_config(record, port)
            try:
                child = self._folder.spawn(binary, store)
            except OSError as error:
                raise ServerStartFailed(binary, error.strerror or str(error), self._folder.log) from error
            try:
                running = await self._answer_of(child)
                if running is not None:
                    check_version(str(running.info.get("version")), f"{HOST}:{running.port}")
                    self._child = child
                    return self._remember(record, running, child.pid)
            except BaseException:
                child.kill()  # nobody knows of it yet, and nobody shall find half a start
                child.wait()
                raise
        raise ServerStartFailed(binary, self._folder.last_words(seen), self._folder.log)

    async def _answer_of(self, child: Server) -> Running | None:
        """What ``child`` says of itself once it serves; None when it has ended instead."""
        while child.poll() is None:
            for pid, port in self._folder.announced():
                if pid == child.pid and (running := await read_info(port)) is not None:
                    return running
            await asyncio.sleep(_POLL)
        return None

    def _remember(self, record: Record, running: Running, pid: int) -> Record:
        record = replace(record, port=running.port, server_id=running.server_id, pid=pid, stopping=False)
        self._folder.save(record)
        return record

    async def _leave(self, users: FileLock) -> None:
        try:
            if users.try_exclusive():
                await self._stop()
        finally:
            users.close()

    async def _stop(self) -> None:
        """End the server; only while ``users.lock`` is held exclusively. Never raises for its state."""
        record = self._folder.load()
        if record is None or self._is_gone():
            return
        with contextlib.suppress(OSError):  # a full disk must not keep the server running
            self._folder.save(replace(record, stopping=True))
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(record, number)
            if await self._gone(self._stop_within):
                with contextlib.suppress(OSError):
                    self._folder.save(record.stopped())
                return

    def _signal(self, record: Record, number: signal.Signals) -> None:
        for pid in {record.pid, *(pid for pid, _ in self._folder.announced())}:
            self._folder.signal(pid, number)

    async def _gone(self, within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                while not self._is_gone():  # noqa: ASYNC110 - nothing tells us that a process has ended
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            return False
        return True

    def _is_gone(self) -> bool:
        if self._child is not None and self._child.poll() is not None:
            self._child = None
        return self._folder.store_is_free()

    def _unresponsive(self, cause: str) -> ServerUnresponsive:
        record = self._folder.load()
        return ServerUnresponsive(self._folder.path, record.pid if record else 0, cause)


class Lease:
    """The right to a running server. ``url`` holds its password: connect with it, never show it."""

    def __init__(self, server: EmbeddedServer, users: FileLock, record: Record) -> None:
        self._server = server
        self._users = users
        self._record = record
        self._released = False

    @property
    def url(self) -> str:
        """Address with credentials. The port may change in ``revive``."""
        return self._record.url

    @property
    def server_id(self) -> str:
        """Identity of the server process."""
        return self._record.server_id

    @property
    def room(self) -> int:
        """Free bytes on the disk of the store: for ``StreamOptions``."""
        return shutil.disk_usage(self._server.path).free

    async def revive(self) -> bool:
        """Start the server again if it died; True when it is another process than before.

        It takes the port it had unless that is taken by now: compare ``url``. Raises as ``acquire``.
        """
        before = self._record
        try:
            self._record = await self._server._ensure()  # noqa: SLF001 - one class in two parts
        except OSError as error:
            raise StateFolderUnusable(self._server.path, error.strerror or str(error)) from error
        return self._record.server_id != before.server_id

    async def release(self) -> None:
        """Let go; whoever is last stops the server and waits for its end. May be called again."""
        if not self._released:
            self._released = True
            await self._server._leave(self._users)  # noqa: SLF001

    async def __aenter__(self) -> Self:
        """The lease itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release."""
        await self.release()

    def __repr__(self) -> str:
        return f"Lease({HOST}:{self._record.port}, {self.server_id})"
