"""Engines that crash, let go, freeze or meet: whoever comes next finishes what was begun, and nothing runs twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gamepipeline_engine.clock import new_id
from gamepipeline_engine.core.inputs import Claim
from gamepipeline_engine.journal.faults import Ghost
from gamepipeline_engine.journal.port import NotStored
from gamepipeline_engine.runner import Fenced, Runner, Writer
from gamepipeline_events import CommandRejected, Event, Execute, LogClosed, StepLog, decode, encode
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_projections import PipelineStatus
from tests.support.engine_on_fakes import EngineOnFakes, FakeWorld, names
from tests.support.histories import pipeline, service, step
from tests.support.simulated import simulate

IMAGE = "busybox:stable"


def does(name: str, *commands: str, **more: Any) -> dict[str, Any]:
    """A step that runs these commands."""
    return step(name, container={"image": IMAGE, "commands": list(commands)}, **more)


PIPELINES: dict[str, dict[str, Any]] = {
    "sequence": pipeline(
        does("a", "echo one", "sleep 3", "echo two", 'echo "v=7" >> "$GAMEPIPELINE_OUTPUT"'),
        does("b", 'echo "got ${{ steps.a.outputs.v }}"', "sleep 2"),
    ),
    "retries": pipeline(
        does("a", "echo begun", '[ "$GAMEPIPELINE_ATTEMPT" = 3 ]', retry={"limit": 2, "backoff": "5s"}),
        does("z", "echo cleaned", when="always"),
    ),
    "failure": pipeline(does("a", "sleep 1", "exit 3"), does("b", "echo never"), does("z", "echo last", when="always")),
    "service": pipeline(
        service(
            "web",
            lifetime="pipeline",
            ready={"running": "1s"},
            container={"image": IMAGE, "commands": ["echo up", "sleep 9000"]},
        ),
        does("work", "echo working", "sleep 2"),
    ),
    "timeout": pipeline(
        does("slow", "echo begun", "sleep 600", timeout="4s", failure="ignore"), does("next", "echo next")
    ),
}


async def outcome(engine: EngineOnFakes) -> dict[str, Any]:
    """What must not depend on who ran it, or how often that changed."""
    status: PipelineStatus = await engine.wait()
    logs: dict[str, list[str]] = {}
    closed: dict[str, int] = {}
    chunks: set[tuple[str, int, int]] = set()
    for event in await engine.log_events():
        data = event.data
        if isinstance(data, StepLog) and (data.step, data.attempt, data.chunk) not in chunks:
            chunks.add((data.step, data.attempt, data.chunk))
            logs.setdefault(f"{data.step}#{data.attempt}", []).extend(text for _, _, text in data.lines)
        if isinstance(data, LogClosed):
            closed[f"{data.step}#{data.attempt}"] = data.lines
    return {
        "status": status.status,
        "steps": [
            (one.id, one.status, one.attempt, one.exit_code, one.cause, dict(one.outputs)) for one in status.steps
        ],
        "events": [
            name for name in names(await engine.events()) if name not in {"PipelineResumed", "PipelineReleased"}
        ],
        "logs": logs,
        "closed": closed,
        "left": await engine.left(),
    }


async def undisturbed(document: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The outcome when one engine does all of it, and the number of its events."""
    engine = EngineOnFakes()
    async with engine.serving():
        await engine.submit(document)
        return await outcome(engine), len(await engine.events())


async def interrupted(document: dict[str, Any], after: int, *, crash: bool) -> dict[str, Any]:
    """The outcome when the first engine ends after so many events."""
    world = FakeWorld()
    first = EngineOnFakes(world)
    async with first.serving():
        await first.submit(document)
        await _event(first, after)
        if crash:
            await first.crash()
    second = EngineOnFakes(world)
    async with second.serving():
        found = await outcome(second)
    assert all(count == 1 for count in world.daemon.starts.values()), world.daemon.starts
    return found


