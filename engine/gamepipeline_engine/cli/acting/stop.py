"""``gamepipeline stop``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gamepipeline_engine.cli.options import Settings, id_argument, nats_option, reason_option

if TYPE_CHECKING:
    from gamepipeline_projections import PipelineState


@click.command("stop")
@id_argument
@click.option("--step", metavar="S", help="Only the service of this step.")
@reason_option
@click.option("--no-wait", is_flag=True, help="Return once the request is stored.")
@nats_option
def command(pipeline: str, step: str | None, reason: str, *, no_wait: bool) -> None:
    """Stop the services that a finished pipeline left running.

    To end a pipeline that still runs, use `gamepipeline cancel`.
    """
    from gamepipeline_engine.cli.loop import run_async

    run_async(_stop(Settings.current(), pipeline, step, reason, no_wait=no_wait))


async def _stop(settings: Settings, text: str, step: str | None, reason: str, *, no_wait: bool) -> None:
    from gamepipeline_engine.cli.acting.waiting import until
    from gamepipeline_engine.cli.lookup import read_state, resolve_id
    from gamepipeline_engine.cli.output import note
    from gamepipeline_engine.cli.own import masked
    from gamepipeline_engine.cli.running.background import ensure_engine
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_engine.cli.who import actor
    from gamepipeline_engine.clock import new_id
    from gamepipeline_events import Stop
    from gamepipeline_events.subjects import CommandSubject

    async with open_session(settings, write=True) as session:
        state = await read_state(session, await resolve_id(session, text))
        check(state, step)
        if not live(state, step):
            note(f"{state.id}: nothing to stop, {'its service is' if step else 'its services are'} not running")
            return
        command = Stop(id=new_id(), step=step, reason=masked(reason, state), requested_by=actor())
        await session.queue.publish(CommandSubject("stop", state.id), command)
        if no_wait:
            await ensure_engine(session, settings)
            return
        asked = live(state, step)
        state = await until(session, settings, state, lambda one: not live(one, step))
    for name in asked:
        service = state.steps[name].service
        note(f"{state.id}: {name} {service.phase if service is not None else 'stopped'}")


def live(state: PipelineState, step: str | None) -> list[str]:
    """Ids of the running services that are meant."""
    return [one for one in state.live_services() if step is None or one == step]


def check(state: PipelineState, step: str | None) -> None:
    """Raise CliError for what `stop` cannot be asked to do."""
    from gamepipeline_engine.cli.exits import CliError, Exit

    if step is not None and step not in state.steps:
        known = ", ".join(state.steps)
        raise CliError(Exit.NOT_FOUND, f"pipeline {state.id} has no step {step!r:.80}", f"its steps are {known}")
    if step is not None and state.steps[step].kind != "service":
        raise CliError(Exit.USAGE, f"step {step} is no service", "only services go on after their pipeline")
    if not state.terminal:
        fix = f"wait for its end, or use `gamepipeline cancel {state.id} --reason …`"
        raise CliError(Exit.USAGE, f"pipeline {state.id} has not ended yet", fix)
