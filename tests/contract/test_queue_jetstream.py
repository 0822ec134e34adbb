"""What JetStreamCommandQueue makes of other settings, deleted consumers and broken connections."""

import asyncio

import pytest

from gamepipeline_engine.broker.errors import StreamMismatch
from gamepipeline_engine.broker.streams import StreamOptions
from gamepipeline_engine.commands.queue import JetStreamCommandQueue
from gamepipeline_engine.commands.queue_port import QueueUnavailable
from tests.support.journals import connected, own_streams
from tests.support.nats import NatsServer
from tests.support.queues import ACK_WAIT, SHORT, at, execute, fetched
from tests.support.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.timeout(60)


async def test_other_timing_is_refused(nats_server: NatsServer) -> None:
    """A consumer that exists with another ``ack_wait`` is not changed and not used."""
    async with connected(nats_server.url) as client, own_streams(client) as topology:
        await JetStreamCommandQueue(client, topology, StreamOptions(ack_wait=20)).prepare(["default"])
        late = JetStreamCommandQueue(client, topology, StreamOptions(ack_wait=5))
        with pytest.raises(StreamMismatch):
            await late.next_execute(["default"])
        info = await client.jetstream().consumer_info(topology.commands, "execute_default")
        assert info.config.ack_wait == 20


async def test_consumer_taken_away(nats_server: NatsServer) -> None:
    """A fetch whose consumer somebody deletes says so; the next one makes it again."""
    async with connected(nats_server.url) as client, own_streams(client) as topology:
        queue = JetStreamCommandQueue(client, topology)
        await queue.prepare(["default"])
        await client.jetstream().delete_consumer(topology.commands, "execute_default")
        with pytest.raises(QueueUnavailable):
            await queue.next_execute(["default"])
        await queue.publish(at("p"), execute())
        assert (await fetched(queue)).delivered_count == 1


async def test_fetch_over_a_broken_connection(nats_server: NatsServer) -> None:
    """A fetch that waits while the connection breaks asks again on the new one."""
    options = StreamOptions(ack_wait=ACK_WAIT)  # the old request may still take the command with it
    async with (
        connected(nats_server.url) as direct,
        own_streams(direct, options) as topology,
        tcp_proxy(nats_server.url) as proxy,
        connected(proxy.url) as client,
    ):
        queue = JetStreamCommandQueue(client, topology, options)
        await queue.prepare(["default"])
        waiting = asyncio.get_running_loop().create_task(fetched(queue))
        await asyncio.wait({waiting}, timeout=SHORT)
        proxy.cut()
        await JetStreamCommandQueue(direct, topology, options).publish(at("p"), execute())
        assert (await waiting).subject == topology.subjects.execute("default", "p")


async def test_unprepared_fetch_while_away(nats_server: NatsServer) -> None:
    """A first fetch while the server is away is unavailable, and the next one makes the consumer."""
    async with (
        connected(nats_server.url) as direct,
        own_streams(direct) as topology,
        tcp_proxy(nats_server.url) as proxy,
        connected(proxy.url) as client,
    ):
        queue = JetStreamCommandQueue(client, topology)
        await JetStreamCommandQueue(direct, topology).publish(at("p"), execute())
        proxy.refuse()
        with pytest.raises(QueueUnavailable):
            await queue.next_execute(["default"], SHORT)
        await proxy.mend()
        while not client.is_connected:
            await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0.05)
        assert (await fetched(queue)).delivered_count == 1
