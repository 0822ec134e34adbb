"""Time and identity as ports, so that the rest can run under any clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol

from ulid import ULID


class Clock(Protocol):
    """Where time comes from. ``now`` is aware and UTC; ``sleep`` takes seconds."""

    def now(self) -> datetime:
        """The wall clock: for what is recorded and compared with recorded times."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait on the monotonic clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """UTC, to the microsecond."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait; a negative time is none."""
        await asyncio.sleep(max(0.0, seconds))


def new_id() -> str:
    """A fresh ULID, upper case as the standard writes it."""
    return str(ULID())
