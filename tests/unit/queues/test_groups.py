"""Concurrency groups on engines that run: never too many at once, in order, whatever happens to the engines."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from gamepipeline_engine.config import Config
from gamepipeline_events import Event, StepFailed, decode
from gamepipeline_projections import PipelineStatus, fold, status_of
from gamepipeline_projections.tickets import TicketTable
from tests.support.engine_on_fakes import EngineOnFakes, FakeWorld, names
from tests.support.histories import Story, pipeline, service, step
from tests.support.simulated import simulate

IMAGE = "busybox:stable"


def group(name: str = "licence", **more: Any) -> dict[str, Any]:
    """The key ``concurrency``."""
    return {"group": name, **more}


def does(name: str, *commands: str, **more: Any) -> dict[str, Any]:
    """A step that runs these commands."""
    return step(name, container={"image": IMAGE, "commands": list(commands)}, **more)


def one_at_a_time(seconds: int = 5, **more: Any) -> dict[str, Any]:
    """A pipeline of one step in the group."""
    return pipeline(does("a", f"sleep {seconds}", concurrency=group(**more)))


def whole(seconds: int = 5, **more: Any) -> dict[str, Any]:
    """A pipeline that needs its place before it starts."""
    return pipeline(does("a", f"sleep {seconds}"), concurrency=group(**more))


SERVING = pipeline(
    service("web", ready={"running": "1s"}, container={"image": IMAGE, "commands": ["sleep 9000"]}, concurrency=group())
)


def everything(world: FakeWorld) -> list[Event]:
    """All events of all pipelines, in order."""
    return [decode(one.payload, sequence=one.sequence) for one in world.events.records]


def order_of(world: FakeWorld, name: str) -> list[str]:
    """The pipelines that have an event of that name, in its order."""
    return [event.pipeline_id for event in everything(world) if event.name == name]


def most_at_once(world: FakeWorld, begin: str, end: str) -> int:
    """How many were between the two events at the same time."""
    now = most = 0
    for event in everything(world):
        now += (event.name == begin) - (event.name == end)
        most = max(most, now)
    return most


async def until_waiting(engine: EngineOnFakes, pipeline_id: str, name: str) -> None:
    """The ticket is drawn, and the engines have had time to do more than they may."""
    await engine.until(pipeline_id, name)
    await asyncio.sleep(3)


@pytest.mark.parametrize(("document", "ticket"), [(one_at_a_time(), "StepQueued"), (whole(), "PipelineQueued")])
@pytest.mark.parametrize("limit", [1, 2])
def test_in_order_and_never_too_many(document: dict[str, Any], ticket: str, limit: int) -> None:
    """Six at once on two engines: as many as may, each when its turn has come."""
    owner = document if ticket == "PipelineQueued" else document["steps"][0]
    owner["concurrency"]["limit"] = limit

    async def main() -> None:
        world = FakeWorld()
        one, two = EngineOnFakes(world), EngineOnFakes(world, node="other")
        async with one.serving(), two.serving():
            ids = [f"p{n}" for n in range(6)]
            for pipeline_id in ids:
                await one.submit(document, pipeline_id)
            for pipeline_id in ids:
                assert (await one.wait(pipeline_id)).status == "completed"
        begin = "StepScheduled" if ticket == "StepQueued" else "PipelineStarted"
        end = "StepCompleted" if ticket == "StepQueued" else "PipelineCompleted"
        assert most_at_once(world, begin, end) == limit
        assert order_of(world, begin) == order_of(world, ticket)

    simulate(main())


def test_what_waits_says_so_and_ends_when_it_is_canceled() -> None:
    """A waiting step and a waiting pipeline name the group; a cancel ends them without an attempt."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.submit(one_at_a_time(60), "first")
            await engine.until("first", "StepStarted")
            await engine.submit(one_at_a_time(), "step")
            await engine.submit(whole(), "whole")
            await until_waiting(engine, "step", "StepQueued")
            await until_waiting(engine, "whole", "PipelineQueued")
            step_of, whole_of = await status(engine, "step"), await status(engine, "whole")
            assert (step_of.status, whole_of.status) == ("running", "pending")
            for waiting in (step_of.steps[0].waiting_for, whole_of.waiting_for):
                assert waiting is not None
                assert (waiting.kind, waiting.name, waiting.limit) == ("group", "licence", 1)
            for waiting_id in ("step", "whole"):
                await engine.cancel(waiting_id, "enough")
                assert (await engine.wait(waiting_id)).status == "canceled"
            await engine.submit(one_at_a_time(), "last")
            assert (await engine.wait("last")).status == "completed"
            await engine.until_taken()
        assert "StepScheduled" not in names(await engine.events("step"))
        assert order_of(engine.world, "StepScheduled") == ["first", "last"]

    simulate(main())


