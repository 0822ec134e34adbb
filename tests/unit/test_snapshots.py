"""Snapshots as an engine writes them: when, and that they are in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gamepipeline_engine.config import Config, ConfigError, SnapshotsConfig, parse_config
from gamepipeline_engine.config_values import Seconds
from gamepipeline_engine.snapshots import PipelineSnapshots, Snapshots
from gamepipeline_events import UnknownEvent
from gamepipeline_projections import PipelineState
from gamepipeline_projections.snapshots import MemoryBucket, SnapshotStore
from tests.support.histories import Story, pipeline, service, step
from tests.support.simulated import simulate
from tests.support.snapshots import REALM, Kept

OFTEN = SnapshotsConfig(every_events=5, every=Seconds(30))


def finished() -> Story:
    """Nine events."""
    return Story(pipeline(step("a"), step("b"))).started().completed("a").completed("b").pipeline_completed()


def in_time(work: Coroutine[Any, Any, None]) -> None:
    """Run it in simulated time."""
    simulate(work)


@asynccontextmanager
async def writing(kept: Kept, config: SnapshotsConfig = OFTEN) -> AsyncIterator[Snapshots]:
    """A process that writes into the bucket of ``kept``."""
    made = Snapshots(SnapshotStore(kept.bucket, REALM), config)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(made.serve())
        yield made
        task.cancel()


async def offered(one: PipelineSnapshots, states: list[PipelineState]) -> None:
    """One transition after the other; the writer has time in between."""
    for state in states:
        one.offer(state)
        await asyncio.sleep(0.01)


async def kept_position(kept: Kept) -> int:
    """Number of the last event in the snapshot; 0: there is none."""
    found = await kept.snapshots.get("p1")
    return found.state.head.seq if found is not None else 0


def states_of(story: Story) -> tuple[Kept, list[PipelineState]]:
    """The history in a stream, and its states."""
    kept = Kept(story.payloads)
    return kept, [kept.folded(count) for count in range(1, len(story.payloads) + 1)]


def test_after_so_many_events_and_at_the_end() -> None:
    """Each is a snapshot of the state as it was then; in between there is none."""

    async def check() -> None:
        kept, states = states_of(finished())
        async with writing(kept) as process:
            one, seen = process.of("p1"), []
            for state in states:
                await offered(one, [state])
                seen.append(await kept_position(kept))
        last = len(states)
        assert seen[:4] == [0, 0, 0, 0]
        assert seen[4:-1] == [5] * (last - 5)
        assert seen[-1] == last
        assert kept.bucket.puts == 2

    in_time(check())


def test_after_some_time_whatever_is_new() -> None:
    """And nothing when nothing is."""

    async def check() -> None:
        kept, states = states_of(finished())
        async with writing(kept) as process:
            await offered(process.of("p1"), states[:2])
            await asyncio.sleep(29)
            assert await kept_position(kept) == 0
            await asyncio.sleep(1)
            assert await kept_position(kept) == 2
            await asyncio.sleep(600)
        assert kept.bucket.puts == 1

    in_time(check())


def test_a_bucket_that_is_away_delays_nobody_and_is_tried_again() -> None:
    """Offers return at once; the newest state is written when the bucket is there again."""

    async def check() -> None:
        kept, states = states_of(finished())
        kept.bucket.away = True
        async with writing(kept) as process:
            await offered(process.of("p1"), states)
            kept.bucket.away = False
            await asyncio.sleep(31)
        assert await kept_position(kept) == len(states)
        assert kept.bucket.puts == 1

    in_time(check())


def test_what_comes_while_one_is_written_is_written_next() -> None:
    """However long the write takes, what was offered meanwhile is not taken for written."""

    class Slow(MemoryBucket):
        async def put(self, key: str, payload: bytes, revision: int) -> int:
            await asyncio.sleep(5)
            return await super().put(key, payload, revision)

    async def check() -> None:
        kept, states = states_of(finished())
        kept.bucket = Slow()
        kept.snapshots = SnapshotStore(kept.bucket, REALM)
        async with writing(kept) as process:
            one = process.of("p1")
            await offered(one, states[:5])
            await offered(one, states[5:7])
            await asyncio.sleep(10)
            assert await kept_position(kept) == 5
            await asyncio.sleep(30)
            assert await kept_position(kept) == 7

    in_time(check())


def test_a_lost_answer_is_found_out_the_next_time() -> None:
    """It was stored: nothing is stored again, and the writer is at peace."""

    async def check() -> None:
        kept, states = states_of(finished())
        kept.bucket.lost_acks = 1
        async with writing(kept) as process:
            await offered(process.of("p1"), states[-1:])
            await asyncio.sleep(300)
        assert await kept_position(kept) == len(states)
        assert kept.bucket.puts == 1

    in_time(check())


def test_what_is_new_at_the_end_of_the_process_is_flushed() -> None:
    """However little it is."""

    async def check() -> None:
        kept, states = states_of(finished())
        async with writing(kept) as process:
            await offered(process.of("p1"), states[:2])
            await process.flush()
        assert await kept_position(kept) == 2

    in_time(check())


def test_a_reader_writes_nothing_and_the_next_writer_counts_from_the_snapshot() -> None:
    """What was read from a snapshot is not written again."""

    async def check() -> None:
        kept, states = states_of(finished())
        await kept.snapshots.put(states[4])
        async with writing(kept) as process:
            one = process.of("p1")
            assert await one.read(kept.journal) == states[-1]
            await asyncio.sleep(45)
            assert await kept_position(kept) == 5
            await offered(one, [states[6]])
            assert await kept_position(kept) == 5
            await offered(one, [states[-1]])
            assert await kept_position(kept) == len(states)

    in_time(check())


def test_one_that_the_stream_contradicts_is_replaced() -> None:
    """However far it went: after a restore of the stream there would never be a usable one again."""

    async def check() -> None:
        kept, states = states_of(finished())
        other = Kept(Story(pipeline(*[step(name) for name in "abcdef"])).started().completed(*"abcdef").payloads)
        assert await kept.snapshots.put(other.folded())
        async with writing(kept) as process:
            one = process.of("p1")
            assert await one.read(kept.journal) == states[-1]
            await offered(one, [states[-1]])
        found = await kept.snapshots.get("p1")
        assert found is not None
        assert found.state == states[-1]

    in_time(check())


def test_what_is_not_understood_is_not_written_down() -> None:
    """A version that knows the event reads it itself; and nobody tries again and again."""

    async def check() -> None:
        kept, states = states_of(finished())
        unknown = Story().started().then(UnknownEvent(data={}))
        assert unknown.state.unknown_events == 1
        async with writing(kept) as process:
            await offered(process.of("p1"), [unknown.state])
            await asyncio.sleep(300)
            await offered(process.of("p2"), states[-1:])
        assert kept.bucket.puts == 1

    in_time(check())


def test_events_after_the_end_are_counted_on() -> None:
    """A service that lives on may tell much: the end itself is written once."""

    async def check() -> None:
        story = Story(pipeline(service("s"))).started().serving("s").pipeline_completed()
        kept, states = states_of(story)
        async with writing(kept) as process:
            one = process.of("p1")
            await offered(one, states)
            puts = kept.bucket.puts
            await offered(one, [states[-1]] * 3)
            assert kept.bucket.puts == puts

    in_time(check())


@pytest.mark.parametrize("wrong", ["every_events = 0", "every_events = 1000001", 'every = "0s"', "often = true"])
def test_a_wrong_setting_is_named(wrong: str) -> None:
    """With its key."""
    with pytest.raises(ConfigError, match=wrong.split(maxsplit=1)[0]):
        parse_config(f"[snapshots]\n{wrong}\n")
    assert Config().snapshots == SnapshotsConfig()
