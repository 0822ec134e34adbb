"""The checkpoint: what the engine saw, against what the stream holds now."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from nats.aio.client import Client
from ulid import ULID

from gamepipeline_engine.broker.checkpoint import Checkpoint, load, read_state, save, verify
from gamepipeline_engine.broker.errors import StoreRegressed
from gamepipeline_engine.broker.streams import Realm, Topology, provision
from gamepipeline_projections.connection import connect
from tests.support.nats import NatsServer, running_nats

EVENTS = [b"one", b"two", b"three"]


@pytest.fixture
async def client(own_nats_server: NatsServer) -> AsyncIterator[Client]:
    """A connection to a server of this test's own."""
    connection = await connect(own_nats_server.url, name="test")
    yield connection
    await connection.close()


@pytest.fixture
async def realm(client: Client) -> Realm:
    """Streams with three events in them."""
    ready = await provision(client.jetstream(), Topology())
    for event in EVENTS:
        await client.jetstream().publish("gamepipeline.events.p.T", event)
    return ready


async def check(client: Client, realm: Realm, checkpoint: Checkpoint) -> None:
    """What an engine does when it starts."""
    verify(checkpoint, await read_state(client.jetstream(), realm, checkpoint))


def digest(event: bytes) -> str:
    """As in the checkpoint."""
    return sha256(event).hexdigest()


@pytest.mark.parametrize("seen", [0, 1, 2, 3])
async def test_a_continuation_is_accepted(client: Client, realm: Realm, seen: int) -> None:
    """A stream that begins with what was seen, whatever came after, is the same stream."""
    await check(client, realm, Checkpoint(realm.id, seen, digest(EVENTS[seen - 1]) if seen else ""))


async def test_another_realm_is_refused(client: Client, realm: Realm) -> None:
    """A stream with the same events and another realm is another stream."""
    with pytest.raises(StoreRegressed) as caught:
        await check(client, realm, Checkpoint(str(ULID()), 3, digest(EVENTS[2])))
    assert (caught.value.reason, caught.value.found) == ("realm", realm.id)


async def test_a_stream_that_went_back_is_refused(client: Client, realm: Realm) -> None:
    """A stream that ends before what was seen has lost events."""
    with pytest.raises(StoreRegressed) as caught:
        await check(client, realm, Checkpoint(realm.id, 4, digest(b"four")))
    assert (caught.value.reason, caught.value.wanted, caught.value.found) == ("sequence", 4, 3)
    assert "backup" in caught.value.fix


async def test_other_events_at_the_same_place_are_refused(client: Client, realm: Realm) -> None:
    """A stream that lost events and was written to again is found out by the hash."""
    with pytest.raises(StoreRegressed) as caught:
        await check(client, realm, Checkpoint(realm.id, 2, digest(b"other")))
    assert (caught.value.reason, caught.value.found) == ("hash", digest(b"two"))


async def test_an_empty_store_is_refused(client: Client, realm: Realm, tmp_path: Path) -> None:
    """A server that came back with an empty folder gets a new realm, which is not ours."""
    seen = Checkpoint(realm.id, 3, digest(EVENTS[2]))
    with running_nats(tmp_path / "other") as server:
        other = await connect(server.url, name="test")
        fresh = await provision(other.jetstream(), Topology())
        with pytest.raises(StoreRegressed) as caught:
            await check(other, fresh, seen)
        await other.close()
    assert caught.value.reason == "realm"


async def test_a_stream_with_a_hole_is_refused(client: Client, realm: Realm) -> None:
    """Events cannot be deleted, so a sequence without one is a loss, wherever it is."""
    js = client.jetstream()
    config = (await js.stream_info("GAMEPIPELINE_EVENTS")).config
    await js.delete_stream("GAMEPIPELINE_EVENTS")
    config.deny_delete = False
    await js.add_stream(config)
    for event in EVENTS:
        await js.publish("gamepipeline.events.p.T", event)
    await js.delete_msg("GAMEPIPELINE_EVENTS", 1)
    with pytest.raises(StoreRegressed) as caught:
        await check(client, realm, Checkpoint(realm.id, 3, digest(EVENTS[2])))
    assert (caught.value.reason, caught.value.found) == ("gap", 1)


def flip_one_bit(folder: Path) -> None:
    """In the middle of the events, with the index gone that would hide it for a while."""
    (block,) = folder.glob("store/**/GAMEPIPELINE_EVENTS/msgs/*.blk")
    content = bytearray(block.read_bytes())
    content[len(content) // 2] ^= 1
    block.write_bytes(content)
    for index in block.parent.glob("*.db"):
        index.unlink()


async def test_a_flipped_bit_is_found_at_the_next_start(tmp_path: Path) -> None:
    """A store that nats-server shortened after a damaged block is refused, not continued."""
    with running_nats(tmp_path) as server:
        client = await connect(server.url, name="test")
        realm = await provision(client.jetstream(), Topology())
        for number in range(50):
            await client.jetstream().publish("gamepipeline.events.p.T", b"%d" % number * 100)
        seen = Checkpoint(realm.id, 50, digest(b"49" * 100))
        await check(client, realm, seen)
        await client.close()
        server.process.kill()
        server.process.wait()
    flip_one_bit(tmp_path)
    with running_nats(tmp_path) as server:
        client = await connect(server.url, name="test")
        realm = await provision(client.jetstream(), Topology())
        with pytest.raises(StoreRegressed):
            await check(client, realm, seen)
        await client.close()


def test_the_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """What is saved is what is loaded, in a folder that is made, and nothing else is left there."""
    path = tmp_path / "state" / "checkpoint.json"
    realm = str(ULID())
    for number in range(3):
        save(path, Checkpoint(realm, number, digest(b"x")))
        assert load(path) == Checkpoint(realm, number, digest(b"x"))
    assert [entry.name for entry in path.parent.iterdir()] == ["checkpoint.json"]
    assert json.loads(path.read_text()) == {"realm": realm, "last_seq": 2, "last_hash": digest(b"x")}
