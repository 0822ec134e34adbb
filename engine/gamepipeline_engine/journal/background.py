"""Appends that go on when their caller is cancelled: half an append would be an unknown outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast


class Background:
    """Runs coroutines shielded from cancellation and keeps hold of them until they end."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[int]] = set()

    async def run(self, work: Coroutine[Any, Any, int]) -> int:
        """The result of ``work``; it goes on when this call is cancelled."""
        return await asyncio.shield(self._held(work))

    async def settle(self, within: float) -> bool:
        """Wait for what goes on; False if some of it still does after ``within`` seconds."""
        if not self._open:
            return True
        _, pending = await asyncio.wait(self._open, timeout=within)
        return not pending

    async def _held(self, work: Coroutine[Any, Any, int]) -> int:
        task = cast("asyncio.Task[int]", asyncio.current_task())
        self._open.add(task)  # the loop itself holds tasks weakly
        try:
            return await work
        finally:
            self._open.discard(task)
