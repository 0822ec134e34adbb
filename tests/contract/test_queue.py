"""The contract of the CommandQueue port, on every adapter."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import msgspec
import pytest
from nats.aio.client import Client
from ulid import ULID

from gamepipeline_engine.broker.errors import StreamMismatch
from gamepipeline_engine.broker.streams import StreamOptions, Topology
from gamepipeline_engine.commands.memory import MemoryCommandQueue, MemoryCommands
from gamepipeline_engine.commands.queue import JetStreamCommandQueue
from gamepipeline_engine.commands.queue_port import (
    AlreadyQueued,
    CommandQueue,
    Delivery,
    QueueRefused,
    QueueUnavailable,
    Stored,
)
from gamepipeline_events import BadInput, Cancel, Execute, Stop, Subjects
from gamepipeline_events.subjects import CommandSubject
from tests.support.journals import connected, own_streams
from tests.support.nats import NatsServer
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

pytestmark = pytest.mark.timeout(60)

SHORT = 0.05
"""Seconds to wait for what must not come."""

ACK_WAIT = 1.0


@dataclass
class Rig:
    """Two queues on one stream: ``queue`` can be cut off, ``other`` is another engine."""

    subjects: Subjects
    queue: CommandQueue
    other: CommandQueue
    raw: Callable[[str, bytes], Awaitable[int]]
    away: Callable[[], Awaitable[None]]
    back: Callable[[], Awaitable[None]]
    fill: Callable[[], Awaitable[None]]


@asynccontextmanager
async def memory_rig() -> AsyncIterator[Rig]:
    """The adapter in memory."""
    commands = MemoryCommands(ack_wait=ACK_WAIT)
    queue = MemoryCommandQueue(commands)

    async def raw(subject: str, payload: bytes) -> int:
        return commands.add(subject, payload)

    async def away() -> None:
        queue.away = True

    async def back() -> None:
        queue.away = False

    async def fill() -> None:
        commands.capacity = 0

    yield Rig(commands.subjects, queue, MemoryCommandQueue(commands), raw, away, back, fill)


@asynccontextmanager
async def jetstream_rig(url: str) -> AsyncIterator[Rig]:
    """The adapter on a real server."""
    options = StreamOptions(ack_wait=ACK_WAIT)
    async with (
        connected(url) as direct,
        own_streams(direct, options) as topology,
        tcp_proxy(url) as proxy,
        connected(proxy.url) as client,
    ):
        yield _rig(topology, options, direct, proxy, client)


def _rig(topology: Topology, options: StreamOptions, direct: Client, proxy: TcpProxy, client: Client) -> Rig:
    js = direct.jetstream()

    async def raw(subject: str, payload: bytes) -> int:
        return (await js.publish(subject, payload)).seq

    async def away() -> None:
        proxy.refuse()

    async def back() -> None:
        await proxy.mend()

    async def fill() -> None:
        config = (await js.stream_info(topology.commands)).config
        await js.update_stream(replace(config, max_bytes=1))

    queue = JetStreamCommandQueue(client, topology, options, limit=1.0)
    return Rig(topology.subjects, queue, JetStreamCommandQueue(direct, topology, options), raw, away, back, fill)


@pytest.fixture(params=["memory", "jetstream"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on a stream of its own."""
    if request.param == "memory":
        async with memory_rig() as memory:
            yield memory
    else:
        server: NatsServer = request.getfixturevalue("nats_server")
        async with jetstream_rig(server.url) as jetstream:
            yield jetstream


def execute(name: str = "x") -> Execute:
    """An execute command of its own."""
    return Execute(id=str(ULID()), pipeline={"name": name})


def at(pipeline_id: str, pool: str = "default") -> CommandSubject:
    """Where an execute command goes."""
    return CommandSubject("execute", pipeline_id, pool)


