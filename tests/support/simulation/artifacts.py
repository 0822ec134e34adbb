"""The store of artifacts behind a bad network: it answers late, not at all, or after it has done what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import BinaryIO

from gamepipeline_engine.artifacts.memory import MemoryArtifacts
from gamepipeline_engine.artifacts.port import StoreUnavailable
from tests.support.simulation.chance import Chance


class Artifacts:
    """One connection; ``server`` is what all share."""

    def __init__(self, server: MemoryArtifacts, chance: Chance) -> None:
        self._server = server
        self._chance = chance

    async def put(self, key: str, content: BinaryIO, expires_at: datetime) -> None:
        """See the port."""
        await self._way()
        await self._server.put(key, content, expires_at)
        await self._way()

    async def read(self, key: str) -> AsyncGenerator[bytes, None]:
        """See the port."""
        await self._way()
        async for piece in self._server.read(key):
            yield piece

    async def sweep(self, now: datetime) -> list[str]:
        """See the port."""
        return await self._server.sweep(now)

    async def _way(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, 0.5))
        if self._chance.happens(0.1):
            raise StoreUnavailable("no answer, by chance")
