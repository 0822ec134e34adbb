"""Histories that a whole engine wrote, and hands that forge them.

A ``Case`` is everything the checker may be given. ``lived`` runs a scenario on the fakes, so each
base is a real history. A forger knows the rules of the chain: ``forge`` numbers and chains anew, so
only the lie itself is left to be found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace

from gamepipeline_events import (
    Event,
    EventData,
    PipelineSubmitted,
    Rerun,
    StepCompleted,
    StepFailed,
    StepStarted,
    TakenOver,
    decode,
    encode,
    payload_hash,
    spec_hash,
)
from gamepipeline_projections.audit import (
    ClientJournal,
    DockerEvent,
    Finding,
    Leftover,
    SentCommand,
    check_history,
)
from gamepipeline_projections.reading import Recorded
from tests.support.engine_on_fakes import EngineOnFakes, FakeWorld
from tests.support.histories import pipeline, step
from tests.support.scenarios import FOLDER, load, play
from tests.support.simulated import simulate

PIPELINE = "p1"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What ``check_history`` gets."""

    records: list[Recorded]
    logs: list[Recorded]
    docker: list[DockerEvent] = []
    leftovers: list[Leftover] = []
    journal: ClientJournal = ClientJournal(())
    heads: dict[int, str] = {}
    starts: dict[str, int] = {}
    """How often the daemon really started each container."""

    @property
    def events(self) -> list[Event]:
        """Decoded."""
        return [decode(one.payload, sequence=one.sequence) for one in self.records]

    def findings(self) -> list[Finding]:
        """What the checker says."""
        return check_history(
            self.records,
            logs=self.logs,
            docker=self.docker,
            leftovers=self.leftovers,
            journal=self.journal,
            heads=self.heads,
            finished=True,
        )

    def broken(self) -> set[str]:
        """The names of the rules that are broken."""
        return {one.rule for one in self.findings()}


# --- real histories ------------------------------------------------------------------------------------


@cache
def lived(name: str) -> Case:
    """The scenario of that name, on the fakes."""
    scenario = load(FOLDER / f"{name}.yaml")

    async def main() -> Case:
        scripts = {step: fake.script() for step, fake in scenario.around.fake.items()}
        bench = EngineOnFakes(variables=scenario.around.variables, scripts=scripts)
        async with bench.serving():
            await play(scenario, bench, PIPELINE)
            left = [Leftover(name=one.name, kind=one.kind) for one in await bench.containers.leftovers()]
        return _case(bench.world, left)

    return simulate(main())


@cache
def handed_over() -> Case:
    """A pipeline that one engine releases and another one finishes."""
    world = FakeWorld()

    async def main() -> Case:
        first, second = EngineOnFakes(world, node="one"), EngineOnFakes(world, node="two")
        document = pipeline(step("a"), step("b"))
        document["steps"][0]["container"]["commands"] = ["sleep 30"]
        async with first.serving():
            await first.submit(document, PIPELINE)
            await first.until(PIPELINE, "StepStarted", "a")
        async with second.serving():
            await second.wait(PIPELINE)
            await asyncio.sleep(1)
        return _case(world, [])

    return simulate(main())


@cache
def repeated() -> Case:
    """A run that takes its first step over from the run before."""
    world = FakeWorld()

    async def main() -> Case:
        bench = EngineOnFakes(world)
        document = pipeline(step("a"), step("b"), step("c"))
        document["steps"][1]["container"]["commands"] = ["echo ${{ steps.a.outputs.v }}"]
        taken = TakenOver(step="a", attempt=2, exit_code=0, outputs={"v": "42"})
        async with bench.serving():
            rerun = Rerun(pipeline_id="p0", from_step="b", taken_over=[taken])
            await bench.submit(document, PIPELINE, rerun=rerun)
            await bench.wait(PIPELINE)
            await asyncio.sleep(1)
        return _case(world, [])

    return simulate(main())


def _case(world: FakeWorld, left: list[Leftover]) -> Case:
    records = list(world.events.records)
    submitted = decode(records[0].payload).data
    commands = []
    if isinstance(submitted, PipelineSubmitted):
        commands = [SentCommand(kind="execute", pipeline_id=PIPELINE, id=submitted.command_id)]
    return Case(
        records=records,
        logs=list(world.log_records.records),
        docker=_docker(records),
        leftovers=left,
        journal=ClientJournal(tuple(commands)),
        heads={records[-1].sequence: payload_hash(records[-1].payload)},
        starts=dict(world.daemon.starts),
    )


