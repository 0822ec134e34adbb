"""Dead letters, and what presence records say about a daemon."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gamepipeline_engine.alerts.delivery.deadletter import DeadLetters
from gamepipeline_engine.alerts.delivery.lanes import Alert
from gamepipeline_engine.alerts.watch.sight import Sight
from gamepipeline_engine.alerts.watch.table import OpenPipelines
from gamepipeline_engine.clock import new_id
from gamepipeline_engine.commands.memory import MemoryCommandQueue, MemoryCommands, MemoryDelivery
from gamepipeline_engine.config import Config
from gamepipeline_engine.containers.fake import FakeContainers, FakeDaemon, ScaledClock
from gamepipeline_engine.journal.faults import Full, PublishFault, Silence
from gamepipeline_engine.journal.memory import MemoryJournal, MemoryLogStore, MemoryStream
from gamepipeline_engine.presence import Record
from gamepipeline_engine.runner import Host
from gamepipeline_engine.runner.probes import NetworkProber
from gamepipeline_engine.variables import NodeVariables
from gamepipeline_events import ErrorLog, Subjects, decode
from tests.support.histories import BEGIN, Story
from tests.support.simulated import simulate


def record(docker: str) -> Record:
    """An engine of a daemon."""
    return Record(instance="E", node="n", docker=docker, pools=(), daemon=True)


def test_absence_counts_from_the_last_sight() -> None:
    """Seen lately, seen long ago, never seen since somebody looks: as long as it was looked for."""
    sight = Sight()
    assert sight.absent("A", 5.0) == 0.0
    sight.saw([record("A")], 10.0)
    sight.saw([record("B")], 70.0)
    assert [sight.absent(docker, 100.0) for docker in ("A", "B", "C")] == [90.0, 30.0, 90.0]


def test_a_look_that_failed_voids_what_was_known() -> None:
    """Absence counts anew from the first look that succeeds."""
    sight = Sight()
    sight.saw([record("A")], 10.0)
    sight.lost()
    assert sight.absent("A", 500.0) == 0.0
    sight.saw([], 600.0)
    assert sight.absent("A", 650.0) == 50.0


def made(logs: MemoryLogStore) -> Host:
    """An engine's ports in memory."""
    config, clock = Config().named("n"), ScaledClock(1.0, BEGIN)
    return Host(
        realm="R",
        node="n",
        instance=new_id(),
        docker="D",
        config=config,
        journal=MemoryJournal(),
        logs=logs,
        containers=FakeContainers("R", FakeDaemon(clock)),
        clock=clock,
        prober=NetworkProber(),
        new_id=new_id,
        variables=NodeVariables([]),
        policy=config.policy,
    )


def recorded(*faults: PublishFault) -> tuple[list[ErrorLog], float]:
    """The records of one dead letter, and when it was stored."""

    async def main() -> tuple[list[ErrorLog], float]:
        logs = MemoryLogStore()
        logs.script(*faults)
        commands = MemoryCommands(Subjects())
        commands.add("gamepipeline.commands.cancel.p", b"")
        entry = commands.take(["gamepipeline.commands.cancel."])
        assert entry is not None
        alert = Alert(
            pipeline_id="p1",
            sequence=1,
            event_id="E1",
            time="",
            name="disk_full",
            body=b"",
            delivery=MemoryDelivery(MemoryCommandQueue(commands), entry),
        )
        await DeadLetters(made(logs), "https://h").record(alert, "gone", 410)
        found = [decode(one.payload).data async for one in logs.read("p1", "_pipeline")]
        return [one for one in found if isinstance(one, ErrorLog)], asyncio.get_running_loop().time()

    return simulate(main())


def test_a_dead_letter_says_what_was_not_delivered_where_and_why() -> None:
    """One record below the pipeline, of no step."""
    (letter,), _ = recorded()
    assert letter.message == "alert disk_full was not delivered to https://h: gone"
    assert (letter.step, letter.cause, letter.context["event_id"]) == (None, "engine_error", "E1")


def test_a_log_store_that_is_away_is_waited_for() -> None:
    """The alert is given up only once that is on record."""
    letters, when = recorded(Silence(), Silence())
    assert len(letters) == 1
    assert when >= 2.0


def test_what_can_never_be_stored_is_no_reason_to_go_on() -> None:
    """The engine's log has it; the next alert is not held up."""
    assert recorded(Full())[0] == []


# --- the table of pipelines that have not ended ------------------------------------------------------------


def test_the_table_follows_the_stream() -> None:
    """Begun and not ended is in it, oldest first, whatever else the stream holds."""

    async def main() -> list[list[str]]:
        stream, subjects = MemoryStream(), Subjects()
        table = OpenPipelines(MemoryJournal(stream, subjects), subjects, ScaledClock(1.0, BEGIN), 600.0)
        stories = {name: Story(pipeline_id=name) for name in ("p1", "p2", "p3")}
        seen = []
        for name in ("p1", "p2"):
            stream.store(subjects.event(name, "PipelineSubmitted"), stories[name].payloads[0])
        stream.store("gamepipeline.events.p1.Not.Ours", b"")
        stream.store(subjects.event("p1", "AlertRaised"), b"rubbish")
        stream.store(subjects.event("unknown", "StepSkipped"), b"")
        await table.refresh()
        seen.append([entry.pipeline_id for entry in table])
        assert [(entry.due, entry.state) for entry in table] == [(None, None)] * 2
        stream.store(subjects.event("p1", "PipelineCanceled"), b"")
        stream.store(subjects.event("p3", "PipelineSubmitted"), stories["p3"].payloads[0])
        await table.refresh()
        seen.append([entry.pipeline_id for entry in table])
        assert "p3" in table
        assert "p1" not in table
        assert [entry.due is None for entry in table] == [True, False]
        return seen

    assert simulate(main()) == [["p1", "p2"], ["p2", "p3"]]


@pytest.mark.parametrize(("details", "known"), [({"max_bytes": 7}, 7), ({"max_bytes": "7"}, None), ({}, None)])
def test_the_stream_remembers_that_it_was_said_how_full_it_is(details: dict[str, Any], known: int | None) -> None:
    """The last disk_full alert of any pipeline, also of one that has ended, and only that kind of alert."""

    async def main() -> int | None:
        stream, subjects = MemoryStream(), Subjects()
        table = OpenPipelines(MemoryJournal(stream, subjects), subjects, ScaledClock(1.0, BEGIN), 600.0)
        story = Story(pipeline_id="p1").alert("disk_full", **details).alert("logs_lost", max_bytes=9)
        for name, payload in zip(story.names, story.payloads, strict=True):
            stream.store(subjects.event("p1", name), payload)
        stream.store(subjects.event("p1", "PipelineCanceled"), b"")
        await table.refresh()
        return table.disk_alert

    assert simulate(main()) == known
