"""A long pipeline taken over with a snapshot and without one, in pairs: ``python -m tests.benchmarks.snapshots``.

What an engine does before it goes on: read the bucket, read the stream, fold. Needs no Docker.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from nats.js.api import KeyValueConfig

from gamepipeline_events import decode
from gamepipeline_projections import fold
from gamepipeline_projections.reading import EventReader
from gamepipeline_projections.snapshots import MemoryBucket, NatsBucket, Snapshot, SnapshotStore, encode_snapshot
from gamepipeline_projections.snapshots import recover as recovered
from tests.benchmarks.bench import machine, say
from tests.support.histories import Story, pipeline, step
from tests.support.journals import connected, own_streams
from tests.support.nats import running_nats
from tests.support.snapshots import REALM, Counting

TAIL = 200
"""Events since the snapshot: what the default makes the most of."""


async def main(lengths: list[int], rounds: int) -> None:
    """One table: a line for each length."""
    say(machine())
    with tempfile.TemporaryDirectory(prefix="gp-bench-") as folder, running_nats(Path(folder)) as server:
        for length in lengths:
            await _measure(server.url, length, rounds)


async def _measure(url: str, length: int, rounds: int) -> None:
    story = Story(pipeline(step("a", retry={"limit": 1_000_000}), *map(step, "bcdefgh"))).started()
    while len(story.payloads) < length:
        story.backing_off("a")
    async with connected(url) as client, own_streams(client) as topology:
        js = client.jetstream()
        await js.create_key_value(KeyValueConfig(bucket=topology.snapshots, direct=True))
        for payload in story.payloads:
            await client.publish(topology.subjects.event("p1", decode(payload).name), payload)
        while (await js.stream_info(topology.events)).state.messages < len(story.payloads):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        reader = Counting(EventReader(client, topology.subjects, topology.events))
        store, none = SnapshotStore(NatsBucket(client, topology.snapshots), REALM), SnapshotStore(MemoryBucket(), REALM)
        events = [decode(one.payload, sequence=one.sequence) async for one in reader.read("p1")]
        state = fold(events[: max(1, len(events) - TAIL)])
        began = time.perf_counter()
        size = len(encode_snapshot(Snapshot(realm=REALM, state=state)))
        writing = time.perf_counter() - began
        await store.put(state)
        found: dict[str, list[float]] = {"with": [], "without": []}
        counts: dict[str, int] = {}
        for _ in range(rounds):
            for name, which in (("with", store), ("without", none)):
                reader.read_records, began = 0, time.perf_counter()
                result = await recovered(reader, which, "p1")
                found[name].append(time.perf_counter() - began)
                counts[name] = reader.read_records
                assert (result.snapshot is None) == (name == "without")
                assert result.state.head.seq == len(story.payloads)
        await js.delete_key_value(topology.snapshots)
    ratio = statistics.median(a / b for a, b in zip(found["without"], found["with"], strict=True))
    without, with_ = (statistics.median(found[name]) * 1000 for name in ("without", "with"))
    say(f"{len(story.payloads)} events, {rounds} pairs: {ratio:.1f} times as fast with a snapshot")
    say(f"  without: {without:.1f} ms, {counts['without']} records; with: {with_:.1f} ms, {counts['with']} records")
    say(f"  the snapshot: {size} bytes, encoded in {writing * 1000:.2f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[20, 1_000, 20_000])
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    asyncio.run(main(given.events, given.rounds))
