"""The status that a pipeline had: ``status --at``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gamepipeline_engine.cli.session import Session
    from gamepipeline_events import Event
    from gamepipeline_projections import PipelineState
    from gamepipeline_projections.timetravel import Place


def parse_at(ctx: click.Context, param: click.Parameter, value: str | None) -> Place | None:
    """Callback: a place in a history, by its number, its time, or how long ago it was."""
    if value is None:
        return None
    from gamepipeline_events import BadInput
    from gamepipeline_projections.timetravel import parse_place

    try:
        return parse_place(value, datetime.now(UTC))
    except (BadInput, OverflowError) as error:
        raise click.BadParameter(str(error), ctx, param) from error


async def read_events(session: Session, pipeline_id: str) -> list[Event]:
    """All events of a pipeline. Raises CliError, 7, for one of which only the command exists."""
    from gamepipeline_engine.cli.exits import CliError, Exit
    from gamepipeline_events import decode

    events = [decode(one.payload, sequence=one.sequence) async for one in session.events.read(pipeline_id)]
    if not events:
        raise CliError(Exit.NOT_FOUND, f"nothing has happened to {pipeline_id} yet: only its command is stored")
    return events


async def read_past(session: Session, pipeline_id: str, place: Place) -> PipelineState:
    """The state of a pipeline at ``place``. Raises CliError, 7, where it had none."""
    from gamepipeline_engine.cli.exits import CliError, Exit
    from gamepipeline_projections.timetravel import state_at

    events = await read_events(session, pipeline_id)
    state = state_at(events, place)
    first, last = events[0], events[-1]
    if state is None:
        raise CliError(Exit.NOT_FOUND, f"{pipeline_id} did not exist at {place}", f"its first event is of {first.time}")
    if isinstance(place, int) and state.head.seq < place:
        raise CliError(Exit.NOT_FOUND, f"{pipeline_id} has no event {place}", f"its last is {last.seq}, of {last.time}")
    return state
