"""Streams, buckets and consumers as a real server keeps them."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js.api import DiscardPolicy
from nats.js.errors import APIError
from ulid import ULID

from gamepipeline_engine.broker.consumers import cancel_consumer, ensure_consumer, execute_consumer, stop_consumer
from gamepipeline_engine.broker.errors import ProvisioningFailed, StoreTooSmall, StreamMismatch
from gamepipeline_engine.broker.streams import StreamOptions, Topology, provision
from gamepipeline_events.errors import BadInput
from gamepipeline_events.ids import is_ulid
from gamepipeline_projections.connection import connect
from tests.integration.broker.helpers import configured_nats
from tests.support.nats import NatsServer

SECOND = 10**9
MIB = 1024 * 1024


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A connection to the shared server."""
    connection = await connect(nats_server.url, name="test")
    yield connection
    await connection.close()


@pytest.fixture
async def topology(client: Client) -> AsyncIterator[Topology]:
    """Names of this test's own; the streams are removed afterwards."""
    own = Topology(f"t{ULID()}".lower())
    yield own
    js = client.jetstream()
    for info in await js.streams_info():
        if own.root in str(info.config.name).lower():
            await js.delete_stream(str(info.config.name))


async def config_of(client: Client, stream: str) -> dict[str, Any]:
    """The properties as the server shows them, not as nats-py reads them."""
    reply = await client.request(f"$JS.API.STREAM.INFO.{stream}", b"")
    config: dict[str, Any] = json.loads(reply.data)["config"]
    return config


def expected(topology: Topology) -> dict[str, dict[str, object]]:
    """What a consumer of the contract may rely on, in the server's own words."""
    root = topology.root
    bucket = {"max_msgs_per_subject": 1, "discard": "new", "deny_delete": True, "allow_rollup_hdrs": True}
    return {
        topology.events: {
            "subjects": [f"{root}.events.>"],
            "retention": "limits",
            "storage": "file",
            "max_age": 0,
            "max_msgs": -1,
            "max_msgs_per_subject": -1,
            "max_bytes": 7168 * MIB,
            "discard": "new",
            "deny_delete": True,
            "deny_purge": True,
            "allow_rollup_hdrs": False,
            "allow_msg_ttl": False,
            "compression": "s2",
            "allow_direct": True,
            "num_replicas": 1,
        },
        topology.logs: {
            "subjects": [f"{root}.logs.>"],
            "retention": "limits",
            "storage": "file",
            "max_age": 14 * 86400 * SECOND,
            "max_bytes": 10240 * MIB,
            "discard": "old",
            "allow_direct": True,
        },
        topology.commands: {
            "subjects": [f"{root}.commands.>"],
            "retention": "workqueue",
            "storage": "file",
            "discard": "new",
            "max_msgs_per_subject": 1,
            "discard_new_per_subject": True,
            "duplicate_window": 120 * SECOND,
            "max_age": 0,
        },
        f"KV_{root}_snapshots": bucket | {"subjects": [f"$KV.{root}_snapshots.>"], "max_age": 0},
        f"KV_{root}_nodes": bucket
        | {
            "subjects": [f"$KV.{root}_nodes.>"],
            "max_age": 10 * SECOND,
            "duplicate_window": 10 * SECOND,
            "allow_direct": False,
        },
        f"OBJ_{root}_artifacts": {"allow_rollup_hdrs": True, "allow_direct": True, "discard": "new"},
    }


def test_the_default_names_are_those_of_the_contract() -> None:
    """With the default root, streams and buckets are called as other programs expect."""
    names = Topology()
    assert (names.events, names.logs, names.commands) == (
        "GAMEPIPELINE_EVENTS",
        "GAMEPIPELINE_LOGS",
        "GAMEPIPELINE_COMMANDS",
    )
    assert (names.snapshots, names.nodes, names.artifacts) == (
        "gamepipeline_snapshots",
        "gamepipeline_nodes",
        "gamepipeline_artifacts",
    )


