"""The adapters of the CommandQueue port behind one face, so that one suite tests them all."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from nats.aio.client import Client
from ulid import ULID

from gamepipeline_engine.broker.streams import StreamOptions, Topology
from gamepipeline_engine.commands.memory import MemoryCommandQueue, MemoryCommands
from gamepipeline_engine.commands.queue import JetStreamCommandQueue
from gamepipeline_engine.commands.queue_port import CommandQueue, Delivery
from gamepipeline_events import Execute, Subjects
from gamepipeline_events.subjects import CommandSubject
from tests.support.journals import connected, own_streams
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

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
async def memory_rig(ack_wait: float) -> AsyncIterator[Rig]:
    """The adapter in memory."""
    commands = MemoryCommands(ack_wait=ack_wait)
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
async def jetstream_rig(url: str, ack_wait: float) -> AsyncIterator[Rig]:
    """The adapter on a real server."""
    options = StreamOptions(ack_wait=ack_wait)
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