async def status(engine: EngineOnFakes, pipeline_id: str) -> PipelineStatus:
    """As it is now."""
    return status_of(fold(await engine.events(pipeline_id)))


def test_who_does_not_wait_is_refused() -> None:
    """A step fails with ``concurrency_full``, a pipeline is rejected; with a free place both run."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            assert (await engine.run(one_at_a_time(1, on_full="reject"), "alone")).status == "completed"
            assert (await engine.run(whole(1, on_full="reject"), "alone2")).status == "completed"
            await engine.submit(whole(60), "first")
            await engine.until("first", "StepStarted")
            step_of = await engine.run(one_at_a_time(on_full="reject"), "step")
            assert step_of.status == "failed"
            assert (step_of.steps[0].cause, step_of.steps[0].attempt) == ("concurrency_full", 1)
            whole_of = await engine.run(whole(on_full="reject"), "whole")
            assert whole_of.status == "rejected"
            assert "GP403: the group licence is full" in (whole_of.error or "")
            again = one_at_a_time(1, on_full="reject")
            again["steps"][0]["retry"] = {"limit": 3, "backoff": "20s", "on": ["concurrency_full"]}
            assert (await engine.run(again, "again")).steps[0].status == "completed"
        failed = [event.data for event in await engine.events("again") if isinstance(event.data, StepFailed)]
        assert [(one.kind, one.will_retry) for one in failed] == [("failure", True)] * len(failed)
        assert failed

    simulate(main())


@pytest.mark.parametrize("newcomer", [one_at_a_time(1, on_full="cancel_oldest"), whole(1, on_full="cancel_oldest")])
def test_the_oldest_is_canceled(newcomer: dict[str, Any]) -> None:
    """Who makes itself room ends who was there first, and only as many as are in its way."""
    newcomer = {**newcomer, "steps": [dict(one) for one in newcomer["steps"]]}
    (newcomer if "concurrency" in newcomer else newcomer["steps"][0])["concurrency"] = group(
        limit=2, on_full="cancel_oldest"
    )

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.submit(one_at_a_time(300, limit=2), "oldest")
            await engine.until("oldest", "StepStarted")
            await engine.submit(whole(30, limit=2), "second")
            await engine.until("second", "StepStarted")
            assert (await engine.run(newcomer, "newcomer")).status == "completed"
            oldest = await engine.wait("oldest")
            assert oldest.status == "canceled"
            assert "pipeline newcomer needs the place in the group licence" in (oldest.reason or "")
            assert (await engine.wait("second")).status == "completed"

    simulate(main())


def test_a_service_keeps_its_place_until_it_is_gone() -> None:
    """Beyond the end of its pipeline, and until its container has ended."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            assert (await engine.run(SERVING, "game")).status == "completed"
            await engine.submit(one_at_a_time(1), "next")
            await until_waiting(engine, "next", "StepQueued")
            assert "StepScheduled" not in names(await engine.events("next"))
            await engine.stop("game", "web", "enough")
            assert (await engine.wait("next")).status == "completed"
            # And one that makes itself room has it stopped.
            assert (await engine.run(SERVING, "game2")).status == "completed"
            assert (await engine.run(one_at_a_time(1, on_full="cancel_oldest"), "urgent")).status == "completed"
            assert "ServiceStopped" in names(await engine.events("game2"))

    simulate(main())