@pytest.mark.parametrize("root", ["", "a.b", "*", ">", "a b", "ä"])
def test_an_illegal_root_is_refused(root: str) -> None:
    """What may not stand in a subject makes no topology."""
    with pytest.raises(BadInput):
        Topology(root)


async def test_each_stream_has_its_properties(client: Client, topology: Topology) -> None:
    """All that the contract promises reaches the server, and the realm is a ULID in the metadata."""
    realm = await provision(client.jetstream(), topology)
    for stream, properties in expected(topology).items():
        config = await config_of(client, stream)
        assert {key: config[key] for key in properties} == properties, stream
    assert is_ulid(realm.id)
    assert realm.created
    assert (await config_of(client, topology.events))["metadata"]["gamepipeline_realm"] == realm.id


async def test_buckets_are_ordinary_buckets(client: Client, topology: Topology) -> None:
    """Any NATS client can use the key-value buckets and the object store."""
    js = client.jetstream()
    await provision(js, topology)
    for bucket in (topology.snapshots, topology.nodes):
        store = await js.key_value(bucket)
        revision = await store.create("key", b"1")
        await store.update("key", b"2", last=revision)
        assert (await store.get("key")).value == b"2"
    artifacts = await js.object_store(topology.artifacts)
    await artifacts.put("name", b"content")
    assert (await artifacts.get("name")).data == b"content"


async def test_provisioning_again_changes_nothing(client: Client, topology: Topology) -> None:
    """The second call finds the same realm and leaves each property as it is."""
    js = client.jetstream()
    first = await provision(js, topology)
    before = [await config_of(client, stream) for stream in expected(topology)]
    second = await provision(js, topology)
    assert (second.id, second.created, second.tuned) == (first.id, False, ())
    assert [await config_of(client, stream) for stream in expected(topology)] == before


async def test_racing_provisioners_agree_on_one_realm(nats_server: NatsServer, topology: Topology) -> None:
    """Of five that start at once one creates the events stream, and all get its realm."""
    clients = [await connect(nats_server.url, name=f"racer {number}") for number in range(5)]
    realms = await asyncio.gather(*(provision(each.jetstream(), topology) for each in clients))
    for each in clients:
        await each.close()
    assert len({realm.id for realm in realms}) == 1
    assert sum(realm.created for realm in realms) == 1


async def test_events_cannot_be_removed(client: Client, topology: Topology) -> None:
    """Neither deleting one event nor purging all is possible."""
    js = client.jetstream()
    await provision(js, topology)
    stored = await js.publish(topology.subjects.event("p", "T"), b"{}")
    with pytest.raises(APIError):
        await js.delete_msg(topology.events, stored.seq)
    with pytest.raises(APIError):
        await js.purge_stream(topology.events)
    assert (await js.stream_info(topology.events)).state.messages == 1


async def test_one_command_per_subject(client: Client, topology: Topology) -> None:
    """A second execute command for a pipeline is refused while the first is queued."""
    js = client.jetstream()
    await provision(js, topology)
    subject = topology.subjects.execute("default", "p")
    await js.publish(subject, b"{}")
    with pytest.raises(APIError):
        await js.publish(subject, b"{}")
    await js.publish(topology.subjects.execute("default", "q"), b"{}")


