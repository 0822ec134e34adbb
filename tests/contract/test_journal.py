"""The contract of the Journal port, on every adapter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from gamepipeline_engine.journal.port import Conflict, Journal, JournalRewound, JournalUnavailable, NotStored, Recorded
from gamepipeline_events import BadInput
from tests.support.journals import Rig, all_of, ids, jetstream_rig, made, memory_rig
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


async def fill(journal: Journal, pipeline_id: str, count: int) -> list[int]:
    """Append ``count`` events; their sequences."""
    last = await journal.last_sequence(pipeline_id)
    sequences = []
    for seq in range(count):
        last = await journal.append(*made(pipeline_id, seq + 1), last)
        sequences.append(last)
    return sequences


# append


async def test_append_stores_the_bytes_as_they_are(rig: Rig) -> None:
    """What is read is what was appended: bytes, subject and sequence."""
    event, payload = made("p")
    sequence = await rig.journal.append(event, payload, 0)
    assert await all_of(rig.journal.read("p")) == [Recorded(sequence, rig.subjects.event("p", "StepSkipped"), payload)]


async def test_append_needs_the_last_sequence(rig: Rig) -> None:
    """An append is refused when something came after what it expects, and the refusal says what."""
    sequences = await fill(rig.journal, "p", 3)
    for expected in (0, sequences[0], sequences[1]):
        with pytest.raises(Conflict) as caught:
            await rig.journal.append(*made("p"), expected)
        assert (caught.value.pipeline_id, caught.value.expected, caught.value.found) == ("p", expected, sequences[2])
    assert [record.sequence for record in await all_of(rig.journal.read("p"))] == sequences


async def test_append_refuses_a_sequence_that_is_not_there_yet(rig: Rig) -> None:
    """Who expects more than there is gets a conflict, not a wait."""
    (sequence,) = await fill(rig.journal, "p", 1)
    with pytest.raises(Conflict) as caught:
        await rig.journal.append(*made("p"), sequence + 5)
    assert caught.value.found == sequence
    with pytest.raises(Conflict) as caught:
        await rig.journal.append(*made("q"), 5)
    assert caught.value.found == 0


async def test_fifty_writers_one_winner(rig: Rig) -> None:
    """Of fifty appends that expect the same sequence exactly one is stored."""
    journals = [rig.journal, await rig.another(), await rig.another()]
    (start,) = await fill(rig.journal, "p", 1)
    attempts = [journals[number % 3].append(*made("p", 2), start) for number in range(50)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    winners = [result for result in results if isinstance(result, int)]
    losers = [result for result in results if isinstance(result, Conflict)]
    assert (len(winners), len(losers)) == (1, 49)
    assert {loser.found for loser in losers} == set(winners)
    assert [record.sequence for record in await all_of(rig.journal.read("p"))] == [start, *winners]


async def test_pipelines_do_not_meet(rig: Rig) -> None:
    """Only events of the same pipeline conflict, however alike the ids are."""
    names = ["a", "a-b", "aa", "A", "a_", "0", "a" * 64]
    for name in names:
        await fill(rig.journal, name, 2)
    for name in names:
        assert len(await all_of(rig.journal.read(name))) == 2
        with pytest.raises(Conflict):
            await rig.journal.append(*made(name), 0)


async def test_append_again_is_the_same_append(rig: Rig) -> None:
    """The same bytes with the same expectation, appended again, are found and not stored twice."""
    event, payload = made("p")
    first = await rig.journal.append(event, payload, 0)
    assert await rig.journal.append(event, payload, 0) == first
    await fill(await rig.another(), "p", 2)
    assert await rig.journal.append(event, payload, 0) == first
    assert len(await all_of(rig.journal.read("p"))) == 3


async def test_too_large_is_not_stored(rig: Rig) -> None:
    """An event above the server's limit is refused before it is sent, and the journal works on."""
    for size in (1024 * 1024 - 900, 1024 * 1024, 4 * 1024 * 1024):
        with pytest.raises(NotStored) as caught:
            await rig.journal.append(*made("p", text="x" * size), 0)
        assert not caught.value.full
    assert await rig.journal.last_sequence("p") == 0
    await fill(rig.journal, "p", 1)


async def test_large_events_are_stored(rig: Rig) -> None:
    """An event of 1,000,000 bytes fits."""
    event, payload = made("p", text="x" * 1_000_000)
    await rig.journal.append(event, payload, 0)
    assert [record.payload for record in await all_of(rig.journal.read("p"))] == [payload]


