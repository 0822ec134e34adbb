"""A process that writes snapshots of one pipeline without a pause, to be killed: ``python -m … URL ROOT ID REALM``."""

from __future__ import annotations

import asyncio
import sys

from gamepipeline_engine.broker.streams import Topology
from gamepipeline_engine.config import SnapshotsConfig
from gamepipeline_engine.config_values import Seconds
from gamepipeline_engine.snapshots import Snapshots
from gamepipeline_events import decode
from gamepipeline_projections import PipelineState, evolve
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading import EventReader
from gamepipeline_projections.snapshots import NatsBucket, SnapshotStore


async def main(url: str, root: str, pipeline_id: str, realm: str) -> None:
    """Offer the state after each event, as an engine that has just appended it; at the end, wait to be killed."""
    topology, client = Topology(root), await connect(url, name="test")
    state, states = PipelineState(id=pipeline_id), []
    async for record in EventReader(client, topology.subjects, topology.events).read(pipeline_id):
        state = evolve(state, decode(record.payload, sequence=record.sequence))
        states.append(state)
    store = SnapshotStore(NatsBucket(client, topology.snapshots), realm)
    made = Snapshots(store, SnapshotsConfig(every_events=3, every=Seconds(30)))
    async with asyncio.TaskGroup() as group:
        group.create_task(made.serve())
        one = made.of(pipeline_id)
        print("begun", flush=True)  # noqa: T201
        for state in states:
            one.offer(state)
            await asyncio.sleep(0.001)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