@pytest.mark.parametrize(
    ("which", "change", "property_"),
    [
        ("events", {"max_age": 3600.0}, "max_age"),
        ("events", {"discard": DiscardPolicy.OLD}, "discard"),
        ("events", {"deny_delete": False}, "deny_delete"),
        ("events", {"deny_purge": False}, "deny_purge"),
        ("events", {"allow_rollup_hdrs": True, "deny_purge": False}, "allow_rollup_hdrs"),
        ("events", {"allow_msg_ttl": True}, "allow_msg_ttl"),
        ("events", {"compression": None}, "compression"),
        ("events", {"allow_direct": False}, "allow_direct"),
        ("events", {"max_msgs_per_subject": 5}, "max_msgs_per_subject"),
        ("events", {"max_msgs": 5}, "max_msgs"),
        ("events", {"metadata": None}, "metadata.gamepipeline_realm"),
        ("events", {"metadata": {"gamepipeline_realm": "mine"}}, "metadata.gamepipeline_realm"),
        ("logs", {"discard": DiscardPolicy.NEW}, "discard"),
        ("commands", {"discard_new_per_subject": False}, "discard_new_per_subject"),
        ("commands", {"duplicate_window": 1.0}, "duplicate_window"),
    ],
)
async def test_a_stream_with_other_properties_is_refused(
    client: Client, topology: Topology, which: str, change: dict[str, Any], property_: str
) -> None:
    """The difference is named with both values and a fix, and nothing on the server is changed."""
    js = client.jetstream()
    name = str(getattr(topology, which))
    await provision(js, topology)
    right = (await js.stream_info(name)).config
    await js.delete_stream(name)
    await js.add_stream(replace(right, **change))
    wrong = await config_of(client, name)
    with pytest.raises(StreamMismatch) as caught:
        await provision(js, topology)
    assert caught.value.name == name
    assert property_ in [difference.property for difference in caught.value.differences]
    assert property_ in str(caught.value)
    assert caught.value.fix
    assert await config_of(client, name) == wrong


async def test_a_stream_on_those_subjects_under_another_name_is_an_error(client: Client, topology: Topology) -> None:
    """Somebody else's stream that takes our subjects is named as the cause."""
    js = client.jetstream()
    await js.add_stream(name=f"OTHER_{topology.root}", subjects=[f"{topology.root}.>"])
    with pytest.raises(ProvisioningFailed) as caught:
        await provision(js, topology)
    assert "another stream takes" in caught.value.fix


async def test_sizes_that_an_operator_chose_stay(client: Client, topology: Topology) -> None:
    """Other sizes are reported and kept, unless a certain one was asked for."""
    js = client.jetstream()
    await provision(js, topology)
    right = (await js.stream_info(topology.logs)).config
    await js.update_stream(replace(right, max_bytes=64 * MIB, max_age=3600.0))
    realm = await provision(js, topology)
    assert {(stream, change.property, change.found) for stream, change in realm.tuned} == {
        (topology.logs, "max_bytes", 64 * MIB),
        (topology.logs, "max_age", 3600.0),
    }
    with pytest.raises(StreamMismatch):
        await provision(js, topology, StreamOptions(logs_max_bytes=128 * MIB))


async def test_presence_lives_half_as_long_as_a_hold(client: Client, topology: Topology) -> None:
    """The time to live of presence records follows ack_wait, and engines must agree on it."""
    js = client.jetstream()
    await provision(js, topology, StreamOptions(ack_wait=5))
    assert (await config_of(client, f"KV_{topology.nodes}"))["max_age"] == 2.5 * SECOND
    with pytest.raises(StreamMismatch) as caught:
        await provision(js, topology, StreamOptions(ack_wait=20))
    assert caught.value.name == f"KV_{topology.nodes}"


async def test_who_is_no_engine_leaves_the_presence_records_alone(client: Client, topology: Topology) -> None:
    """A client's call neither decides how long a presence record lives nor minds what the engines chose."""
    js = client.jetstream()
    await provision(js, topology, presence=False)
    assert f"KV_{topology.nodes}" not in {info.config.name for info in await js.streams_info()}
    await provision(js, topology, StreamOptions(ack_wait=5))
    await provision(js, topology, presence=False)
    assert (await config_of(client, f"KV_{topology.nodes}"))["max_age"] == 2.5 * SECOND


async def test_a_small_disk_gets_small_streams(client: Client, topology: Topology) -> None:
    """Known free space bounds what is reserved for events and logs."""
    await provision(client.jetstream(), topology, StreamOptions(room=400 * MIB))
    assert (await config_of(client, topology.events))["max_bytes"] == 100 * MIB
    assert (await config_of(client, topology.logs))["max_bytes"] == 100 * MIB


