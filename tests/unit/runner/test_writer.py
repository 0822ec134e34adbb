"""The only way to change a pipeline: envelopes, conflicts, a full stream, a clock that steps back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gamepipeline_engine.core.inputs import Claim, Release, RequestCancel, Submit, Tick
from gamepipeline_engine.journal.faults import Full, Overtaken
from gamepipeline_engine.journal.port import NotStored
from gamepipeline_engine.runner import Fenced, Writer
from gamepipeline_events import AlertRaised, encode, payload_hash
from tests.support.engine_on_fakes import EngineOnFakes, FakeWorld, names
from tests.support.histories import Story, pipeline, step
from tests.support.simulated import simulate

CANCEL = RequestCancel(reason="enough", requested_by="agent:someone")


def submit(by: str = "cli:me") -> Submit:
    """An execute command."""
    return Submit(
        document=pipeline(step("a")),
        args={},
        spec_hash="h",
        pool="default",
        submitted_by=by,
        command_id="01JDC0MMAND000000000000000",
        command_seq=1,
    )


def claim(engine: EngineOnFakes) -> Claim:
    """This engine wants it."""
    return Claim(node=engine.node, engine=engine.instance, docker=engine.world.daemon.id, reason="test")


async def owned(engine: EngineOnFakes) -> Writer:
    """A writer that has submitted and claimed p1."""
    writer = Writer(engine.host, "p1")
    await writer.settle(submit(), "01JDC0MMAND000000000000000")
    await writer.settle(claim(engine))
    return writer


def test_the_envelope() -> None:
    """Dense numbers, a chain over the stored bytes, the owner's epoch, the actor who asked, the cause."""

    async def main() -> None:
        engine = EngineOnFakes()
        writer = await owned(engine)
        await writer.settle(Tick(docker=engine.world.daemon.id))
        await writer.settle(CANCEL, "01JDCANCEL0000000000000000")
        submitted, started, scheduled, canceled = await engine.events()
        assert [one.seq for one in (submitted, started, scheduled, canceled)] == [1, 2, 3, 4]
        assert (submitted.epoch, started.epoch, scheduled.epoch) == (None, 1, 1)
        assert (submitted.engine, started.engine) == (None, engine.instance)
        assert submitted.causation_id == "01JDC0MMAND000000000000000"
        assert scheduled.causation_id == started.id
        assert canceled.causation_id == "01JDCANCEL0000000000000000"
        assert (submitted.actor, scheduled.actor, canceled.actor) == ("cli:me", "engine:bench", "agent:someone")
        assert scheduled.prev_hash == started.hash == payload_hash(encode(started))
        assert {one.source for one in (submitted, started)} == {"gamepipeline/bench"}

    simulate(main())


@pytest.mark.parametrize("who", ["root", "", "engine"])
def test_an_actor_is_one_of_the_known_kinds(who: str) -> None:
    """A name that says nothing of its kind does not become an actor; the engine speaks for it."""

    async def main() -> None:
        engine = EngineOnFakes()
        writer = Writer(engine.host, "p1")
        await writer.settle(submit(by=who))
        assert (await engine.events())[0].actor == "engine:bench"

    simulate(main())


def test_time_never_goes_back() -> None:
    """A clock that steps back dates the next event at the last one's time."""

    async def main() -> None:
        engine = EngineOnFakes()
        writer = await owned(engine)
        engine.world.clock._start -= timedelta(hours=1)
        await writer.settle(CANCEL)
        times = [one.time for one in await engine.events()]
        assert times == sorted(times)
        assert times[-1] == times[-2]

    simulate(main())


def test_a_conflict_is_read_and_decided_again() -> None:
    """Somebody appended first: what they wrote counts, and the question is asked of the new state."""

    async def main() -> None:
        engine = EngineOnFakes()
        writer = await owned(engine)
        other = Writer(engine.host, "p1")
        await other.catch_up()
        await other.settle(CANCEL)
        assert await writer.settle(RequestCancel(reason="me too", requested_by="cli:me")) is False
        assert names(await engine.events())[-1] == "PipelineCancelRequested"
        assert writer.state.phase == "canceling"

    simulate(main())


def test_a_lost_race_for_the_claim_fences() -> None:
    """Of two engines that claim, the second sees the first one's epoch; an owner that was replaced is fenced."""

    async def main() -> None:
        world = FakeWorld()
        one, two = EngineOnFakes(world), EngineOnFakes(world)
        writer = await owned(one)
        other = Writer(two.host, "p1")
        await other.catch_up()
        await other.settle(claim(two))
        assert (writer.epoch, other.epoch) == (1, 2)
        with pytest.raises(Fenced, match="epoch 1 was replaced by 2"):
            await writer.settle(Release(reason="shutdown"))
        assert names(await one.events())[-1] == "PipelineResumed"

    simulate(main())


def test_an_event_of_a_stranger_in_between() -> None:
    """A publisher that is no writer of ours conflicts too, and what it wrote is folded."""

    async def main() -> None:
        engine = EngineOnFakes()
        writer = await owned(engine)
        story = Story()
        story.state = writer.state
        data = AlertRaised(severity="warning", alert="disk_full", summary="x", details={})
        event = story.event(data, epoch=None, time=writer.state.head.time)
        subject = engine.world.subjects.event("p1", "AlertRaised")
        engine.journal.script(Overtaken(subject, encode(event)))
        await writer.settle(CANCEL)
        assert names(await engine.events())[-2:] == ["AlertRaised", "PipelineCancelRequested"]

    simulate(main())


def test_a_full_stream_is_waited_for() -> None:
    """While there is no room nothing is decided; when there is, the same event is stored once."""

    async def main() -> None:
        engine = EngineOnFakes()
        writer = await owned(engine)
        engine.journal.script(Full(), Full(), Full())
        before = engine.world.clock.now()
        assert await writer.settle(CANCEL)
        assert (engine.world.clock.now() - before).total_seconds() >= 3
        assert names(await engine.events()).count("PipelineCancelRequested") == 1

    simulate(main())


def test_an_event_that_can_never_be_stored() -> None:
    """An event too large for a message is an error, not a wait."""

    async def main() -> None:
        engine = EngineOnFakes()
        writer = Writer(engine.host, "p1")
        huge = pipeline(step("a", container={"image": "busybox:stable", "labels": {"x": "y" * 2_000_000}}))
        with pytest.raises(NotStored):
            await writer.settle(
                Submit(
                    document=huge,
                    args={},
                    spec_hash="h",
                    pool="default",
                    submitted_by="cli:me",
                    command_id="c",
                    command_seq=1,
                )
            )
        assert writer.state.phase == "none"

    simulate(main())


def test_a_stream_that_is_away_is_waited_for() -> None:
    """Reading goes on when the stream is back; nothing is concluded meanwhile."""

    async def main() -> None:
        engine = EngineOnFakes()
        await owned(engine)
        engine.journal.away = True
        late = Writer(engine.host, "p1")
        reading = asyncio.ensure_future(late.catch_up())  # noqa: TID251 - awaited below
        await asyncio.sleep(30)
        assert not reading.done()
        engine.journal.away = False
        await reading
        assert late.state.phase == "running"

    simulate(main())
