"""The port to a place for archives, and what an adapter has to keep.

Three adapters: ``jetstream`` (the object store), ``directory`` (a directory of a node) and ``memory``
(for engines on fakes). All pass the suite in ``tests/contract/test_artifacts.py``.

A key is ``<pipeline>/<step>.<attempt>``. What is under a key is whole or not there: a put that is
cut short leaves nothing that ``read`` finds. Only the history says which keys mean something, and
with which hash: whoever reads checks that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import BinaryIO, Protocol

CHUNK = 128 * 1024
"""Bytes that are handled at once."""


class StoreUnavailable(Exception):
    """No usable answer; the same call may be made again."""


class StoreFull(Exception):
    """There is no room for it."""


class NotStored(Exception):
    """There is nothing under this key (any more)."""


class ArtifactStore(Protocol):
    """A place for archives. Raises StoreUnavailable, and what is said at the method."""

    async def put(self, key: str, content: BinaryIO, expires_at: datetime) -> None:
        """Store what can be read from ``content``, instead of what was there. Raises StoreFull."""
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """The content, in pieces of at most CHUNK bytes. Raises NotStored."""
        ...

    async def sweep(self, now: datetime) -> list[str]:
        """Remove what has expired, and what puts left that were cut short over a day ago; the keys of the former."""
        ...
