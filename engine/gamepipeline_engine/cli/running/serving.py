"""An engine for as long as somebody wants it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import click
import msgspec

from gamepipeline_engine.cli.loop import end
from gamepipeline_engine.cli.running.publishing import publish_for
from gamepipeline_engine.cli.who import actor
from gamepipeline_engine.engine import GamePipelineEngine


async def serve(engine: GamePipelineEngine, *, until_idle: bool) -> None:
    """Start ``engine``, say that it serves, and stop it at the end, whatever brings that about."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # a terminal that closes does not end a daemon
    await _unless(asked, engine.start())
    try:
        if not asked.is_set():
            ready = {
                "ready": True,
                "node": engine.node,
                "pools": engine.pools,
                "instance": engine.instance,
                "realm": engine.realm,
                "started_by": actor(),
            }
            click.echo(msgspec.json.encode(ready))
            await _until(asked, engine, until_idle=until_idle)
    finally:
        await engine.stop()


async def _unless(asked: asyncio.Event, start: Coroutine[Any, Any, None]) -> None:
    """Finish ``start``, or give it up when somebody asks for the end meanwhile."""
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(start)
        asking = group.create_task(asked.wait())
        await asyncio.wait({starting, asking}, return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()  # once: it has much to close
        asking.cancel()


async def _until(asked: asyncio.Event, engine: GamePipelineEngine, *, until_idle: bool) -> None:
    """Until somebody asks, nothing is left to do (``until_idle``), or serving fails: that is raised."""
    async with asyncio.TaskGroup() as group:
        ends = {group.create_task(asked.wait()), group.create_task(engine.serve_until_stopped())}
        if until_idle:
            ends.add(group.create_task(engine.idle()))
        publishing = [] if until_idle else [group.create_task(publish_for(engine))]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await end(*ends, *publishing)
