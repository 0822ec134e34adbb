"""Clocks for the fake daemon: one that runs faster than the world, one that a test turns by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

_START = datetime(2026, 1, 1, tzinfo=UTC)


class ScaledClock:
    """Runs ``speed`` times as fast as the world: an hour of containers in a few seconds."""

    def __init__(self, speed: float = 1.0, start: datetime | None = None) -> None:
        self._speed = speed
        self._start = start or datetime.now(UTC)
        self._began: float | None = None

    def now(self) -> datetime:
        """See the port."""
        time = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = time
        return self._start + timedelta(seconds=(time - self._began) * self._speed)

    async def sleep(self, seconds: float) -> None:
        """See the port."""
        await asyncio.sleep(max(0.0, seconds) / self._speed)


class ManualClock:
    """Stands still until ``advance``; then wakes the sleepers in the order of their time."""

    def __init__(self, start: datetime = _START) -> None:
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.Event]] = []

    def now(self) -> datetime:
        """See the port."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """See the port."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        until = self._now + timedelta(seconds=seconds)
        heapq.heappush(self._sleepers, (until, next(self._order), woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Let time pass; at each sleeper's moment the woken tasks run before time goes on."""
        end = self._now + timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now, _, woken = heapq.heappop(self._sleepers)
            woken.set()
            await self.settle()
        self._now = end
        await self.settle()

    @staticmethod
    async def settle(turns: int = 50) -> None:
        """Let the tasks run that can."""
        for _ in range(turns):
            await asyncio.sleep(0)
