"""``gamepipeline cancel``."""

from __future__ import annotations

import click

from gamepipeline_engine.cli.options import Settings, id_argument, nats_option, reason_option


@click.command("cancel")
@id_argument
@reason_option
@click.option("--no-wait", is_flag=True, help="Return once the request is stored.")
@click.option("--tombstone", is_flag=True, help="Also for an id that does not exist: if it comes, it is canceled.")
@nats_option
def command(pipeline: str, reason: str, *, no_wait: bool, tombstone: bool) -> None:
    """End a pipeline: its containers are stopped, its cleanup steps run.

    One that has ended already stays as it is. Exit code 0 when it has ended, however it did.
    """
    from gamepipeline_engine.cli.loop import run_async

    run_async(_cancel(Settings.current(), pipeline, reason, no_wait=no_wait, tombstone=tombstone))


async def _cancel(settings: Settings, text: str, reason: str, *, no_wait: bool, tombstone: bool) -> None:
    from gamepipeline_engine.cli.acting.waiting import until
    from gamepipeline_engine.cli.exits import CliError, Exit
    from gamepipeline_engine.cli.lookup import LATEST, read_state, resolve_id
    from gamepipeline_engine.cli.output import note
    from gamepipeline_engine.cli.own import masked
    from gamepipeline_engine.cli.running.background import ensure_engine
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_engine.cli.who import actor
    from gamepipeline_engine.clock import new_id
    from gamepipeline_events import Cancel
    from gamepipeline_events.ids import is_id
    from gamepipeline_events.subjects import CommandSubject
    from gamepipeline_projections import PipelineState

    async with open_session(settings, write=True) as session:
        try:
            pipeline_id = await resolve_id(session, text)
            state = await read_state(session, pipeline_id)
        except CliError as error:
            if error.code is not Exit.NOT_FOUND or not tombstone or text == LATEST or not is_id(text):
                raise
            pipeline_id, state = text, PipelineState(id=text)
        if state.terminal:
            note(f"{pipeline_id} has already ended: {state.phase}")
            return
        command = Cancel(id=new_id(), reason=masked(reason, state), requested_by=actor())
        await session.queue.publish(CommandSubject("cancel", pipeline_id), command)
        if no_wait:
            await ensure_engine(session, settings)
            return
        state = await until(session, settings, state, lambda one: one.terminal)
    note(f"{pipeline_id}: {state.phase}")
