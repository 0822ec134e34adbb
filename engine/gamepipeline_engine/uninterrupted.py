"""Calls that must not be left half-done: once begun they end, and only then does a cancellation count."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end even when the caller is cancelled; the cancellation is raised behind it.

    A request that changes something at a server is carried out whether or not somebody waits for
    the reply. Who gives up waiting and looks at once would see the world before the change.
    """
    # Not a TaskGroup: that would cancel the work together with the caller.
    task = asyncio.ensure_future(work)  # noqa: TID251
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()  # seen: the caller is on its way out and cannot handle it
        raise
