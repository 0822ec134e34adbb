"""The contract of the Presence port, on a bucket in NATS and on one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from nats.js.api import KeyValueConfig
from ulid import ULID

from gamepipeline_engine.presence import KeyValuePresence, Presence, PresenceUnknown, Record
from gamepipeline_engine.presence_memory import MemoryBucket, MemoryClient, MemoryPresence
from gamepipeline_projections.connection import connect
from tests.support.nats import NatsServer

TTL = 60.0

Enter = Callable[[Record], Presence]
Open = Callable[[float], Awaitable[Enter]]


def made(node: str = "node-1", *, daemon: bool = True) -> Record:
    """A process's own words."""
    return Record(instance=str(ULID()), node=node, docker="D1", pools=("default",), daemon=daemon)


def gone(_: str) -> bool:
    """Everybody is."""
    return True


def there(_: str) -> bool:
    """Nobody is gone."""
    return False


@pytest.fixture(params=["jetstream", "memory"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """How a bucket with a time to live is made."""
    if request.param == "memory":

        async def in_memory(ttl: float) -> Enter:
            bucket = MemoryBucket(ttl)
            return lambda record: MemoryPresence(MemoryClient(bucket), record)

        yield in_memory
        return
    server: NatsServer = request.getfixturevalue("nats_server")
    client = await connect(server.url, name="test")

    async def in_nats(ttl: float) -> Enter:
        name = f"presence_{ULID()}"
        await client.jetstream().create_key_value(KeyValueConfig(bucket=name, ttl=ttl))
        return lambda record: KeyValuePresence(client, name, record)

    yield in_nats
    await client.close()


@pytest.fixture
async def enter(opened: Open) -> Enter:
    """How a process comes to the records."""
    return await opened(TTL)


async def test_who_renews_is_there(enter: Enter) -> None:
    """Everybody sees everybody, with all they say of themselves."""
    one, two = made("node-1"), made("node-2", daemon=False)
    first, second = enter(one), enter(two)
    assert await first.renew()
    assert await first.present() == [one]
    assert await second.renew()
    assert sorted(await first.present(), key=lambda record: record.node) == [one, two]


async def test_who_does_not_renew_is_gone(opened: Open) -> None:
    """A record lives as long as the bucket says."""
    enter = await opened(1.0)
    first, second = enter(made("node-1")), enter(made("node-2"))
    await first.renew()
    async with asyncio.timeout(30):
        while await second.present():  # noqa: ASYNC110 - a record goes without a word
            await asyncio.sleep(0.1)
    assert await second.renew()
    assert second.replaced is None


async def test_the_newer_daemon_of_a_node_replaces_the_older(enter: Enter) -> None:
    """The older one learns it at its next renewal; the newer one knows whom it replaced."""
    old, new = made(), made()
    older, newer = enter(old), enter(new)
    assert await older.renew()
    assert await newer.renew()
    assert newer.replaced == old.instance
    assert not await older.renew()
    assert await newer.renew()


async def test_a_run_replaces_nobody(enter: Enter) -> None:
    """Only daemons have the node's record."""
    daemon, run = enter(made()), enter(made(daemon=False))
    assert await daemon.renew()
    assert await run.renew()
    assert run.replaced is None
    assert await daemon.renew()


async def test_one_watches(enter: Enter) -> None:
    """A watch is its holder's until that is gone or leaves it."""
    first, second = enter(made("node-1")), enter(made("node-2"))
    assert await first.take_watch("p", there)
    assert await first.take_watch("p", there)
    assert not await second.take_watch("p", there)
    assert await second.take_watch("p", gone)
    assert not await first.take_watch("p", there)
    await first.leave_watch("p")
    assert await second.take_watch("p", there)
    await second.leave_watch("p")
    assert await first.take_watch("p", there)


async def test_who_withdraws_is_not_there(enter: Enter) -> None:
    """Neither as an engine nor as a node; what another one has stays."""
    old, new = made(), made()
    older, newer = enter(old), enter(new)
    await older.renew()
    await newer.renew()
    await older.withdraw()
    assert await newer.present() == [new]
    assert await newer.renew()
    await newer.withdraw()
    assert await older.present() == []
    last = enter(made())
    assert await last.renew()
    assert last.replaced is None


async def test_away() -> None:
    """Without an answer nothing is known, and nobody is told that he is alone."""
    client = MemoryClient(MemoryBucket(TTL))
    presence: Presence = MemoryPresence(client, made())
    await presence.renew()
    client.away = True
    for ask in (presence.renew, presence.present, lambda: presence.take_watch("p", there)):
        with pytest.raises(PresenceUnknown):
            await ask()
    await presence.leave_watch("p")
    await presence.withdraw()


async def test_a_list_with_a_hole_is_no_answer() -> None:
    """One record that cannot be read makes the whole list unknown: else its process would be absent."""

    class Deaf(MemoryClient):
        async def get(self, key: str) -> Any:
            self.away = True
            return await super().get(key)

    bucket = MemoryBucket(TTL)
    await MemoryPresence(MemoryClient(bucket), made()).renew()
    with pytest.raises(PresenceUnknown):
        await MemoryPresence(Deaf(bucket), made("node-2")).present()


async def test_looking_who_is_there_leaves_nothing_on_the_server(nats_server: NatsServer) -> None:
    """Each look of each engine would else count towards what the server lets one have."""
    client = await connect(nats_server.url, name="test")
    try:
        name = f"presence_{ULID()}"
        js = client.jetstream()
        await js.create_key_value(KeyValueConfig(bucket=name, ttl=TTL))
        presence = KeyValuePresence(client, name, made())
        await presence.renew()
        for _ in range(5):
            assert len(await presence.present()) == 1
        assert (await js.stream_info(f"KV_{name}")).state.consumer_count == 0
    finally:
        await client.close()
