"""The bucket of snapshots behind a bad network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import nats.errors

from gamepipeline_projections.snapshots import Kept, MemoryBucket, SnapshotsUnavailable
from tests.support.simulation.network import Link
from tests.support.simulation.queue import Queue

T = TypeVar("T")

ANSWER = 2.0


class SnapshotBucket:
    """One connection; ``server`` is what all share."""

    def __init__(self, link: Link, server: MemoryBucket) -> None:
        self._link = link
        self._server = server

    async def get(self, key: str) -> Kept | None:
        """See the port."""
        return await self._ask(lambda: Queue.now(self._server.get(key)))

    async def put(self, key: str, payload: bytes, revision: int) -> int:
        """See the port."""
        return await self._ask(lambda: Queue.now(self._server.put(key, payload, revision)))

    async def _ask(self, serve: Callable[[], T]) -> T:
        try:
            return await self._link.call(serve, ANSWER)
        except nats.errors.Error as error:
            raise SnapshotsUnavailable(type(error).__name__) from error
