"""What an engine does about alerts: everything but a ``run`` in somebody's terminal does it."""

from __future__ import annotations

import asyncio
import contextlib

from nats.aio.client import Client

from gamepipeline_engine.alerts.delivery.notifier import Notifier
from gamepipeline_engine.alerts.watch.disk import Fill, fill_of
from gamepipeline_engine.alerts.watch.stalls import StallWatch
from gamepipeline_engine.broker.streams import Topology
from gamepipeline_engine.commands.queue_port import CommandQueue
from gamepipeline_engine.presence import Presence
from gamepipeline_engine.runner import Host
from gamepipeline_events import BadInput


async def serve_alerts(
    host: Host, *, nats: Client, topology: Topology, queue: CommandQueue, presence: Presence
) -> None:
    """Watch and, where webhooks are configured, deliver, until cancelled."""

    async def fill() -> Fill | None:
        return await fill_of(nats, topology.events)

    watch = StallWatch(host, queue=queue, presence=presence, subjects=topology.subjects, fill=fill)
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.serve())
        group.create_task(_hear(nats, topology, watch))
        if host.config.alerts.webhooks:
            notifier = Notifier(host, nats=nats, topology=topology, presence=presence)
            group.create_task(notifier.serve())


async def _hear(nats: Client, topology: Topology, watch: StallWatch) -> None:
    """Listen for the progress of image pulls, of whatever engine."""
    subscription = await nats.subscribe(topology.subjects.all_progress())
    async for message in subscription.messages:
        with contextlib.suppress(BadInput):
            watch.progressed(topology.subjects.parse_progress(message.subject))
