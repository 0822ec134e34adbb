"""Archives as files below a directory of the node: for what is too large for the object store.

A file gets its name when it is whole and on the disk. Its modification time is when it expires, so
that nothing else has to be kept beside it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from gamepipeline_engine.artifacts.port import CHUNK, NotStored, StoreFull, StoreUnavailable
from gamepipeline_engine.config import NodeConfig

_PARTIAL = ".partial-"
_DAY = 86_400.0


def artifact_directory(node: NodeConfig) -> DirectoryArtifacts | None:
    """Where a node keeps its own artifacts, when its configuration names a place."""
    return DirectoryArtifacts(node.artifact_store) if node.artifact_store else None


class DirectoryArtifacts:
    """See the port. The directory is made when it is first needed, for nobody else to read."""

    def __init__(self, directory: str | Path) -> None:
        self._root = Path(directory)

    async def put(self, key: str, content: BinaryIO, expires_at: datetime) -> None:
        """See the port."""
        try:
            await asyncio.to_thread(self._put, key, content, expires_at.timestamp())
        except OSError as exc:
            if exc.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise StoreFull(f"{self._root}: {exc.strerror}") from exc
            raise StoreUnavailable(f"{self._root}: {exc.strerror or exc}") from exc

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """See the port."""
        try:
            file = await asyncio.to_thread(self._path(key).open, "rb")
        except FileNotFoundError:
            raise NotStored(key) from None
        except OSError as exc:
            raise StoreUnavailable(f"{self._root}: {exc.strerror or exc}") from exc
        with file:
            while piece := await asyncio.to_thread(file.read, CHUNK):
                yield piece

    async def sweep(self, now: datetime) -> list[str]:
        """See the port."""
        try:
            return await asyncio.to_thread(self._sweep, now.timestamp())
        except OSError as exc:
            raise StoreUnavailable(f"{self._root}: {exc.strerror or exc}") from exc

    def _path(self, key: str) -> Path:
        pipeline, _, name = key.partition("/")
        return self._root / pipeline / f"{name}.tar"

    def _put(self, key: str, content: BinaryIO, expires_at: float) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_name(f"{_PARTIAL}{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                while piece := content.read(CHUNK):
                    file.write(piece)
                file.flush()
                os.utime(file.fileno(), (expires_at, expires_at))
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _sweep(self, now: float) -> list[str]:
        expired: list[str] = []
        for path in sorted(self._root.glob("*/*")):
            changed = path.lstat().st_mtime
            if path.name.startswith(_PARTIAL) and changed <= now - _DAY:
                path.unlink(missing_ok=True)
            elif path.name.endswith(".tar") and changed <= now:
                path.unlink(missing_ok=True)
                expired.append(f"{path.parent.name}/{path.name.removesuffix('.tar')}")
                with suppress(OSError):  # others of the pipeline are still kept, or one is being put there
                    path.parent.rmdir()
        return expired