async def _event(engine: EngineOnFakes, number: int) -> None:
    async for record in engine.journal.follow("p1"):
        if decode(record.payload).seq == number:
            return


@pytest.mark.parametrize("crash", [True, False], ids=["crash", "release"])
@pytest.mark.parametrize("name", PIPELINES)
def test_an_engine_that_ends_after_any_event(name: str, crash: bool) -> None:
    """After whichever event it crashes or lets go: the next engine comes to the same end, line for line."""
    document = PIPELINES[name]
    wanted, count = simulate(undisturbed(document))
    for after in range(1, count):
        assert simulate(interrupted(document, after, crash=crash)) == wanted, f"{name}: after event {after}"


def test_a_crash_between_a_call_and_its_event() -> None:
    """Killed with the container started and nothing of it on record: it is found running, not started again.

    The append that was on its way arrives long after, from a process that is dead, and is refused.
    """

    async def main() -> None:
        world = FakeWorld()
        first = EngineOnFakes(world)
        first.journal.script(None, None, None, Ghost(900.0))
        async with first.serving():
            await first.submit(pipeline(does("a", "sleep 2000")))
            await first.until("p1", "StepScheduled")
            await asyncio.sleep(5)
            assert world.daemon.starts == {"gp-p1.a.1": 1}
            assert names(await first.events())[-1] == "StepScheduled"
            await first.crash()
        second = EngineOnFakes(world)
        async with second.serving():
            assert (await second.wait()).status == "completed"
        assert set(world.daemon.starts.values()) == {1}

    simulate(main())


def test_nobody_takes_what_a_living_engine_has() -> None:
    """A second engine on the same daemon leaves a pipeline alone whose owner is there."""

    async def main() -> None:
        world = FakeWorld()
        first, second = EngineOnFakes(world), EngineOnFakes(world, node="other")
        async with first.serving(), second.serving():
            await first.submit(pipeline(does("a", "sleep 300")))
            status = await first.wait()
            assert status.status == "completed"
            assert "PipelineResumed" not in names(await first.events())

    simulate(main())


def test_a_fenced_runner_stops_and_touches_nothing() -> None:
    """An engine that lost the pipeline without noticing ends at the next event, and asks the daemon for nothing."""

    async def main() -> None:
        world = FakeWorld()
        old, new = EngineOnFakes(world), EngineOnFakes(world)
        old_writer = await _claimed(old, pipeline(does("a", "sleep 30"), does("b", "echo b")))
        runner = Runner(old.host, old_writer)
        running = asyncio.ensure_future(runner.run())  # noqa: TID251 - awaited below
        await old.until("p1", "StepStarted")
        taken = Writer(new.host, "p1")
        await taken.catch_up()
        await taken.settle(Claim(node="bench", engine=new.instance, docker=world.daemon.id, reason="test"))
        before = len(world.daemon.calls)
        runner.wake()
        with pytest.raises(Fenced):
            await running
        assert [call for call in world.daemon.calls[before:] if call[0] in {"stop", "remove", "create", "start"}] == []
        assert "gp-p1.a.1" in world.daemon.containers
        assert names(await new.events())[-1] == "PipelineResumed"

    simulate(main())


async def _claimed(engine: EngineOnFakes, document: dict[str, Any]) -> Writer:
    """A writer that owns a submitted pipeline, without a supervisor."""
    await engine.submit(document)
    delivery = await engine.queue.next_execute(("default",))
    assert delivery is not None
    writer = Writer(engine.host, "p1")
    assert await engine.supervisor._intake.admit(delivery, writer)
    return writer


# --- commands --------------------------------------------------------------------------------------------


def test_a_command_that_comes_again_changes_nothing() -> None:
    """The same document under the same id, while it runs and after its end: acked, no event."""

    async def main() -> None:
        engine = EngineOnFakes()
        document = pipeline(does("a", "sleep 5"))
        async with engine.serving():
            assert (await engine.run(document)).status == "completed"
            events = names(await engine.events())
            await engine.until_taken()
            await engine.submit(document)
            await engine.until_taken()
            assert names(await engine.events()) == events

    simulate(main())


