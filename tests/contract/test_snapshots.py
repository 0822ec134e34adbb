"""The contract of the snapshots' bucket, on JetStream and in memory, and of the store that uses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from nats.js.api import KeyValueConfig
from ulid import ULID

from gamepipeline_events import decode
from gamepipeline_projections import PipelineState, fold
from gamepipeline_projections.connection import connect
from gamepipeline_projections.snapshots import (
    Bucket,
    MemoryBucket,
    NatsBucket,
    NotKept,
    SnapshotStore,
    SnapshotsUnavailable,
    Superseded,
)
from tests.support.histories import Story, pipeline, step
from tests.support.nats import NatsServer

REALM = "01JDREALM00000000000000000"


@pytest.fixture(params=["jetstream", "memory"])
async def bucket(request: pytest.FixtureRequest) -> AsyncIterator[Bucket]:
    """An empty one."""
    if request.param == "memory":
        yield MemoryBucket()
        return
    server: NatsServer = request.getfixturevalue("nats_server")
    client = await connect(server.url, name="test")
    name = f"snapshots_{ULID()}"
    await client.jetstream().create_key_value(KeyValueConfig(bucket=name, direct=True))
    yield NatsBucket(client, name)
    await client.jetstream().delete_key_value(name)
    await client.close()


def states() -> list[PipelineState]:
    """A pipeline's states, event by event, at places 10, 20, … of the stream."""
    story = Story(pipeline(step("a"), step("b"))).started().completed("a").completed("b").pipeline_completed()
    events = [decode(payload, sequence=10 * place) for place, payload in enumerate(story.payloads, start=1)]
    return [fold(events[:count]) for count in range(1, len(events) + 1)]


async def test_a_key_has_the_value_stored_last_and_its_revision(bucket: Bucket) -> None:
    """None before; each value has a higher revision."""
    assert await bucket.get("p1") is None
    first = await bucket.put("p1", b"one", 0)
    assert await bucket.get("p1") == (b"one", first)
    second = await bucket.put("p1", b"two", first)
    assert second > first
    assert await bucket.get("p1") == (b"two", second)
    assert await bucket.get("p2") is None


async def test_who_does_not_know_the_last_revision_stores_nothing(bucket: Bucket) -> None:
    """Compare and set."""
    revision = await bucket.put("p1", b"one", 0)
    await bucket.put("p2", b"other", 0)
    for wrong in (0, revision + 1, revision + 7):
        with pytest.raises(Superseded):
            await bucket.put("p1", b"two", wrong)
    assert await bucket.get("p1") == (b"one", revision)


async def test_what_is_too_large_is_not_kept(bucket: Bucket) -> None:
    """And the bucket answers on."""
    with pytest.raises(NotKept):
        await bucket.put("p1", b"x" * (1024 * 1024 + 1), 0)
    assert await bucket.get("p1") is None
    assert await bucket.put("p1", b"small", 0)


async def test_a_snapshot_comes_back(bucket: Bucket) -> None:
    """Equal in all, and with its revision."""
    store, last = SnapshotStore(bucket, REALM), states()[-1]
    assert await store.get("p1") is None
    assert await store.put(last)
    found = await store.get("p1")
    assert found is not None
    assert (found.state, found.position, found.realm) == (last, last.head.sequence, REALM)
    assert found.revision > 0


async def test_a_newer_one_never_gives_way(bucket: Bucket) -> None:
    """Neither to an older one nor to one that goes as far."""
    store, all_of_them = SnapshotStore(bucket, REALM), states()
    assert await store.put(all_of_them[3])
    assert not await store.put(all_of_them[2])
    assert not await store.put(all_of_them[3])
    assert await store.put(all_of_them[4])
    found = await store.get("p1")
    assert found is not None
    assert found.state == all_of_them[4]


async def test_of_many_writers_at_once_the_newest_wins(bucket: Bucket) -> None:
    """Whoever comes first."""
    stores, all_of_them = [SnapshotStore(bucket, REALM) for _ in range(2)], states()
    before = 0
    for older, newer in pairwise(all_of_them):
        await asyncio.gather(stores[0].put(newer), stores[1].put(older))
        found = await stores[0].get("p1")
        assert found is not None
        assert found.state == newer
        assert found.revision > before
        before = found.revision


async def test_what_is_no_snapshot_of_this_realm_gives_way(bucket: Bucket) -> None:
    """It is of no use to anybody here, however far it says it goes."""
    store, all_of_them = SnapshotStore(bucket, REALM), states()
    foreign = SnapshotStore(bucket, "01JDREALM00000000000000001")
    assert await foreign.put(all_of_them[-1])
    assert await store.get("p1") is None
    assert await store.put(all_of_them[0])
    kept = await bucket.get("p1")
    assert kept is not None
    await bucket.put("p1", b"\x00 no snapshot", kept.revision)
    assert await store.get("p1") is None
    assert await store.put(all_of_them[0])


async def test_one_that_the_stream_contradicts_gives_way_when_it_is_named(bucket: Bucket) -> None:
    """By its revision, so that no other one is meant."""
    store, all_of_them = SnapshotStore(bucket, REALM), states()
    await store.put(all_of_them[-1])
    wrong = await store.get("p1")
    assert wrong is not None
    assert not await store.put(all_of_them[0], wrong=wrong.revision + 1)
    assert await store.put(all_of_them[0], wrong=wrong.revision)


@pytest.mark.parametrize("purge", [False, True], ids=["deleted", "purged"])
async def test_one_that_somebody_removed_is_written_anew(nats_server: NatsServer, purge: bool) -> None:
    """The mark that a KV client leaves is no snapshot, and does not stand in the way of the next one."""
    client = await connect(nats_server.url, name="test")
    name = f"snapshots_{ULID()}"
    try:
        keys = await client.jetstream().create_key_value(KeyValueConfig(bucket=name, direct=True))
        store, all_of_them = SnapshotStore(NatsBucket(client, name), REALM), states()
        assert await store.put(all_of_them[-2])
        await (keys.purge("p1") if purge else keys.delete("p1"))
        assert await store.get("p1") is None
        assert await store.put(all_of_them[-1])
        found = await store.get("p1")
        assert found is not None
        assert found.state == all_of_them[-1]
    finally:
        await client.jetstream().delete_key_value(name)
        await client.close()


async def test_a_bucket_that_is_not_there_holds_nothing(nats_server: NatsServer) -> None:
    """Reading is a full replay then; a write is not kept, or has no answer."""
    client = await connect(nats_server.url, name="test")
    try:
        bucket = NatsBucket(client, f"none_{ULID()}")
        assert await bucket.get("p1") is None
        with pytest.raises((NotKept, SnapshotsUnavailable)):
            await bucket.put("p1", b"one", 0)
    finally:
        await client.close()
    with pytest.raises(SnapshotsUnavailable):
        await bucket.get("p1")
    assert await SnapshotStore(bucket, REALM).get("p1") is None


async def test_faults_in_memory() -> None:
    """A bucket that is away answers nothing; a lost answer does not mean that nothing was stored."""
    bucket, last = MemoryBucket(), states()[-1]
    store = SnapshotStore(bucket, REALM)
    bucket.away = True
    assert await store.get("p1") is None
    with pytest.raises(SnapshotsUnavailable):
        await store.put(last)
    bucket.away, bucket.lost_acks = False, 1
    with pytest.raises(SnapshotsUnavailable):
        await store.put(last)
    assert not await store.put(last)
    assert bucket.puts == 1