async def test_full_stream_is_said(rig: Rig) -> None:
    """A full stream refuses with ``full``, and what is in it can be read."""
    sequences = await fill(rig.journal, "p", 2)
    await rig.fill()
    with pytest.raises(NotStored) as caught:
        await rig.journal.append(*made("p"), sequences[-1])
    assert caught.value.full
    assert [record.sequence for record in await all_of(rig.journal.read("p"))] == sequences


async def test_cancelled_append_finishes(rig: Rig) -> None:
    """An append whose caller was cancelled while the stream was away is stored afterwards, once."""
    follower = await rig.another()
    await rig.away()
    event, payload = made("p")
    task = asyncio.get_running_loop().create_task(rig.journal.append(event, payload, 0))
    await asyncio.wait({task}, timeout=0.05)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await rig.back()
    async with aclosing(follower.follow("p")) as records:
        record = await anext(records)
    assert record.payload == payload
    assert len(await all_of(follower.read("p"))) == 1


async def test_append_waits_for_a_stream_that_is_away(rig: Rig) -> None:
    """An append does not return before its outcome is known, however long the stream is away."""
    await rig.away()
    event, payload = made("p")
    task = asyncio.get_running_loop().create_task(rig.journal.append(event, payload, 0))
    await asyncio.wait({task}, timeout=0.1)
    assert not task.done()
    await rig.back()
    sequence = await task
    assert [record.sequence for record in await all_of(rig.journal.read("p"))] == [sequence]


async def test_third_party_while_away(rig: Rig) -> None:
    """Who was overtaken while the stream was away gets the conflict when it is back."""
    other = await rig.another()
    await rig.away()
    task = asyncio.get_running_loop().create_task(rig.journal.append(*made("p"), 0))
    await asyncio.wait({task}, timeout=0.05)
    (theirs,) = await fill(other, "p", 1)
    await rig.back()
    with pytest.raises(Conflict) as caught:
        await task
    assert caught.value.found == theirs


async def test_unconditional_publishers_are_seen(rig: Rig) -> None:
    """What a third party stores without asking still makes the next append conflict."""
    (mine,) = await fill(rig.journal, "p", 1)
    theirs = await rig.store(*made("p", 2))
    with pytest.raises(Conflict) as caught:
        await rig.journal.append(*made("p", 2), mine)
    assert caught.value.found == theirs


@pytest.mark.parametrize(
    "bad", ["", "a.b", "*", ">", "../x", "a\0", "a\r\nb", "\ufb01", "\u202ea", "x" * 300, "_a", "a b"]
)
async def test_illegal_ids_never_reach_the_stream(rig: Rig, bad: str) -> None:
    """An id that may not stand in a subject is refused by every method."""
    event, payload = made("p")
    wrong = type(event)(**{**{name: getattr(event, name) for name in event.__struct_fields__}, "pipeline_id": bad})
    with pytest.raises((BadInput, ValueError)):
        await rig.journal.append(wrong, payload, 0)
    with pytest.raises(BadInput):
        await rig.journal.last_sequence(bad)
    with pytest.raises(BadInput):
        await all_of(rig.journal.read(bad))
    with pytest.raises(BadInput):
        await anext(rig.journal.follow(bad))
    assert await all_of(rig.journal.read_all()) == []


async def test_negative_expectation_is_a_mistake(rig: Rig) -> None:
    """A negative sequence never becomes a header: the server would not check it."""
    with pytest.raises(ValueError, match="below 0"):
        await rig.journal.append(*made("p"), -1)
    assert await all_of(rig.journal.read("p")) == []


# reads


async def test_read_after(rig: Rig) -> None:
    """A read yields what is above ``after``, in order, and nothing of other pipelines."""
    sequences = []
    for _ in range(3):
        sequences += await fill(rig.journal, "p", 1)
        await fill(rig.journal, "other", 2)
    for index, after in enumerate([0, *sequences]):
        found = await all_of(rig.journal.read("p", after))
        assert [record.sequence for record in found] == sequences[index:]
    assert await all_of(rig.journal.read("p", 10_000)) == []
    assert await all_of(rig.journal.read("nobody")) == []


async def test_read_ends_at_what_was_there(rig: Rig) -> None:
    """A read ends at the last event stored when it began, whatever is appended meanwhile."""
    sequences = await fill(rig.journal, "p", 3)
    found = []
    async for record in rig.journal.read("p"):
        found.append(record.sequence)
        await fill(rig.journal, "p", 1)
    assert found == sequences


