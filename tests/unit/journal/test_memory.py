"""What the memory journal can be told to do, and that it does not take what the real one would not."""

import asyncio
from contextlib import aclosing

import pytest

from gamepipeline_engine.journal.faults import Full, Ghost, LostAck, Overtaken
from gamepipeline_engine.journal.memory import MemoryJournal, MemoryStream, _matches
from gamepipeline_engine.journal.port import Conflict, JournalRewound, NotStored
from tests.support.journals import all_of, made


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.go = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait until ``go``."""
        self.slept.append(seconds)
        await self.go.wait()


async def test_lost_acknowledgement() -> None:
    """With a lost acknowledgement the event is there before the append returns."""
    clock = Clock()
    journal = MemoryJournal(sleep=clock.sleep)
    journal.script(LostAck(3.0))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(journal.append(*made("p"), 0))
        async with aclosing(journal.follow("p")) as records:
            stored = await anext(records)
        assert not task.done()
        clock.go.set()
    assert (task.result(), clock.slept) == (stored.sequence, [3.0])


async def test_ghost() -> None:
    """A ghost is stored late, or never if somebody else was faster."""
    for overtaken in (False, True):
        clock = Clock()
        stream = MemoryStream()
        journal, other = MemoryJournal(stream, sleep=clock.sleep), MemoryJournal(stream)
        journal.script(Ghost(1.0))
        task = asyncio.get_running_loop().create_task(journal.append(*made("p"), 0))
        await asyncio.wait({task}, timeout=0)
        assert stream.last_sequence == 0
        if overtaken:
            await other.append(*made("p"), 0)
        clock.go.set()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(result, Conflict) if overtaken else result == 1
        assert stream.last_sequence == 1


async def test_overtaken_and_full() -> None:
    """The next appends meet what was scripted, one each, in order."""
    journal = MemoryJournal()
    _, theirs = made("p")
    journal.script(None, Overtaken("gamepipeline.events.p.StepSkipped", theirs), Full())
    first = await journal.append(*made("p"), 0)
    with pytest.raises(Conflict) as conflict:
        await journal.append(*made("p"), first)
    assert conflict.value.found == first + 1
    with pytest.raises(NotStored) as refused:
        await journal.append(*made("p"), first + 1)
    assert refused.value.full
    assert await journal.append(*made("p"), first + 1) == first + 2


async def test_strict() -> None:
    """A payload that is not the event, or is no event at all, is a mistake of the caller."""
    journal = MemoryJournal()
    event, payload = made("p")
    for wrong in (made("p")[1], made("q", event_id=event.id)[1], payload.replace(b"StepSkipped", b"StepReset")):
        with pytest.raises(ValueError, match="not that of the event"):
            await journal.append(event, wrong, 0)
    assert journal.stream.records == []


async def test_rewound() -> None:
    """A stream that lost something is noticed by those who follow it."""
    journal = MemoryJournal()
    last = 0
    async with aclosing(journal.follow("p")) as records:
        for seq in (1, 2, 3):
            last = await journal.append(*made("p", seq), last)
            await anext(records)
        journal.stream.rewind(1)
        with pytest.raises(JournalRewound):
            await anext(records)
    assert len(await all_of(journal.read("p"))) == 1


async def test_settle() -> None:
    """``settle`` waits for appends whose caller is gone, and says when they did not end."""
    journal = MemoryJournal()
    assert await journal.settle(0)
    journal.away = True
    task = asyncio.get_running_loop().create_task(journal.append(*made("p"), 0))
    await asyncio.wait({task}, timeout=0)
    task.cancel()
    await asyncio.wait({task})
    assert not await journal.settle(0)
    journal.away = False
    assert await journal.settle(5)
    assert journal.stream.last_sequence == 1


@pytest.mark.parametrize(
    ("subject_filter", "subject", "matches"),
    [
        ("a.>", "a.b", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.>", "ab.c", False),
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.d", False),
        ("a.*", "a.b.c", False),
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
    ],
)
def test_filters(subject_filter: str, subject: str, *, matches: bool) -> None:
    """Filters mean what they mean to the server."""
    assert _matches(subject, subject_filter) is matches