async def fetched(queue: CommandQueue, *pools: str) -> Delivery:
    """The next execute command, which must come."""
    delivery = await queue.next_execute(pools or ("default",))
    assert delivery is not None
    return delivery


# publishing


async def test_published_is_delivered(rig: Rig) -> None:
    """A command is delivered with its subject, its bytes and its sequence."""
    command = execute()
    stored = await rig.queue.publish(at("p"), command)
    assert isinstance(stored, Stored)
    assert not stored.duplicate
    delivery = await fetched(rig.queue)
    assert rig.subjects.parse_command(delivery.subject) == at("p")
    assert msgspec.json.decode(delivery.payload, type=Execute) == command
    assert (delivery.sequence, delivery.delivered_count) == (stored.sequence, 1)
    assert await delivery.ack()


async def test_same_command_again(rig: Rig) -> None:
    """The same command published again is stored at the same place, also after it was delivered."""
    command = execute()
    first = await rig.queue.publish(at("p"), command)
    assert isinstance(first, Stored)
    assert await rig.queue.publish(at("p"), command) == Stored(first.sequence, duplicate=True)
    await (await fetched(rig.queue)).ack()
    assert await rig.other.publish(at("p"), command) == Stored(first.sequence, duplicate=True)
    assert await rig.queue.next_execute(["default"], SHORT) is None


async def test_one_command_per_subject(rig: Rig) -> None:
    """A second command on the subject is not stored, and the answer says what waits there."""
    first = execute("first")
    stored = await rig.queue.publish(at("p"), first)
    assert isinstance(stored, Stored)
    answer = await rig.queue.publish(at("p"), execute("second"))
    assert isinstance(answer, AlreadyQueued)
    assert answer.queued is not None
    assert (answer.queued.sequence, answer.queued.subject) == (stored.sequence, at("p"))
    assert answer.queued.execute() == first
    assert isinstance(await rig.queue.publish(at("p", "other"), execute()), Stored)
    delivery = await fetched(rig.queue)
    assert isinstance(await rig.queue.publish(at("p"), execute("third")), AlreadyQueued)
    await delivery.ack()
    assert isinstance(await rig.queue.publish(at("p"), execute("fourth")), Stored)


async def test_fifty_publishers_one_winner(rig: Rig) -> None:
    """Of fifty commands on one subject one is stored."""
    answers = await asyncio.gather(*((rig.queue, rig.other)[n % 2].publish(at("p"), execute()) for n in range(50)))
    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyQueued"] * 49 + ["Stored"]


async def test_too_large(rig: Rig) -> None:
    """A command above 768 KiB is refused before it is sent."""
    for size in (768 * 1024, 2 * 1024 * 1024):
        with pytest.raises(QueueRefused) as caught:
            await rig.queue.publish(at("p"), execute("x" * size))
        assert not caught.value.full
    assert isinstance(await rig.queue.publish(at("p"), execute("x" * (768 * 1024 - 200))), Stored)


async def test_full(rig: Rig) -> None:
    """A full stream refuses with ``full``."""
    await rig.fill()
    with pytest.raises(QueueRefused) as caught:
        await rig.queue.publish(at("p"), execute())
    assert caught.value.full


@pytest.mark.parametrize(
    "subject",
    [
        CommandSubject("execute", "p"),
        CommandSubject("cancel", "p", "pool"),
        CommandSubject("rm", "p"),
        CommandSubject("execute", "a.b", "default"),
        CommandSubject("execute", "p", "*"),
        CommandSubject("stop", ">"),
    ],
)
async def test_illegal_subject(rig: Rig, subject: CommandSubject) -> None:
    """What names no command, or holds an illegal id, is refused."""
    with pytest.raises(BadInput):
        await rig.queue.publish(subject, execute())


# delivering


async def test_nothing_to_do(rig: Rig) -> None:
    """Without a command the fetches end with None."""
    assert await rig.queue.next_execute(["default", "node-1"], SHORT) is None
    assert await rig.queue.next_control(SHORT) is None


