"""A cancellation that comes together with an answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from gamepipeline_projections.reading.api import heeding


async def _swallows() -> str:
    """As ``asyncio.wait_for`` of Python 3.11 when its result is there already."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    return "answer"


async def test_it_is_not_forgotten() -> None:
    """Whoever asked ends, once the answer is there."""
    task = asyncio.get_running_loop().create_task(heeding(_swallows()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_cleans_up_may_ask() -> None:
    """A task that was cancelled before asks and gets its answer."""

    async def cleans_up() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return await heeding(asyncio.sleep(0, "answer"))
        return "nothing"

    task = asyncio.get_running_loop().create_task(cleans_up())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "answer"
