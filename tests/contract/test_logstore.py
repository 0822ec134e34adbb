"""The contract of the LogStore port, on every adapter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from gamepipeline_engine.journal.faults import Full, Silence
from gamepipeline_engine.journal.port import Conflict, JournalUnavailable, NotStored, Recorded
from gamepipeline_events import BadInput
from gamepipeline_events.ids import PIPELINE_LEVEL
from gamepipeline_projections.reading import LogReader
from tests.support.journals import (
    JetStreamRig,
    MemoryRig,
    Rig,
    all_of,
    jetstream_rig,
    made_log,
    memory_rig,
)
from tests.support.nats import NatsServer

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["memory", "jetstream"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on streams of its own."""
    if request.param == "memory":
        async with memory_rig() as memory:
            yield memory
    else:
        server: NatsServer = request.getfixturevalue("nats_server")
        async with jetstream_rig(server.url) as jetstream:
            yield jetstream


@pytest.fixture
async def jetstream(nats_server: NatsServer) -> AsyncIterator[JetStreamRig]:
    """JetStream behind a proxy."""
    async with jetstream_rig(nats_server.url) as rig:
        yield rig


@pytest.fixture
async def memory() -> AsyncIterator[MemoryRig]:
    """The adapter in memory."""
    async with memory_rig() as rig:
        yield rig


async def test_records_come_back_in_the_order_of_publishing(rig: Rig) -> None:
    """What was published of a step is read back byte for byte, in order."""
    published = []
    for chunk in range(1, 6):
        event, payload = made_log("p", chunk)
        sequence = await rig.logs.publish(event, payload, "a")
        published.append(Recorded(sequence, rig.subjects.log("p", "a"), payload))
    assert await all_of(rig.logs.read("p", "a")) == published
    assert await all_of(rig.logs.read("p", "a", after=published[2].sequence)) == published[3:]


async def test_records_of_a_step_of_a_pipeline_and_of_no_step(rig: Rig) -> None:
    """A read is of one step, of what belongs to no step, or of the whole pipeline."""
    for step in ("a", "b", None):
        await rig.logs.publish(*made_log("p"), step)
        await rig.logs.publish(*made_log("q"), step)

    async def steps(step: str | None) -> list[str | None]:
        found = await all_of(rig.logs.read("p", step))
        return [rig.subjects.parse_log(record.subject).step_id for record in found]

    assert await steps(None) == ["a", "b", None]
    assert await steps("b") == ["b"]
    assert await steps(PIPELINE_LEVEL) == [None]
    assert await steps("c") == []


async def test_published_again_is_stored_once(rig: Rig) -> None:
    """The same record published again, because its outcome was unknown, is the same record."""
    event, payload = made_log("p")
    first = await rig.logs.publish(event, payload, "a")
    assert await rig.logs.publish(event, payload, "a") == first
    assert len(await all_of(rig.logs.read("p"))) == 1


async def test_behind_what_is_known(rig: Rig) -> None:
    """With ``after`` a record is stored only where nothing else came; other steps do not count."""
    first = await rig.logs.publish(*made_log("p"), "a", after=0)
    await rig.logs.publish(*made_log("p"), "b")
    second, payload = made_log("p", 2)
    sequence = await rig.logs.publish(second, payload, "a", after=first)
    with pytest.raises(Conflict) as caught:
        await rig.logs.publish(*made_log("p", 2), "a", after=first)
    assert (caught.value.expected, caught.value.found) == (first, sequence)
    assert [one.sequence for one in await all_of(rig.logs.read("p", "a"))] == [first, sequence]


async def test_behind_what_is_known_again(rig: Rig) -> None:
    """The same record again is no conflict with itself, even if something came behind it."""
    event, payload = made_log("p")
    first = await rig.logs.publish(event, payload, "a", after=0)
    assert await rig.logs.publish(event, payload, "a", after=0) == first
    await rig.logs.publish(*made_log("p", 2), "a")
    assert await rig.logs.publish(event, payload, "a", after=0) == first
    assert len(await all_of(rig.logs.read("p"))) == 2


async def test_behind_what_has_expired(jetstream: JetStreamRig) -> None:
    """A record goes behind one that the stream has dropped for its age."""
    first = await jetstream.logs.publish(*made_log("p"), "a", after=0)
    js = jetstream.direct.jetstream()
    assert await js.purge_stream(jetstream.topology.logs, subject=jetstream.subjects.log("p", "a"))
    assert await jetstream.logs.publish(*made_log("p", 2), "a", after=first) > first


