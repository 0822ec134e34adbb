"""The read model that a node's engine publishes, so that new readers need not read everything."""

from __future__ import annotations

import asyncio
import random
from contextlib import closing
from pathlib import Path

import structlog
from nats.aio.client import Client

from gamepipeline_engine.cli.places import cache_folder
from gamepipeline_engine.engine import GamePipelineEngine
from gamepipeline_projections.reading import EventReader
from gamepipeline_projections.reading.api import StreamApi
from gamepipeline_projections.readmodel import PublishedModels, ReadModel, ReadModelDamaged, file_of
from gamepipeline_projections.topology import Topology

EVERY = 50_000
"""Events after which the published copy is worth to be replaced."""

LOOK = 60.0
"""Seconds between two looks, at least; at most twice as long, so that engines take turns."""

_CHUNK = 2_000
"""Events of one transaction: small, because the engine has other things to do meanwhile."""

log = structlog.get_logger(__name__)


async def publish_for(engine: GamePipelineEngine) -> None:
    """Look again and again, for ever. Whatever goes wrong is said and tried again: nothing depends on it."""
    while True:
        await asyncio.sleep(LOOK * (1 + random.random()))  # noqa: S311 - nothing secret
        try:
            if await publish_if_due(engine.nats, engine.connections.topology, engine.realm, cache_folder()):
                log.info("read model published", realm=engine.realm)
        except Exception as exc:  # noqa: BLE001 - it must not end the engine
            log.warning("read model not published", why=str(exc) or type(exc).__name__)


async def publish_if_due(nc: Client, topology: Topology, realm: str, folder: Path, every: int = EVERY) -> bool:
    """Catch up the read model in ``folder`` and publish it, if the published one is ``every`` events behind.

    Raises JournalError, ReadModelError.
    """
    models = PublishedModels(nc, topology.readmodel, topology.events)
    last = await StreamApi(nc, topology.events).last_sequence()
    if last - await models.position(realm) < every:
        return False
    if not file_of(folder, realm).exists():
        await models.fetch(folder, realm)
    try:
        with closing(ReadModel.open(folder, realm, chunk=_CHUNK)) as model:
            await model.catch_up(EventReader(nc, topology.subjects, topology.events))
            return await models.publish(model.file, realm)
    except ReadModelDamaged:
        ReadModel.throw_away(folder, realm)  # the next look builds it anew
        raise