def test_another_document_under_a_taken_id_is_refused_on_record() -> None:
    """CommandRejected in the history of the pipeline that has the id; its status does not change."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.run(pipeline(does("a", "true")))
            await engine.until_taken()
            await engine.submit(pipeline(does("a", "false")))
            await engine.until("p1", "CommandRejected")
            assert (await engine.wait()).status == "completed"

    simulate(main())


def test_more_pipelines_than_places() -> None:
    """Beyond its capacity an engine takes up the next pipeline when one is over; all end, none is mixed up."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            for number in range(10):
                await engine.submit(pipeline(does("a", f"echo {number}", "sleep 5")), f"p{number}")
            for number in range(10):
                assert (await engine.wait(f"p{number}")).status == "completed"
                records = [one.data for one in await engine.log_events(f"p{number}")]
                texts = [text for one in records if isinstance(one, StepLog) for _, _, text in one.lines]
                assert texts == [str(number)]

    simulate(main())


def test_a_log_record_names_the_event_behind_it() -> None:
    """The envelope of a log record has a cause in its pipeline's history, as that of an event has."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.submit(pipeline(does("a", "echo hello")), "p1")
            assert (await engine.wait("p1")).status == "completed"
            known = {one.id for one in await engine.events("p1")}
            causes = [one.causation_id for one in await engine.log_events("p1")]
            assert causes
            assert known.issuperset(causes)

    simulate(main())


def test_bytes_that_are_no_command() -> None:
    """What cannot be read is refused and removed, and the engine goes on."""

    async def main() -> None:
        engine = EngineOnFakes()
        subjects = engine.world.subjects
        async with engine.serving():
            engine.world.commands.add(subjects.execute("default", "p9"), b"\xff{")
            engine.world.commands.add(subjects.cancel("p9"), b"[]")
            assert (await engine.run(pipeline(does("a", "true")))).status == "completed"
            await engine.until_taken()
            assert sorted(command for command, _ in engine.rejected) == ["cancel", "execute"]
            for command, event in engine.rejected:
                told = decode(encode(event))
                assert isinstance(told.data, CommandRejected)
                assert (told.pipeline_id, told.data.command) == ("p9", command)
                assert (told.data.code, told.data.command_id) == ("bad_command", None)

    simulate(main())


def test_an_append_that_is_refused_for_good_does_not_orphan_the_pipeline() -> None:
    """The run is let go, its command comes again, and the same engine goes on with the epoch it has."""

    async def main() -> None:
        engine = EngineOnFakes()
        original, calls = engine.journal.append, 0

        async def refused_once(event: Event, payload: bytes, expected: int) -> int:
            nonlocal calls
            calls += 1
            if calls == 4:
                raise NotStored(event.pipeline_id, "odd")
            return await original(event, payload, expected)

        engine.journal.append = refused_once  # type: ignore[method-assign]
        async with engine.serving():
            assert (await engine.run(pipeline(does("a", "sleep 5")))).status == "completed"
            assert engine.world.daemon.starts == {"gp-p1.a.1": 1}

    simulate(main())


def test_a_pipeline_of_another_pool_that_has_nothing_on_the_daemon() -> None:
    """Begun, let go before it had a container, and its pool served by nobody any more: its daemon's engine goes on."""

    async def main() -> None:
        world = FakeWorld()
        first = EngineOnFakes(world, node="one")
        async with first.serving():
            world.daemon.faults.lose_request("prepare", 1000)
            command = Execute(id=new_id(), pipeline=pipeline(does("a", "echo a")), args={}, submitted_by="cli:test")
            await first.queue.publish(CommandSubject("execute", "p1", "one"), command)
            await first.until("p1", "StepScheduled")
        assert await first.containers.leftovers() == []
        world.daemon.faults.forget()
        second = EngineOnFakes(world, node="two")
        async with second.serving():
            assert (await second.wait()).status == "completed"

    simulate(main())