def test_who_waits_takes_no_slot_of_the_engine() -> None:
    """One slot, three pipelines that wait, in both ways: another pipeline runs at once."""
    config = Config()
    config = msgspec.structs.replace(config, node=msgspec.structs.replace(config.node, capacity=1))

    async def main() -> None:
        engine = EngineOnFakes(config=config)
        async with engine.serving():
            assert (await engine.run(SERVING, "holder")).status == "completed"
            waiting = {"step": one_at_a_time(1), "whole": whole(1), "step2": one_at_a_time(1)}
            for pipeline_id, document in waiting.items():
                await engine.submit(document, pipeline_id)
                await engine.until(pipeline_id, "PipelineQueued" if pipeline_id == "whole" else "StepQueued")
            assert (await engine.run(pipeline(does("a", "sleep 1")), "ordinary")).status == "completed"
            await engine.stop("holder", "web", "enough")
            for pipeline_id in waiting:
                assert (await engine.wait(pipeline_id)).status == "completed"

    simulate(main())


@pytest.mark.parametrize("document", [one_at_a_time(20), whole(20)])
@pytest.mark.parametrize("after", range(1, 12))
def test_an_engine_that_dies_leaves_the_queue_as_it_is(document: dict[str, Any], after: int) -> None:
    """Killed after any event of the second of three: the next engine reads the same queue and keeps its order."""

    async def main() -> None:
        world = FakeWorld()
        first = EngineOnFakes(world)
        async with first.serving():
            for pipeline_id in ("p1", "p2", "p3"):
                await first.submit(document, pipeline_id)
            while len(world.events.records) < 6 + after:
                await world.events.change()
            await first.crash()
        second = EngineOnFakes(world)
        async with second.serving():
            for pipeline_id in ("p1", "p2", "p3"):
                assert (await second.wait(pipeline_id)).status == "completed"
        ends = "PipelineCompleted"
        assert order_of(world, ends) == ["p1", "p2", "p3"]
        begin = "StepScheduled" if "concurrency" in document["steps"][0] else "PipelineStarted"
        assert most_at_once(world, begin, "StepCompleted") == 1
        assert list(table_of(world)) == []

    simulate(main())


def table_of(world: FakeWorld) -> TicketTable:
    """Everything taken."""
    table = TicketTable()
    for event in everything(world):
        table.take(event)
    return table


def test_who_waits_for_quiet_waits_for_the_last_in_the_queue() -> None:
    """An engine that ends when there is nothing to do has something to do while a pipeline waits for its place."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            ghosts = [f"ghost{n}" for n in range(8)]  # of engines that are not here
            for one in ghosts:
                ghost = Story(whole(), pipeline_id=one).pipeline_queued("licence")
                for name, payload in zip(ghost.names, ghost.payloads, strict=True):
                    engine.world.events.store(engine.world.subjects.event(one, name), payload)
            await engine.submit(whole(1), "waits")
            await engine.until("waits", "PipelineQueued")
            for _ in range(400):
                await asyncio.sleep(0.25)
                assert not engine.supervisor.quiet
            for one in ghosts:
                await engine.cancel(one, "enough")
            await engine.wait("waits")
            await asyncio.sleep(60)
            assert engine.supervisor.quiet

    simulate(main())


def test_what_cannot_be_read_holds_nobody_up() -> None:
    """Bytes that are no event, a subject that names no pipeline, an event under another's subject: before and while."""

    def litter(world: FakeWorld) -> None:
        stray = Story(whole(), pipeline_id="stray").pipeline_queued("licence").payloads[-1]
        world.events.store("gamepipeline.events.no$id.PipelineQueued", stray)
        world.events.store("gamepipeline.events.other.PipelineQueued", stray)
        world.events.store("gamepipeline.events.garbage.StepQueued", b"\xff{")
        world.events.store("gamepipeline.events.garbage.PipelineCompleted", b"")

    async def main() -> None:
        engine = EngineOnFakes()
        litter(engine.world)
        async with engine.serving():
            await engine.submit(one_at_a_time(5), "first")
            await engine.until("first", "StepStarted")
            await engine.submit(whole(1), "second")
            await engine.until("second", "PipelineQueued")
            litter(engine.world)
            assert (await engine.wait("second")).status == "completed"
        assert order_of_readable(engine.world) == ["first", "second"]

    simulate(main())


def order_of_readable(world: FakeWorld) -> list[str]:
    """The pipelines that completed, among what is no litter."""
    wanted = [one for one in world.events.records if one.subject.endswith(".PipelineCompleted") and one.payload]
    return [decode(one.payload).pipeline_id for one in wanted]