async def test_a_small_server_gets_what_fits(tmp_path: Path) -> None:
    """Default sizes shrink to the server's store; a size that was asked for is refused with the fix."""
    config = tmp_path / "small.conf"
    config.write_text(
        f'listen: "127.0.0.1:-1"\nports_file_dir: "{tmp_path}"\njetstream {{\n'
        f'  store_dir: "{tmp_path}/store"\n  max_file_store: {300 * MIB}\n}}\n'
    )
    with configured_nats(config) as url:
        client = await connect(url, name="test")
        js = client.jetstream()
        with pytest.raises(StoreTooSmall) as caught:
            await provision(js, Topology(), StreamOptions(events_max_bytes=1024 * MIB))
        realm = await provision(js, Topology())
        again = await provision(js, Topology())
        await client.close()
    assert (caught.value.stream, caught.value.wanted) == ("GAMEPIPELINE_EVENTS", 1024 * MIB)
    assert "max_file_store" in caught.value.fix
    assert again.id == realm.id
    assert ("GAMEPIPELINE_EVENTS", 112 * MIB) in [(stream, change.found) for stream, change in realm.tuned]


async def test_consumers_have_their_settings(client: Client, topology: Topology) -> None:
    """One durable pull consumer per pool, one for cancel, one for stop, and any number of creators."""
    js = client.jetstream()
    options = StreamOptions(ack_wait=7.5, max_ack_pending=123)
    await provision(js, topology, options)
    wanted = {
        "execute_gpu-1": (execute_consumer(topology, "gpu-1", options), f"{topology.root}.commands.execute.gpu-1.>"),
        "cancel": (cancel_consumer(topology, options), f"{topology.root}.commands.cancel.>"),
        "stop": (stop_consumer(topology, options), f"{topology.root}.commands.stop.>"),
    }
    for name, (config, subject) in wanted.items():
        await asyncio.gather(*(ensure_consumer(js, topology, config) for _ in range(3)))
        found = (await js.consumer_info(topology.commands, name)).config
        assert (found.durable_name, found.filter_subject, found.ack_policy) == (name, subject, "explicit")
        assert (found.ack_wait, found.max_deliver, found.max_ack_pending) == (7.5, -1, 123)
        assert (found.deliver_subject, found.backoff) == (None, None)


async def test_a_consumer_with_other_settings_is_refused(client: Client, topology: Topology) -> None:
    """An engine with another ack_wait gets an error; the consumer of the others stays as it was."""
    js = client.jetstream()
    await provision(js, topology)
    await ensure_consumer(js, topology, execute_consumer(topology, "default", StreamOptions(ack_wait=20)))
    with pytest.raises(StreamMismatch) as caught:
        await ensure_consumer(js, topology, execute_consumer(topology, "default", StreamOptions(ack_wait=5)))
    assert [(each.property, each.wanted, each.found) for each in caught.value.differences] == [("ack_wait", 5, 20)]
    assert (await js.consumer_info(topology.commands, "execute_default")).config.ack_wait == 20


async def test_a_private_pool_is_forgotten(client: Client, topology: Topology) -> None:
    """The consumer of a pool that nobody asks any more removes itself; the others never do."""
    js = client.jetstream()
    options = StreamOptions()
    await provision(js, topology, options)
    private = await ensure_consumer(js, topology, execute_consumer(topology, "run-1", options, forgotten_after=60))
    assert private.config.inactive_threshold == 60
    assert cancel_consumer(topology, options).inactive_threshold is None


async def test_a_consumer_without_its_stream_is_an_error(client: Client, topology: Topology) -> None:
    """Before provisioning there is nothing to consume, and the error says where."""
    config = cancel_consumer(topology, StreamOptions())
    with pytest.raises(ProvisioningFailed) as caught:
        await ensure_consumer(client.jetstream(), topology, config)
    assert caught.value.name == f"{topology.commands}/cancel"
