"""``gamepipeline rerun``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gamepipeline_engine.cli.options import Settings, id_argument, nats_option

if TYPE_CHECKING:
    from gamepipeline_events import Rerun
    from gamepipeline_projections import PipelineState


@click.command("rerun")
@id_argument
@click.option("--from", "step", metavar="STEP", help="Take over what completed before STEP, with its outputs.")
@click.option("--pool", metavar="P", help="Pool or node that shall run it (else the one of the run before).")
@nats_option
def command(pipeline: str, step: str | None, pool: str | None) -> None:
    """Run a pipeline that has ended once more, as a new one. Prints its id, nothing else.

    It has the same document, arguments and images as the run before; the values of variables and
    secrets, of which only the names were stored, are those of the node that runs it. A run that was
    made by `gamepipeline run` is left to an engine in the background.
    """
    from gamepipeline_engine.cli.loop import run_async
    from gamepipeline_events.ids import ID_PATTERN, is_id

    if pool is not None and not is_id(pool):
        raise click.BadParameter(f"{pool!r:.80} is no pool: it must match {ID_PATTERN}", param_hint="--pool")
    click.echo(run_async(_rerun(Settings.current(), pipeline, step, pool)))


async def _rerun(settings: Settings, text: str, step: str | None, pool: str | None) -> str:
    from gamepipeline_engine.cli.acting.publish import publish
    from gamepipeline_engine.cli.lookup import read_state, resolve_id
    from gamepipeline_engine.cli.offline.file import Job
    from gamepipeline_engine.cli.output import note
    from gamepipeline_engine.cli.reading.logs import check_step
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_events import bind_arguments, check
    from gamepipeline_projections.repeating import repeat, uses_workspace

    async with open_session(settings, write=True) as session:
        state = await read_state(session, await resolve_id(session, text))
        check_step(step, state)
        rerun = repeat(state, step)
        spec = check(state.document).require()
        for one in uses_workspace(spec, rerun):
            note(f"warning: step {one} names /workspace: the files of the steps that are taken over are not there")
        job = Job(state.document, spec, state.args, bind_arguments(spec, state.args)[0], state.id)
        found = await _pool(settings, state, pool)
        pipeline_id = await publish(session, job, None, found, rerun)
    note(_told(rerun))
    return pipeline_id


async def _pool(settings: Settings, state: PipelineState, given: str | None) -> str:
    """Where it runs. That of a ``run`` ended with its process: it gets an engine of its own in the background."""
    from gamepipeline_engine.cli.running.background import start_engine
    from gamepipeline_engine.clock import new_id
    from gamepipeline_engine.supervision.private import is_private, private_pool

    pool = given or state.pool or "default"
    if not is_private(pool):
        return pool
    pool = private_pool(new_id(), bound=False)
    await start_engine(settings, name=pool, pool=pool)
    return pool


def _told(rerun: Rerun) -> str:
    if rerun.from_step is None:
        return f"all of {rerun.pipeline_id} runs again"
    taken = ", ".join(one.step for one in rerun.taken_over) or "nothing"
    return f"{rerun.pipeline_id} runs again from {rerun.from_step} on; taken over: {taken}"
