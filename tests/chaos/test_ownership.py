"""Who may go on with a pipeline when its engine is frozen, told to end, or cut off together with all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gamepipeline_events import Event, PipelineReleased, PipelineResumed, PipelineStarted, StepStarted, decode
from tests.support.chaos.arena import Arena, arena
from tests.support.chaos.engine import Timing
from tests.support.chaos.workload import plan_sleeper

pytestmark = [pytest.mark.chaos, pytest.mark.docker, pytest.mark.timeout(240)]

PIPELINES = 6


async def test_a_frozen_engine_that_goes_on_touches_nothing(tmp_path: Path, say: Callable[[str], None]) -> None:
    """Paused for longer than ``ack_wait``, it finds its pipelines in other hands, and changes nothing on Docker."""
    async with arena(tmp_path) as one:
        frozen, other = one.engines.values()
        first = (await frozen.ready())["instance"]
        async with asyncio.TaskGroup() as group:
            await _start(one, group, 16)
            mine = [event.pipeline_id for event in _events(one) if _claims(event, first)]
            frozen.pause()
            taken = await _until(one, lambda: set(mine) <= {e.pipeline_id for e in _resumed(one)}, 20)
            before = len(one.proxy.requests)
            frozen.go_on()
            await _until(one, lambda: not one.client.open_pipelines, 60)
            changes = [call for call in one.proxy.requests[before:] if _changes(*call, mine)]
        verdict = await one.finish()
    say(f"zombie: {len(mine)} pipelines taken from a frozen engine; {'; '.join(one.notes)}\n  {verdict}")
    assert mine, "the frozen engine had nothing"
    assert taken, "nobody took over"
    assert not changes, f"the frozen engine went on: {changes}"
    assert not verdict.wrong, str(verdict)
    assert other.exits == []


async def test_sigterm_hands_over_at_once(tmp_path: Path, say: Callable[[str], None]) -> None:
    """The other engine goes on with the very containers, long before ``ack_wait`` is over."""
    async with arena(tmp_path, timing=Timing(ack_wait=20, heartbeat=2)) as one:
        leaving, _ = one.engines.values()
        first = (await leaving.ready())["instance"]
        async with asyncio.TaskGroup() as group:
            await _start(one, group, 12)
            mine = [event.pipeline_id for event in _events(one) if _claims(event, first)]
            leaving.terminate(down=60)
            taken = await _until(one, lambda: set(mine) <= {e.pipeline_id for e in _resumed(one)}, 12)
        verdict = await one.finish()
    say(f"SIGTERM: {len(mine)} pipelines handed over; {'; '.join(one.notes)}\n  {verdict}")
    assert mine, "the engine that left had nothing"
    assert {e.pipeline_id for e in _events(one) if isinstance(e.data, PipelineReleased)} == set(mine)
    assert taken, "nobody took over"
    assert [end.code for end in leaving.exits] == [0]
    assert not verdict.wrong, str(verdict)


async def test_nobody_takes_anything_after_an_outage_of_nats(tmp_path: Path, say: Callable[[str], None]) -> None:
    """All commands are given out again and all presence records are gone: that says nothing about the engines."""
    async with arena(tmp_path, timing=Timing(ack_wait=8, heartbeat=1)) as one:
        async with asyncio.TaskGroup() as group:
            await _start(one, group, 25)
            one.nats.kill()
            await asyncio.sleep(12)
            await asyncio.to_thread(one.nats.start)
        verdict = await one.finish()
    say(f"outage: {one.client.ended}; {'; '.join(one.notes)}\n  {verdict}")
    assert not verdict.wrong, str(verdict)
    assert not _resumed(one), "a pipeline was taken from an engine that lives"


async def _start(one: Arena, group: asyncio.TaskGroup, seconds: float) -> None:
    """Submit, and wait until the first step of each pipeline runs."""
    for number in range(PIPELINES):
        group.create_task(one.client.run(plan_sleeper(f"p{number}-{one.client.token}", "default", seconds)))
    running = await _until(one, lambda: sum(isinstance(e.data, StepStarted) for e in _events(one)) >= PIPELINES, 40)
    assert running, "the steps did not start"


async def _until(one: Arena, done: Callable[[], bool], within: float) -> bool:
    """Whether ``done`` comes true in that time."""
    limit = asyncio.get_running_loop().time() + within
    while not done() and asyncio.get_running_loop().time() < limit:
        await one.client.grown()
    return done()


def _events(one: Arena) -> list[Event]:
    return [decode(record.payload, sequence=record.sequence) for record in one.client.records]


def _resumed(one: Arena) -> list[Event]:
    return [event for event in _events(one) if isinstance(event.data, PipelineResumed)]


def _claims(event: Event, engine: str) -> bool:
    return isinstance(event.data, PipelineStarted) and event.data.engine == engine


def _changes(method: str, path: str, pipelines: list[str]) -> bool:
    """Whether a call to Docker changes something of one of ``pipelines``."""
    if method == "GET" or path.endswith(("/wait", "/wait?condition=not-running")):
        return False
    return any(f"gp-{one}" in path for one in pipelines)
