"""A bucket of presence records in memory: for tests, dry runs and fault injection.

A ``MemoryBucket`` stands for the server's; several ``MemoryPresence`` may share one, as several
engines do. The rules of presence are the adapter's own: only the bucket is another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

from nats.errors import TimeoutError as NoAnswer
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from gamepipeline_engine.presence import KeyValuePresence, Record


class Entry(NamedTuple):
    """What the bucket has under a key."""

    value: bytes
    revision: int
    stored_at: float


class MemoryBucket:
    """Keys, values, revisions, and a time to live for all of them. ``now``: seconds of any clock."""

    def __init__(self, ttl: float, now: Callable[[], float] | None = None) -> None:
        self._ttl = ttl
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._entries: dict[str, Entry] = {}
        self._revision = 0

    def get(self, key: str) -> Entry:
        """Raises KeyNotFoundError, also for what is too old."""
        found = self._entries.get(key)
        if found is None or self._now() - found.stored_at >= self._ttl:
            raise KeyNotFoundError
        return found

    def put(self, key: str, value: bytes) -> int:
        """Store without a condition; the revision."""
        self._revision += 1
        self._entries[key] = Entry(value, self._revision, self._now())
        return self._revision

    def create(self, key: str, value: bytes) -> int:
        """Raises KeyWrongLastSequenceError when it is there."""
        if key in self.keys():
            raise KeyWrongLastSequenceError
        return self.put(key, value)

    def update(self, key: str, value: bytes, last: int) -> int:
        """Raises KeyWrongLastSequenceError when ``last`` is not its revision; gone is 0."""
        self._check(key, last)
        return self.put(key, value)

    def delete(self, key: str, last: int | None = None) -> bool:
        """Remove it; with ``last`` only that revision."""
        if last is not None:
            self._check(key, last)
        self._entries.pop(key, None)
        return True

    def keys(self) -> list[str]:
        """All keys that live."""
        now = self._now()
        return [key for key, entry in self._entries.items() if now - entry.stored_at < self._ttl]

    def _check(self, key: str, last: int) -> None:
        found = self._entries.get(key) if key in self.keys() else None
        if (found.revision if found else 0) != last:
            raise KeyWrongLastSequenceError


class MemoryClient:
    """One user's way to a bucket, with the calls of nats-py's ``KeyValue``. ``away``: nobody answers."""

    def __init__(self, bucket: MemoryBucket) -> None:
        self.bucket = bucket
        self.away = False

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise NoAnswer

    async def get(self, key: str) -> Entry:
        """See the bucket."""
        await self._reach()
        return self.bucket.get(key)

    async def put(self, key: str, value: bytes) -> int:
        """See the bucket."""
        await self._reach()
        return self.bucket.put(key, value)

    async def create(self, key: str, value: bytes) -> int:
        """See the bucket."""
        await self._reach()
        return self.bucket.create(key, value)

    async def update(self, key: str, value: bytes, last: int) -> int:
        """See the bucket."""
        await self._reach()
        return self.bucket.update(key, value, last)

    async def delete(self, key: str, last: int | None = None) -> bool:
        """See the bucket."""
        await self._reach()
        return self.bucket.delete(key, last)

    async def keys(self) -> list[str]:
        """See the bucket."""
        await self._reach()
        return self.bucket.keys()


class MemoryPresence(KeyValuePresence):
    """Adapter of Presence on a bucket in memory."""

    def __init__(self, client: MemoryClient, record: Record) -> None:
        super().__init__(None, "memory", record)  # type: ignore[arg-type] # there is no connection
        self.client = client
        self._kv = cast("KeyValue", client)

    async def _keys(self, prefix: str) -> list[str]:
        return [key for key in await self.client.keys() if key.startswith(prefix)]
