"""The contract of the CommandQueue port, on every adapter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest
from ulid import ULID

from gamepipeline_engine.commands.queue_port import (
    AlreadyQueued,
    CommandQueue,
    QueueRefused,
    QueueUnavailable,
    Stored,
)
from gamepipeline_events import BadInput, Cancel, Execute, Stop
from gamepipeline_events.subjects import CommandSubject
from tests.support.nats import NatsServer
from tests.support.queues import ACK_WAIT, SHORT, Rig, at, execute, fetched, jetstream_rig, memory_rig

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["memory", "jetstream"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on a stream of its own; who forgets a command loses it soon."""
    async with _rig(request, ACK_WAIT) as rig:
        yield rig


@pytest.fixture(params=["memory", "jetstream"])
async def patient_rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on a stream of its own; who forgets a command keeps it for longer than a test takes."""
    async with _rig(request, 600.0) as rig:
        yield rig


def _rig(request: pytest.FixtureRequest, ack_wait: float) -> AbstractAsyncContextManager[Rig]:
    if request.param == "memory":
        return memory_rig(ack_wait)
    server: NatsServer = request.getfixturevalue("nats_server")
    return jetstream_rig(server.url, ack_wait)


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


async def test_cancelled_fetch_loses_nothing(patient_rig: Rig) -> None:
    """A command that comes when the fetch was cancelled goes to the next fetch, not lost for ``ack_wait``."""
    rig = patient_rig
    for number in range(5):
        waiting = asyncio.get_running_loop().create_task(rig.queue.next_execute(["default"]))
        await asyncio.wait({waiting}, timeout=SHORT)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await rig.other.publish(at(f"p{number}"), execute())
        while (delivery := await rig.other.next_execute(["default"])) is None:
            pass
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
