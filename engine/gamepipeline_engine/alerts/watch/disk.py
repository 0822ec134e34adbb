"""How full a stream is."""

from __future__ import annotations

import msgspec
import nats.errors
from nats.aio.client import Client

THRESHOLD = 0.9
"""Share of its limit above which the events stream raises an alert: full, it stops everything."""


class Fill(msgspec.Struct, frozen=True):
    """Bytes used and bytes allowed; ``limit`` None: as many as there is disk."""

    stream: str
    used: int
    limit: int | None

    @property
    def critical(self) -> bool:
        """Whether somebody should make room."""
        return self.limit is not None and self.used >= THRESHOLD * self.limit


async def fill_of(nc: Client, stream: str) -> Fill | None:
    """Ask the server; None without an answer."""
    try:
        info = await nc.jetstream(timeout=3.0).stream_info(stream)
    except (nats.errors.Error, TimeoutError, OSError):
        return None
    limit = info.config.max_bytes or 0
    return Fill(stream, info.state.bytes, limit if limit > 0 else None)