async def test_read_all(rig: Rig) -> None:
    """``read_all`` yields every event in order, or those of one type."""
    for number in range(6):
        await rig.journal.append(*made(f"p{number}"), 0)
    found = await all_of(rig.journal.read_all())
    assert [rig.subjects.parse_event(record.subject).pipeline_id for record in found] == [f"p{n}" for n in range(6)]
    assert await all_of(rig.journal.read_all(0, "StepSkipped")) == found
    assert await all_of(rig.journal.read_all(found[3].sequence)) == found[4:]
    assert await all_of(rig.journal.read_all(0, "PipelineFailed")) == []


async def test_last_sequence(rig: Rig) -> None:
    """``last_sequence`` is that of the pipeline's last event, 0 for none."""
    assert await rig.journal.last_sequence("p") == 0
    sequences = await fill(rig.journal, "p", 2)
    await fill(rig.journal, "q", 2)
    assert await rig.journal.last_sequence("p") == sequences[-1]


async def test_reads_without_an_answer_raise(rig: Rig) -> None:
    """A read that cannot be answered raises JournalUnavailable: it is not an empty history."""
    await fill(rig.journal, "p", 1)
    await rig.away()
    with pytest.raises(JournalUnavailable):
        await rig.journal.last_sequence("p")
    with pytest.raises(JournalUnavailable):
        await all_of(rig.journal.read("p"))
    with pytest.raises(JournalUnavailable):
        await all_of(rig.journal.read_all())
    await rig.back()


# follow


async def test_follow_goes_on(rig: Rig) -> None:
    """``follow`` yields what is stored and then what comes, in order."""
    other = await rig.another()
    sequences = await fill(other, "p", 2)
    async with aclosing(rig.journal.follow("p", sequences[0])) as records:
        assert (await anext(records)).sequence == sequences[1]
        for _ in range(3):
            await fill(other, "q", 1)
            (new,) = await fill(other, "p", 1)
            assert (await anext(records)).sequence == new


async def test_follow_everything(rig: Rig) -> None:
    """Without a pipeline, ``follow`` yields every event."""
    async with aclosing(rig.journal.follow()) as records:
        for name in ("p", "q", "r"):
            event, payload = made(name)
            sequence = await (await rig.another()).append(event, payload, 0)
            assert await anext(records) == Recorded(sequence, rig.subjects.event(name, "StepSkipped"), payload)


async def test_follow_outlives_an_outage(rig: Rig) -> None:
    """What is appended before, during and after an outage is followed once each, in order."""
    other = await rig.another()
    expected = await fill(other, "p", 3)
    async with aclosing(rig.journal.follow("p")) as records:
        found = [(await anext(records)).sequence for _ in range(3)]
        for _ in range(3):
            await rig.away()
            expected += await fill(other, "p", 3)
            await rig.back()
            expected += await fill(other, "p", 2)
            found += [(await anext(records)).sequence for _ in range(5)]
    assert found == expected


async def test_follow_begins_during_an_outage(rig: Rig) -> None:
    """A follow that begins while the stream is away waits for it."""
    other = await rig.another()
    await rig.away()
    async with aclosing(rig.journal.follow("p")) as records:
        first = asyncio.get_running_loop().create_task(anext(records))
        await asyncio.wait({first}, timeout=0.05)
        (sequence,) = await fill(other, "p", 1)
        await rig.back()
        assert (await first).sequence == sequence


async def test_follow_refuses_a_shorter_stream(rig: Rig) -> None:
    """A stream that ends before what was read from it is not followed: it lost something."""
    (sequence,) = await fill(rig.journal, "p", 1)
    with pytest.raises(JournalRewound) as caught:
        await anext(rig.journal.follow(None, sequence + 7))
    assert (caught.value.seen, caught.value.last) == (sequence + 7, sequence)


async def test_many_follows_at_once(rig: Rig) -> None:
    """Twenty follows each see every event."""
    other = await rig.another()

    async def five() -> list[str]:
        async with aclosing(rig.journal.follow("p")) as records:
            return ids([await anext(records) for _ in range(5)])

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(five()) for _ in range(20)]
        await fill(other, "p", 5)
    stored = ids(await all_of(other.read("p")))
    assert [task.result() for task in tasks] == [stored] * 20
