"""A whole engine on the real Docker engine and a real NATS server, for scenarios and recorded histories.

Nothing of it meets anybody else's: its own streams (and so its own realm), its own state folder, its
own pool. What its realm has left on the daemon is removed at the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from gamepipeline_engine import GamePipelineEngine
from gamepipeline_engine.clock import new_id
from gamepipeline_engine.config import Config
from gamepipeline_engine.variables import NodeVariables
from gamepipeline_events import Event, Invalid, Stop, decode
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_projections import PipelineStatus
from tests.support.containers import remove_realm


class EngineOnDocker:
    """One engine. See ``Bench`` in ``tests.support.scenarios``."""

    def __init__(self, engine: GamePipelineEngine) -> None:
        self.engine = engine

    async def submit(self, document: dict[str, Any], pipeline_id: str, args: dict[str, Any]) -> None:
        """A rejection is on record too, so it is no error here."""
        with suppress(Invalid):
            await self.engine.execute(document, id=pipeline_id, args=args)

    async def until(self, pipeline_id: str, name: str, step: str | None = None) -> Event:
        """That event, once it is stored."""
        async for event in self.engine.subscribe(pipeline_id):
            if event.name == name and step in {None, getattr(event.data, "step", None)}:
                return event
        raise AssertionError("a subscription never ends")

    async def wait(self, pipeline_id: str) -> PipelineStatus:
        """The final status."""
        return await self.engine.wait(pipeline_id)

    async def cancel(self, pipeline_id: str, reason: str) -> None:
        """Ask for the end."""
        await self.engine.cancel_pipeline(pipeline_id, reason)

    async def stop(self, pipeline_id: str, step: str | None, reason: str) -> None:
        """The stop command, over the queue."""
        command = Stop(id=new_id(), step=step, reason=reason, requested_by="cli:test")
        await self.engine.connections.queue.publish(CommandSubject("stop", pipeline_id), command)

    async def payloads(self, pipeline_id: str) -> list[bytes]:
        """The history as stored."""
        return [record.payload async for record in self.engine.connections.journal.read(pipeline_id)]

    async def events(self, pipeline_id: str) -> list[Event]:
        """The history."""
        return [decode(payload) for payload in await self.payloads(pipeline_id)]

    async def log_events(self, pipeline_id: str) -> list[Event]:
        """The records of the logs."""
        return [decode(record.payload) async for record in self.engine.connections.logs.read(pipeline_id)]

    async def left(self, pipeline_id: str) -> list[str]:
        """Names of what is left on the daemon."""
        found = await self.engine.connections.containers.leftovers()
        return [one.name for one in found if f"gp-{pipeline_id}" in one.name]


@asynccontextmanager
async def engine_on_docker(
    nats_url: str,
    *,
    variables: Mapping[str, str] | None = None,
    node: str = "bench",
    removes: bool = True,
    config: Config | None = None,
) -> AsyncIterator[EngineOnDocker]:
    """A served engine. ``XDG_STATE_HOME`` must point to a folder of the test's own.

    ``removes`` False: what runs goes on without it, for an engine that comes after it.
    """
    config = (config or Config()).named(node)
    config = msgspec.structs.replace(config, node=msgspec.structs.replace(config.node, capacity=8))
    engine = GamePipelineEngine(
        config, variables=NodeVariables([dict(variables or {})], secret=("*_KEY",)), nats_url=nats_url
    )
    await engine.start()
    realm = engine.realm
    try:
        yield EngineOnDocker(engine)
    finally:
        await engine.stop()
        if removes:
            await remove_realm(realm)
