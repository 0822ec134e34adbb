"""Recovery of a long pipeline on a real NATS server: what is read of it, and what a writer that is killed leaves."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from nats.aio.client import Client
from nats.js.api import KeyValueConfig

from gamepipeline_engine.broker.streams import Topology
from gamepipeline_engine.config import SnapshotsConfig
from gamepipeline_engine.config_values import Seconds
from gamepipeline_engine.snapshots import Snapshots
from gamepipeline_events import decode
from gamepipeline_projections import PipelineState, fold
from gamepipeline_projections.reading import EventReader
from gamepipeline_projections.snapshots import NatsBucket, SnapshotStore, recover
from tests.support.histories import Story, pipeline, step
from tests.support.journals import connected, own_streams
from tests.support.nats import NatsServer
from tests.support.snapshots import REALM, Counting, document

LONG = 20_000
SHORT = 1_500


class Place(NamedTuple):
    """Streams of the test's own, with an empty bucket of snapshots."""

    client: Client
    topology: Topology

    @property
    def reader(self) -> Counting:
        """Of the events stream."""
        return Counting(EventReader(self.client, self.topology.subjects, self.topology.events))

    @property
    def store(self) -> SnapshotStore:
        """Of the snapshots."""
        return SnapshotStore(NatsBucket(self.client, self.topology.snapshots), REALM)

    async def fill(self, story: Story, after: int = 0) -> None:
        """Store the history, but for the first events that are there already."""
        for payload in story.payloads[after:]:
            event = decode(payload)
            await self.client.publish(self.topology.subjects.event(event.pipeline_id, event.name), payload)
        js = self.client.jetstream()
        async with asyncio.timeout(60):
            while (await js.stream_info(self.topology.events)).state.messages < len(story.payloads):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def whole(self) -> PipelineState:
        """The state after all events, read without any snapshot."""
        return fold([decode(one.payload, sequence=one.sequence) async for one in self.reader.read("p1")])


@pytest.fixture
async def place(nats_server: NatsServer) -> AsyncIterator[Place]:
    """Removed at the end."""
    async with connected(nats_server.url) as client, own_streams(client) as topology:
        js = client.jetstream()
        await js.create_key_value(KeyValueConfig(bucket=topology.snapshots, direct=True))
        yield Place(client, topology)
        await js.delete_key_value(topology.snapshots)


def history(length: int) -> Story:
    """A step that fails and fails."""
    story = Story(pipeline(step("a", retry={"limit": 100_000}), step("b"))).started()
    while len(story.payloads) < length:
        story.backing_off("a")
    return story


async def test_a_long_pipeline_is_read_from_its_snapshot_on(place: Place) -> None:
    """One snapshot, its last event, and what came after; the engine that wrote it is not needed for that."""
    story = history(LONG)
    await place.fill(story)
    whole = await place.whole()
    first, second = (Snapshots(place.store, SnapshotsConfig(every_events=200, every=Seconds(30))) for _ in range(2))

    reader = place.reader
    one = first.of("p1")
    assert await one.read(reader) == whole
    assert reader.read_records == len(story.payloads)
    one.offer(whole)
    await first.flush()

    reader = place.reader
    assert await second.of("p1").read(reader) == whole
    assert reader.read_records == 1

    stored = len(story.payloads)
    for _ in range(40):
        story.backing_off("a")
    await place.fill(story, stored)
    reader = place.reader
    assert document(await second.of("p1").read(reader)) == document(await place.whole())
    assert reader.read_records == len(story.payloads) - stored + 1


async def test_a_writer_that_is_killed_leaves_a_snapshot_one_can_use(place: Place, nats_server: NatsServer) -> None:
    """Two write at once, from the beginning on, and are killed at random: never an older one over a newer one."""
    story, chance, reached = history(SHORT), random.Random(20261124), 0
    await place.fill(story)
    whole = await place.whole()
    for _ in range(3):
        writers = [await _writer(nats_server.url, place.topology.root) for _ in range(2)]
        try:
            for writer in writers:
                await asyncio.sleep(chance.uniform(0.05, 0.5))
                reached = await _never_back(place, reached)
                writer.kill()
                await writer.wait()
        finally:
            for writer in writers:
                if writer.returncode is None:
                    writer.kill()
                    await writer.wait()
        reader = place.reader
        found = await recover(reader, place.store, "p1")
        assert document(found.state) == document(whole)
        assert found.snapshot is not None
        assert reader.read_records == len(story.payloads) - found.snapshot.state.head.seq + 1
    assert reached


async def _never_back(place: Place, reached: int) -> int:
    for _ in range(10):
        found = await place.store.get("p1")
        if found is not None:
            assert found.position >= reached
            reached = found.position
        await asyncio.sleep(0.01)
    return reached


async def _writer(url: str, root: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.snapshot_writer", url, root, "p1", REALM, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"begun\n"
    return process
