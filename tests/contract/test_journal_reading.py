"""Reads and follows on a real server: long histories, restarts, what is left on the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from functools import partial
from pathlib import Path

import pytest
from nats.aio.client import Client

from gamepipeline_events import Subjects
from gamepipeline_projections.reading import EventReader, JournalUnavailable, Recorded, tail
from gamepipeline_projections.reading.stream import StreamReader
from tests.support.journals import JetStreamRig, all_of, jetstream_rig, made
from tests.support.nats import NatsServer, running_nats

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def rig(nats_server: NatsServer) -> AsyncIterator[JetStreamRig]:
    """A journal behind a proxy."""
    async with jetstream_rig(nats_server.url) as rig:
        yield rig


async def pour(client: Client, subject: str, payloads: list[bytes]) -> None:
    """Publish without conditions, as fast as the server takes it; returns when all are stored."""
    js = client.jetstream()
    for start in range(0, len(payloads), 500):
        part = payloads[start : start + 500]
        await asyncio.gather(*(js.publish(subject, payload, timeout=30) for payload in part))


async def consumers(rig: JetStreamRig) -> int:
    """How many consumers the events stream has."""
    info = await rig.direct.jetstream().stream_info(rig.topology.events)
    return info.state.consumer_count


async def none_left(rig: JetStreamRig) -> None:
    """Wait for a deletion whose answer was too slow for who asked for it."""
    while await consumers(rig):
        pass


async def test_twenty_thousand_events(rig: JetStreamRig) -> None:
    """A read of 20,000 events is complete and in order, of one pipeline and of all."""
    subject = rig.subjects.event("long", "StepSkipped")
    payloads = [b'{"n":%d}' % number for number in range(20_000)]
    await pour(rig.direct, subject, payloads)
    reader = EventReader(rig.client, rig.subjects, rig.topology.events)
    found = await all_of(reader.read("long"))
    assert [record.sequence for record in found] == list(range(1, 20_001))
    assert sorted(record.payload for record in found) == sorted(payloads)
    assert await all_of(reader.read_all()) == found
    assert await all_of(reader.read_all(19_990, "StepSkipped")) == found[19_990:]
    assert await all_of(reader.read("short")) == []


async def test_short_history_among_many(rig: JetStreamRig) -> None:
    """A short history between long ones is read whole."""
    expected = []
    for _ in range(10):
        await pour(rig.direct, rig.subjects.event("long", "StepSkipped"), [b"{}"] * 300)
        expected.append(await rig.store(*made("short")))
    found = await all_of(rig.journal.read("short"))
    assert [record.sequence for record in found] == expected


async def test_read_over_broken_connections(rig: JetStreamRig) -> None:
    """A read whose connection breaks again and again goes on where it was: no gap, no double."""
    await pour(rig.direct, rig.subjects.event("p", "StepSkipped"), [b"x" * 2000] * 5_000)
    found = []
    async for record in rig.journal.read("p"):
        found.append(record.sequence)
        if len(found) in {10, 1500, 3000}:
            rig.proxy.cut()
    assert found == list(range(1, 5_001))


async def test_follow_over_restarts(tmp_path: Path) -> None:
    """A follow over two restarts of the server yields every event once, in order."""
    with ExitStack() as stack:
        server = stack.enter_context(running_nats(tmp_path / "nats"))
        async with jetstream_rig(server.url) as rig:
            found: list[int] = []
            enough = asyncio.Condition()

            def reached(count: int) -> bool:
                return len(found) >= count

            async def follow() -> None:
                async with aclosing(rig.journal.follow()) as records:
                    async for record in records:
                        async with enough:
                            found.append(record.sequence)
                            enough.notify_all()
                        if len(found) == 90:
                            return

            async with asyncio.TaskGroup() as group:
                group.create_task(follow())
                for turn in range(3):
                    last = 0
                    for seq in range(30):
                        last = await rig.journal.append(*made(f"p{turn}", seq + 1), last)
                    if turn == 2:
                        break
                    async with enough:
                        await enough.wait_for(partial(reached, 30 * turn + 15))
                    server.process.kill()
                    rig.proxy.refuse()
                    await asyncio.to_thread(server.process.wait)
                    server = await asyncio.to_thread(stack.enter_context, running_nats(tmp_path / "nats"))
                    await rig.proxy.mend(server.url)
            assert found == list(range(1, 91))


async def test_consumer_taken_away(rig: JetStreamRig) -> None:
    """A follow whose consumer somebody deletes goes on with another one, without a gap."""
    js = rig.direct.jetstream()
    async with aclosing(rig.journal.follow("p")) as records:
        last = await rig.journal.append(*made("p", 1), 0)
        assert (await anext(records)).sequence == last
        waiting = asyncio.get_running_loop().create_task(_next(records))
        while not (infos := await js.consumers_info(rig.topology.events)):
            await asyncio.wait({waiting}, timeout=0.02)
        await js.delete_consumer(rig.topology.events, infos[0].name)
        last = await rig.journal.append(*made("p", 2), last)
        assert await waiting == last


async def test_nothing_is_left_on_the_server(rig: JetStreamRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A follow that is closed or cancelled removes its consumer; a read never makes one."""
    monkeypatch.setattr(tail, "INACTIVE", 3600.0)  # the server itself would remove it too late
    last = await rig.journal.append(*made("p", 1), 0)
    assert len(await all_of(rig.journal.read("p"))) == 1
    assert await consumers(rig) == 0
    async with aclosing(rig.journal.follow("p")) as records:
        await anext(records)
        await rig.store(*made("p", 2))
        assert (await anext(records)).sequence > last
        assert await consumers(rig) == 1
    await none_left(rig)

    async def for_ever() -> None:
        async with aclosing(rig.journal.follow("p")) as records:
            async for _ in records:
                started.set()

    started = asyncio.Event()
    task = asyncio.get_running_loop().create_task(for_ever())
    await started.wait()
    while await consumers(rig) == 0:
        await asyncio.wait({task}, timeout=0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await none_left(rig)


async def test_expired_messages_do_not_hold_up_a_read(rig: JetStreamRig) -> None:
    """A read whose last message vanishes before it is reached ends with what is there."""
    js = rig.direct.jetstream()
    subject = rig.subjects.log("p", "a")
    for _ in range(3):
        await js.publish(subject, b"{}")
    reader = StreamReader(rig.client, rig.topology.logs)
    found = []
    async for record in reader.read(subject, 0):
        found.append(record.sequence)
        if record.sequence == 1:
            await js.delete_msg(rig.topology.logs, 3)
    assert found[:2] == [1, 2]


async def test_stream_that_does_not_exist(rig: JetStreamRig) -> None:
    """A read of a stream that is not there raises: it is not an empty history."""
    reader = EventReader(rig.client, Subjects("nowhere"), "NOWHERE_EVENTS", patience=0.1)
    with pytest.raises(JournalUnavailable, match="stream not found"):
        await all_of(reader.read("p"))


async def _next(records: AsyncIterator[Recorded]) -> int:
    return (await anext(records)).sequence
