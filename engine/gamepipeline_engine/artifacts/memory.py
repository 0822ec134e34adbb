"""Archives in memory, for engines on fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import BinaryIO

from gamepipeline_engine.artifacts.port import CHUNK, NotStored


class MemoryArtifacts:
    """See the port."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, datetime]] = {}

    async def put(self, key: str, content: BinaryIO, expires_at: datetime) -> None:
        """See the port."""
        self.kept[key] = (b"".join(iter(lambda: content.read(CHUNK), b"")), expires_at)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """See the port."""
        if key not in self.kept:
            raise NotStored(key)
        content = self.kept[key][0]
        for at in range(0, len(content), CHUNK):
            yield content[at : at + CHUNK]

    async def sweep(self, now: datetime) -> list[str]:
        """See the port."""
        expired = sorted(key for key, (_, expires_at) in self.kept.items() if expires_at <= now)
        for key in expired:
            del self.kept[key]
        return expired