def _docker(records: list[Recorded]) -> list[DockerEvent]:
    """What a daemon would have told."""
    told = []
    for record in records:
        event = decode(record.payload)
        match event.data:
            case StepStarted(step=name, attempt=attempt):
                container = f"gp-{PIPELINE}.{name}.{attempt}"
                told.append(DockerEvent(action="start", container=container, time=event.time))
            case (
                StepCompleted(step=name, attempt=attempt, exit_code=code)
                | StepFailed(step=name, attempt=attempt, exit_code=code)
            ):
                container = f"gp-{PIPELINE}.{name}.{attempt}"
                told.append(DockerEvent(action="die", container=container, exit_code=code))
            case _:
                pass
    return told


# --- forging -------------------------------------------------------------------------------------------

Change = Callable[[list[Event]], list[Event]]


def forge(case: Case, change: Change) -> Case:
    """``case`` with its events changed, numbered and chained anew, and without what else would give it away."""
    records: list[Recorded] = []
    before: bytes | None = None
    for place, event in enumerate(change(case.events), start=1):
        hashed = payload_hash(before) if before is not None else None
        before = encode(replace(event, seq=place, prev_hash=hashed))
        records.append(Recorded(place, f"gamepipeline.events.{event.pipeline_id}.{event.name}", before))
    return replace(case, records=records, docker=[], heads={})


def find(events: list[Event], name: str, step_id: str | None = None, count: int = 1) -> int:
    """Place of the ``count``-th event of that name (about that step)."""
    for place, event in enumerate(events):
        if event.name == name and step_id in {None, getattr(event.data, "step", None)}:
            count -= 1
            if not count:
                return place
    raise AssertionError(f"no {name} of {step_id}")


def edit(name: str, step_id: str | None = None, *, count: int = 1, **changes: Any) -> Change:
    """Other values in the data of one event."""

    def change(events: list[Event]) -> list[Event]:
        place = find(events, name, step_id, count)
        data = replace(events[place].data, **changes)
        return [*events[:place], replace(events[place], data=data), *events[place + 1 :]]

    return change


def envelope(name: str, step_id: str | None = None, *, count: int = 1, **changes: Any) -> Change:
    """Other values in the envelope of one event."""

    def change(events: list[Event]) -> list[Event]:
        place = find(events, name, step_id, count)
        return [*events[:place], replace(events[place], **changes), *events[place + 1 :]]

    return change


def drop(name: str, step_id: str | None = None, *, count: int = 1) -> Change:
    """One event is not there."""

    def change(events: list[Event]) -> list[Event]:
        place = find(events, name, step_id, count)
        return events[:place] + events[place + 1 :]

    return change


def move(name: str, step_id: str, *, before: str, of: str) -> Change:
    """One event stands before another one; their times change places too."""

    def change(events: list[Event]) -> list[Event]:
        place, target = find(events, name, step_id), find(events, before, of)
        times = [event.time for event in events]
        moved = [*events[:target], events[place], *events[target:place], *events[place + 1 :]]
        return [replace(event, time=time) for event, time in zip(moved, times, strict=True)]

    return change


def insert(data: EventData, *, after: str, of: str | None = None, count: int = 1, **changes: Any) -> Change:
    """One more event behind another one, in the name of whoever wrote that."""

    def change(events: list[Event]) -> list[Event]:
        place = find(events, after, of, count)
        new = replace(events[place], id="01JDF0RGED0000000000000000", name=type(data).__name__, data=data)
        return [*events[: place + 1], replace(new, **changes), *events[place + 1 :]]

    return change


def document(**changes: Any) -> Change:
    """Another document, with the hash that belongs to it."""

    def change(events: list[Event]) -> list[Event]:
        data = events[0].data
        assert isinstance(data, PipelineSubmitted)
        new = {**data.pipeline, **changes}
        found = replace(data, pipeline=new, spec_hash=spec_hash(new, data.args))
        return [replace(events[0], data=found), *events[1:]]

    return change


def both(*changes: Change) -> Change:
    """One after the other."""

    def change(events: list[Event]) -> list[Event]:
        for one in changes:
            events = one(events)
        return events

    return change