async def test_an_id_that_somebody_else_used_is_no_success(rig: Rig) -> None:
    """A record whose id was taken by another record is not reported as stored."""
    event, payload = made_log("p", text="mine")
    await rig.logs.publish(event, payload, "a")
    other = payload.replace(b"mine", b"evil")
    with pytest.raises(NotStored):
        await rig.logs.publish(event, other, "a")


async def test_too_large(rig: Rig) -> None:
    """A record above the server's limit is refused before it is sent."""
    with pytest.raises(NotStored) as caught:
        await rig.logs.publish(*made_log("p", text="x" * 1024 * 1024), "a")
    assert not caught.value.full
    await rig.logs.publish(*made_log("p"), "a")


async def test_away(rig: Rig) -> None:
    """Without an answer ``publish`` gives up, and again with the same record it stores once."""
    event, payload = made_log("p")
    await rig.away()
    with pytest.raises(JournalUnavailable):
        await rig.logs.publish(event, payload, "a")
    await rig.back()
    while True:
        try:
            await rig.logs.publish(event, payload, "a")
        except JournalUnavailable:
            continue
        break
    assert [record.payload for record in await all_of(rig.logs.read("p"))] == [payload]


async def test_follow(rig: Rig) -> None:
    """``follow`` yields what is stored and then what comes, of the step asked for."""
    await rig.logs.publish(*made_log("p", 1), "a")
    async with aclosing(rig.logs.follow("p", "a")) as records:
        found = [await anext(records)]
        for chunk in (2, 3):
            await rig.logs.publish(*made_log("p", chunk), "b")
            await rig.logs.publish(*made_log("p", chunk), "a")
            found.append(await anext(records))
    assert found == await all_of(rig.logs.read("p", "a"))


@pytest.mark.parametrize("bad", ["", "a.b", "*", ">", "_a", "a b", "x" * 65])
async def test_illegal_step(rig: Rig, bad: str) -> None:
    """A step id that may not stand in a subject is refused by every method."""
    with pytest.raises(BadInput):
        await rig.logs.publish(*made_log("p"), bad)
    with pytest.raises(BadInput):
        await all_of(rig.logs.read("p", bad))
    with pytest.raises(BadInput):
        await anext(rig.logs.follow("p", bad))


async def test_lost_acknowledgement(jetstream: JetStreamRig) -> None:
    """A record whose acknowledgement got lost is stored once, within the same call."""
    jetstream.proxy.to_client.set("drop")
    event, payload = made_log("p")
    task = asyncio.get_running_loop().create_task(jetstream.logs.publish(event, payload, "a"))
    reader = LogReader(jetstream.direct, jetstream.subjects, jetstream.topology.logs)
    async with aclosing(reader.follow("p", "a")) as records:
        stored = await anext(records)
    jetstream.proxy.cut()
    await jetstream.proxy.mend()
    results = await asyncio.gather(task, return_exceptions=True)
    if not isinstance(results[0], int):  # the client was not back within the call's limit
        assert isinstance(results[0], JournalUnavailable)
        while not jetstream.client.is_connected:
            await asyncio.wait({task}, timeout=0.05)
        assert await jetstream.logs.publish(event, payload, "a") == stored.sequence
    assert len(await all_of(reader.read("p"))) == 1


async def test_scripted_faults(memory: MemoryRig) -> None:
    """The memory store does as it is told: silence, silence although stored, full."""
    event, payload = made_log("p")
    memory.logs.script(Silence(), Silence(stored=True), Full(), None)
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            await memory.logs.publish(event, payload, "a")
    with pytest.raises(NotStored) as caught:
        await memory.logs.publish(event, payload, "a")
    assert caught.value.full
    assert await memory.logs.publish(event, payload, "a") == 1
    assert len(await all_of(memory.logs.read("p"))) == 1


async def test_memory_is_strict(memory: MemoryRig) -> None:
    """The memory store takes no payload that is another event's."""
    event, _ = made_log("p")
    with pytest.raises(ValueError, match="not that of the event"):
        await memory.logs.publish(event, made_log("p")[1], "a")