async def test_pools(rig: Rig) -> None:
    """A command is delivered to those who serve its pool, from whichever of their pools has one."""
    for pool in ("a", "b", "c"):
        await rig.queue.publish(at(f"p-{pool}", pool), execute())
    found = {(await fetched(rig.queue, "a", "b")).subject for _ in range(2)}
    assert found == {rig.subjects.execute("a", "p-a"), rig.subjects.execute("b", "p-b")}
    assert await rig.queue.next_execute(["a", "b"], SHORT) is None
    assert (await fetched(rig.other, "c")).subject == rig.subjects.execute("c", "p-c")


async def test_waiting_fetch_gets_the_next_command(rig: Rig) -> None:
    """A fetch that waits gets the command as soon as it is published."""
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(fetched(rig.queue, "a", "default"))
        await rig.other.prepare(["default"])
        await rig.other.publish(at("p"), execute())
    delivery = waiting.result()
    assert rig.subjects.parse_command(delivery.subject).pipeline_id == "p"


async def test_one_command_one_fetcher(rig: Rig) -> None:
    """Twenty commands and forty fetches of two engines: each command is delivered once."""
    for number in range(20):
        await rig.queue.publish(at(f"p{number}"), execute())

    async def fetch(queue: CommandQueue) -> str | None:
        delivery = await queue.next_execute(["default", "spare"], 0.5)
        if delivery is None:
            return None
        assert await delivery.ack()
        return delivery.subject

    results = await asyncio.gather(*(fetch((rig.queue, rig.other)[number % 2]) for number in range(40)))
    subjects = [subject for subject in results if subject is not None]
    while (last := await fetch(rig.other)) is not None:
        subjects.append(last)
    assert sorted(subjects) == sorted(rig.subjects.execute("default", f"p{number}") for number in range(20))


async def test_held_is_nobody_elses(rig: Rig) -> None:
    """A command that is held is not delivered to anybody else, for longer than ``ack_wait``."""
    await rig.queue.publish(at("p"), execute())
    delivery = await fetched(rig.queue)
    for _ in range(4):
        assert await rig.other.next_execute(["default"], ACK_WAIT / 2.5) is None
        await delivery.hold()
    assert await delivery.ack()
    assert await rig.other.queued("p") is None


async def test_forgotten_is_delivered_again(rig: Rig) -> None:
    """A command that nobody holds or acks is delivered again, and counts it."""
    await rig.queue.publish(at("p"), execute())
    first = await fetched(rig.queue)
    second = await fetched(rig.other)
    assert (second.sequence, second.delivered_count) == (first.sequence, 2)
    assert await first.ack()  # nothing is fenced here
    assert await rig.other.queued("p") is None


async def test_given_back(rig: Rig) -> None:
    """A command given back is delivered again, at once or after the delay."""
    await rig.queue.publish(at("p"), execute())
    await (await fetched(rig.queue)).nak()
    again = await fetched(rig.other)
    assert again.delivered_count == 2
    await again.nak(0.3)
    assert await rig.other.next_execute(["default"], SHORT) is None
    assert (await fetched(rig.queue)).delivered_count == 3


async def test_terminated(rig: Rig) -> None:
    """A command that is termed is gone."""
    await rig.queue.publish(at("p"), execute())
    assert await (await fetched(rig.queue)).term()
    assert await rig.queue.queued("p") is None


async def test_control(rig: Rig) -> None:
    """Cancel and stop commands come through ``next_control``, execute commands do not."""
    await rig.queue.publish(CommandSubject("cancel", "p"), Cancel(id=str(ULID())))
    await rig.queue.publish(CommandSubject("stop", "p"), Stop(id=str(ULID())))
    await rig.queue.publish(at("p"), execute())
    kinds = set()
    for _ in range(2):
        delivery = await rig.queue.next_control()
        assert delivery is not None
        kinds.add(rig.subjects.parse_command(delivery.subject).command)
        await delivery.ack()
    assert kinds == {"cancel", "stop"}
    assert await rig.queue.next_control(SHORT) is None


