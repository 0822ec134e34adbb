"""``gamepipeline why``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gamepipeline_engine.cli.options import TABLE, Settings, id_argument, nats_option, output_option

if TYPE_CHECKING:
    from gamepipeline_engine.cli.session import Session
    from gamepipeline_projections import PipelineState
    from gamepipeline_projections.reasons import Reason
    from gamepipeline_projections.tickets import Standing


@click.command("why")
@id_argument
@click.argument("step", metavar="[STEP]", required=False)
@output_option
@nats_option
def command(pipeline: str, step: str | None, output: str) -> None:
    """Say why a pipeline, or one step of it, is as it is.

    First what goes on or is waited for now, then the way back from what happened last to the
    command that began it: a question and its answer for each event.
    """
    from gamepipeline_engine.cli.loop import run_async
    from gamepipeline_engine.cli.output import emit
    from gamepipeline_engine.cli.render.reasons import reasons_text

    reasons = run_async(_why(Settings.current(), pipeline, step))
    if output == TABLE:
        click.echo(reasons_text(reasons), nl=False)
    else:
        emit(reasons, output)


async def _why(settings: Settings, text: str, step: str | None) -> list[Reason]:
    from gamepipeline_engine.cli.lookup import read_state, resolve_id
    from gamepipeline_engine.cli.reading.logs import check_step
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_events import decode
    from gamepipeline_projections import fold
    from gamepipeline_projections.reasons import explain

    async with open_session(settings) as session:
        pipeline_id = await resolve_id(session, text)
        events = [decode(one.payload, sequence=one.sequence) async for one in session.events.read(pipeline_id)]
        state = fold(events) if events else await read_state(session, pipeline_id)
        check_step(step, state)
        if not events:
            return [_not_started(state)]
        return explain(events, step, await _standings(session, state))


def _not_started(state: PipelineState) -> Reason:
    from gamepipeline_projections.reasons import Reason

    return Reason(
        question=f"What does pipeline {state.id} wait for?",
        answer=f"For an engine of pool {state.pool} that takes its command; nothing else has happened yet.",
        caused_by=state.command_id,
        command=state.command_id,
    )


async def _standings(session: Session, state: PipelineState) -> dict[int, Standing]:
    """Where the tickets stand that the pipeline and its steps wait with."""
    waiting = [state.ticket] if state.phase == "pending" else []
    waiting += [step.ticket for step in state.steps.values() if step.phase == "pending"]
    tickets = [one.sequence for one in waiting if one is not None]
    if state.terminal or not tickets:
        return {}
    from gamepipeline_engine.queues.reader import read_table

    upto = await session.api(session.topology.events).last_sequence()
    table = await read_table(session.events, session.topology.subjects, upto)
    found = {one: table.standing(one) for one in tickets}
    return {one: standing for one, standing in found.items() if standing is not None}
