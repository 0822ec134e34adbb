"""Waiting until a pipeline is where a command wanted it, with an engine there to bring it there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.loop import end
from gamepipeline_engine.cli.options import Settings
from gamepipeline_engine.cli.output import note
from gamepipeline_engine.cli.running.background import ensure_engine, staying
from gamepipeline_engine.cli.session import Session
from gamepipeline_events import decode
from gamepipeline_projections import PipelineState, evolve

MOST_STARTS = 3
"""Engines that are started in a row, for one that does not stay."""

LOOK = 2.0
"""Seconds between looks whether an engine is there. The record of one that was killed stays a while."""


async def until(
    session: Session, settings: Settings, state: PipelineState, done: Callable[[PipelineState], bool]
) -> PipelineState:
    """The pipeline's state as soon as ``done`` says so of it."""
    if done(state):
        return state
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(_keep_engine(session, settings))
        state = await _follow(session, state, done)
        await end(keeping)
    return state


async def _follow(session: Session, state: PipelineState, done: Callable[[PipelineState], bool]) -> PipelineState:
    async with aclosing(session.events.follow(state.id, state.head.sequence)) as records:
        async for record in records:
            state = evolve(state, decode(record.payload, sequence=record.sequence))
            if done(state):
                break
    return state


async def _keep_engine(session: Session, settings: Settings) -> None:
    told = False
    starts = 0
    while True:
        started = await ensure_engine(session, settings)
        if started is not None:
            starts += 1
            if starts > MOST_STARTS:
                fix = f"see {started.log}; the request is stored, and carried out by the next engine that stays"
                raise CliError(Exit.INFRASTRUCTURE, "the engine in the background ends again and again", fix)
            note(f"started an engine in the background, its log is {started.log}")
        if not session.embedded and not told and not await staying(session):
            note("waiting: no engine is connected; the request is stored")
            told = True
        await asyncio.sleep(LOOK)