async def test_payloads_are_handed_on(rig: Rig) -> None:
    """What is no command is delivered all the same, and ``queued`` shows it without a command."""
    for number, payload in enumerate((b"", b"not json", b"\xff\xfe", b"[" * 10_000, b'{"id":1}')):
        await rig.raw(rig.subjects.execute("default", f"p{number}"), payload)
        queued = await rig.queue.queued(f"p{number}")
        assert queued is not None
        assert queued.execute() is None
        delivery = await fetched(rig.queue)
        assert delivery.payload == payload
        assert await delivery.term()


async def test_cancelled_fetch_loses_nothing(rig: Rig) -> None:
    """A command that comes when the fetch was cancelled goes to the next fetch at once."""
    for number in range(5):
        waiting = asyncio.get_running_loop().create_task(rig.queue.next_execute(["default"]))
        await asyncio.wait({waiting}, timeout=SHORT)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await rig.other.publish(at(f"p{number}"), execute())
        delivery = await rig.other.next_execute(["default"], ACK_WAIT / 2)
        assert delivery is not None
        assert await delivery.ack()


# looking


async def test_queued(rig: Rig) -> None:
    """``queued`` is the pipeline's execute command until it is acked, whatever its pool."""
    command = execute()
    assert await rig.queue.queued("p") is None
    stored = await rig.queue.publish(at("p", "some-pool"), command)
    await rig.queue.publish(at("pp", "some-pool"), execute())
    await rig.queue.publish(CommandSubject("cancel", "p"), Cancel(id=str(ULID())))
    assert isinstance(stored, Stored)

    async def check() -> None:
        queued = await rig.other.queued("p")
        assert queued is not None
        assert (queued.sequence, queued.subject, queued.execute()) == (stored.sequence, at("p", "some-pool"), command)

    await check()
    delivery = await fetched(rig.queue, "some-pool")
    await check()
    assert await delivery.ack()
    assert await rig.queue.queued("p") is None
    assert await rig.queue.queued("pp") is not None


async def test_remove(rig: Rig) -> None:
    """A command that was removed is not delivered; removing it again says that it was gone."""
    await rig.queue.publish(at("p"), execute())
    queued = await rig.queue.queued("p")
    assert queued is not None
    assert await rig.other.remove(queued)
    assert not await rig.other.remove(queued)
    assert await rig.queue.queued("p") is None
    assert await rig.queue.next_execute(["default"], SHORT) is None


async def test_removed_while_held(rig: Rig) -> None:
    """Who holds a command that is removed can still hold and ack it."""
    await rig.queue.publish(at("p"), execute())
    delivery = await fetched(rig.queue)
    queued = await rig.queue.queued("p")
    assert queued is not None
    assert await rig.other.remove(queued)
    await delivery.hold()
    assert await delivery.ack()


# away


async def test_away(rig: Rig) -> None:
    """Without an answer every call says so; an ack says False; afterwards everything works."""
    await rig.queue.publish(at("p"), execute())
    delivery = await fetched(rig.queue)
    await rig.away()
    with pytest.raises(QueueUnavailable):
        await rig.queue.publish(at("q"), execute())
    with pytest.raises(QueueUnavailable):
        await rig.queue.queued("p")
    with pytest.raises(QueueUnavailable):
        await rig.queue.next_execute(["default"], SHORT)
    with pytest.raises(QueueUnavailable):
        await rig.queue.next_control(SHORT)
    with pytest.raises(QueueUnavailable):
        await delivery.hold()
    assert not await delivery.ack()
    assert not await delivery.term()
    await delivery.nak()
    await rig.back()
    again = await rig.queue.next_execute(["default"])
    assert again is not None
    assert again.delivered_count == 2
    assert await again.ack()


# JetStream only


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
