"""Locks that die with their holder, and files that are whole or absent.

An flock belongs to the open file: the kernel drops it when the last process that has it open is
gone, however it went. Waiting for one is polling, so that nothing blocks the loop and a waiter can
be cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

_POLL = 0.02


class FileLock:
    """An flock on ``path``, which is created and never removed. Not inherited by child processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def try_shared(self) -> bool:
        """Take or downgrade to the shared lock if that is possible now."""
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Take or upgrade to the exclusive lock if that is possible now; if not, none is held."""
        return self._try(fcntl.LOCK_EX)

    async def shared(self, within: float) -> None:
        """Wait for the shared lock. Raises TimeoutError after ``within`` seconds."""
        await self._wait(fcntl.LOCK_SH, within)

    async def exclusive(self, within: float) -> None:
        """Wait for the exclusive lock. Raises TimeoutError after ``within`` seconds."""
        await self._wait(fcntl.LOCK_EX, within)

    def fileno(self) -> int:
        """The open file, for a child that shall hold the lock as well."""
        return self._fd

    def close(self) -> None:
        """Let go, unless a child still has the file open. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def _wait(self, kind: int, within: float) -> None:
        async with asyncio.timeout(within):
            while not self._try(kind):  # noqa: ASYNC110 - the kernel tells nobody that a lock is free
                await asyncio.sleep(_POLL)


def write_private(path: Path, content: bytes) -> None:
    """Replace ``path`` (mode 0600) so that a reader, also after a power cut, sees all or the old."""
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
