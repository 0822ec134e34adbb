"""A run in this process: an engine with a private pool, and somebody who watches it."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

import click

from gamepipeline_engine.cli.acting.publish import publish
from gamepipeline_engine.cli.exits import OF_STATUS, CliError, Exit
from gamepipeline_engine.cli.known import KNOWN
from gamepipeline_engine.cli.lookup import read_state, resolve_id
from gamepipeline_engine.cli.loop import end
from gamepipeline_engine.cli.naming import choose
from gamepipeline_engine.cli.offline.file import Job, refuse_secrets
from gamepipeline_engine.cli.offline.preview import configurations, context_of
from gamepipeline_engine.cli.options import TABLE, Settings
from gamepipeline_engine.cli.output import emit, note
from gamepipeline_engine.cli.render.outcome import outcome_text
from gamepipeline_engine.cli.render.view import RunView
from gamepipeline_engine.cli.running.background import Background, present, start_engine, staying
from gamepipeline_engine.cli.running.following import Follower
from gamepipeline_engine.cli.running.interrupts import Interrupts
from gamepipeline_engine.cli.running.logging import log_to_file
from gamepipeline_engine.cli.running.options import RunOptions, pack_workspace
from gamepipeline_engine.cli.running.screen import Screen, open_screen
from gamepipeline_engine.cli.session import Session, open_session
from gamepipeline_engine.cli.who import actor
from gamepipeline_engine.clock import new_id
from gamepipeline_engine.config import Config, load_config
from gamepipeline_engine.engine import GamePipelineEngine
from gamepipeline_engine.policy import lifted, trusted
from gamepipeline_engine.supervision.private import is_private, private_pool
from gamepipeline_engine.variables import NodeVariables, run_variables
from gamepipeline_events import Invalid
from gamepipeline_projections import PipelineState, status_of
from gamepipeline_projections.state import ACTIVE

STORED_WITHIN = 3.0
"""Seconds that storing a request for cancellation may hold up letting go."""

GONE_WITHIN = 30.0
"""Seconds until a process that was killed counts as gone, with room."""


async def run(settings: Settings, job: Job, options: RunOptions) -> int:
    """Execute ``job`` here and watch it to its end; the exit code."""
    config = load_config()
    variables = _variables(config, options)
    refuse_secrets(job, variables)
    archive = None if options.workspace is None else await asyncio.to_thread(pack_workspace, options.workspace)
    async with open_session(settings, write=True) as session:
        name = await choose(session, job, options.given_id)
        if name.exists:
            note(f"{name.id} exists already, following it")
            return await _again(settings, session, name.id, options)
        if options.trust:
            _show_lifted(job, config, variables)
        engine = _engine(settings, config, options, variables, private_pool(new_id(), bound=options.personal))
        await engine.start()
        try:
            if archive is not None:
                engine.host.workspaces[name.id] = archive
            # A rejection is on record: it is shown like any other end.
            with suppress(Invalid):
                await engine.execute(job.document, args=job.args, id=name.id)
            return await _watch(settings, session, engine, name.id, options)
        finally:
            await engine.stop()


async def detach(settings: Settings, job: Job, options: RunOptions) -> int:
    """Leave ``job`` to an engine in the background; 0 once it is stored. Prints the id."""
    refuse_secrets(job, _variables(load_config(), options))
    pool = private_pool(new_id(), bound=False)
    async with open_session(settings, write=True) as session:
        name = await choose(session, job, options.given_id)
        if name.exists:
            note(f"{name.id} exists already")
            click.echo(name.id)
            return Exit.OK
        background = await start_engine(settings, name=pool, pool=pool)
        pipeline_id = await publish(session, job, options.given_id, pool)
    click.echo(pipeline_id)
    _tell(background)
    return Exit.OK


async def resume(settings: Settings, text: str, options: RunOptions) -> int:
    """Take up a run whose process died; the exit code as of ``run``."""
    async with open_session(settings, write=True) as session:
        return await _again(settings, session, await resolve_id(session, text), options)


async def _again(settings: Settings, session: Session, pipeline_id: str, options: RunOptions) -> int:
    """Watch a run that exists: its end if it has ended, its owner if there is one, else become that."""
    state = await read_state(session, pipeline_id)
    if state.terminal or not is_private(state.pool or ""):
        return await _watch_others(settings, session, pipeline_id, options)
    if options.resume is None and await _is_alive(session, state):
        return await _watch_others(settings, session, pipeline_id, options)
    if await _is_alive(session, state):
        note("waiting until the process that ran it is gone for certain")
        with suppress(TimeoutError):
            async with asyncio.timeout(GONE_WITHIN):
                while await _is_alive(session, state):  # noqa: ASYNC110 - nothing tells us that a record has expired
                    await asyncio.sleep(0.5)
    if await _is_alive(session, state):
        fix = f"watch it with `gamepipeline logs {pipeline_id} -f`, or end it with `gamepipeline cancel`"
        raise CliError(Exit.USAGE, f"{pipeline_id} still runs in another process", fix)
    config = load_config()
    # What nobody has begun waits in its pool; what somebody has begun is taken up by name.
    begun = state.phase in ACTIVE
    pool = private_pool(new_id(), bound=options.personal) if begun else state.pool or ""
    engine = _engine(settings, config, options, _variables(config, options), pool)
    await engine.start()
    try:
        if begun:
            await engine.resume(pipeline_id)
        return await _watch(settings, session, engine, pipeline_id, options)
    finally:
        await engine.stop()


async def _is_alive(session: Session, state: PipelineState) -> bool:
    return not state.released and state.engine in {one.instance for one in await present(session)}


async def _watch_others(settings: Settings, session: Session, pipeline_id: str, options: RunOptions) -> int:
    """Show a run that somebody else executes; Ctrl-C ends the showing."""
    view = RunView(pipeline_id)
    screen = open_screen(view, [])
    try:
        await Follower(session, view, screen).until_terminal()
    finally:
        screen.close()
    return await _report(settings, session, view, options)


async def _watch(
    settings: Settings, session: Session, engine: GamePipelineEngine, pipeline_id: str, options: RunOptions
) -> int:
    """Show the run until it has ended or is let go; say what there is to say."""
    view = RunView(pipeline_id)
    signals = Interrupts()
    signals.install()
    screen = open_screen(view, list((await read_state(session, pipeline_id)).steps))
    try:
        async with asyncio.TaskGroup() as group:
            ends = {
                group.create_task(Follower(session, view, screen).until_terminal()),
                group.create_task(engine.serve_until_stopped()),
                group.create_task(signals.let_go.wait()),
            }
            canceling = group.create_task(_cancel_on_interrupt(engine, pipeline_id, signals, screen))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if signals.cancel.is_set():
                # Who lets go after a cancel still wants the end: the request is stored first.
                await asyncio.wait({canceling}, timeout=STORED_WITHIN)
            await end(*ends, canceling)
    finally:
        screen.close()
    if view.state.terminal:
        return await _report(settings, session, view, options)
    return await _let_go(settings, engine, view, options, canceling=signals.cancel.is_set())


async def _cancel_on_interrupt(
    engine: GamePipelineEngine, pipeline_id: str, signals: Interrupts, screen: Screen
) -> None:
    await signals.cancel.wait()
    screen.say("canceling; Ctrl-C again lets it go")
    await engine.cancel_pipeline(pipeline_id, "interrupted at the terminal")


async def _report(settings: Settings, session: Session, view: RunView, options: RunOptions) -> int:
    """The outcome on stderr, the data on stdout; an engine for the services that stay. The exit code."""
    note(outcome_text(view).removesuffix("\n"))
    status = status_of(view.state)
    if options.output == TABLE:
        click.echo(f"id: {status.id}\nstatus: {status.status}")
    else:
        emit(status, options.output)
    if view.state.live_services():
        others = await staying(session)
        if others:
            note(f"its services are watched by the engine on {others[0].node}")
        else:
            try:
                _tell(await start_engine(settings, name=f"watch-{view.state.id}"))
            except CliError as error:  # what became of the run stays true
                note(f"warning: nobody watches its services: {error}")
    return OF_STATUS[status.status]


async def _let_go(
    settings: Settings, engine: GamePipelineEngine, view: RunView, options: RunOptions, *, canceling: bool
) -> int:
    """Leave the run to an engine in the background, if one can have it."""
    pipeline_id = view.state.id
    if options.personal:
        note(f"{pipeline_id} is let go: its containers run on, and nobody has the values of this call")
        note(f"take it up with `gamepipeline run --resume {pipeline_id}` and the same --env, --env-file, --trust")
        return Exit.LET_GO
    background = await start_engine(settings, name=f"watch-{pipeline_id}")
    await engine.stop()
    goes_on = "its cancellation goes on" if canceling else "it runs on"
    note(f"{pipeline_id} is let go, {goes_on}; see `gamepipeline status {pipeline_id}`")
    _tell(background)
    return Exit.LET_GO


def _tell(background: Background | None) -> None:
    """The last line on stderr."""
    if background is None:
        note("an engine in the background watches it already")
    else:
        note(f"an engine in the background keeps watching, its log is {background.log}")


def _variables(config: Config, options: RunOptions) -> NodeVariables:
    return run_variables(config.variables, os.environ, given=options.envs, env_files=options.env_files)


def _engine(
    settings: Settings, config: Config, options: RunOptions, variables: NodeVariables, pool: str
) -> GamePipelineEngine:
    log_to_file("run")
    return GamePipelineEngine(
        config,
        pools=[pool],
        variables=variables,
        policy=trusted(config.policy) if options.trust else None,
        private=True,
        nats_url=settings.nats,
        actor=actor(),
        known=KNOWN,
    )


def _show_lifted(job: Job, config: Config, variables: NodeVariables) -> None:
    """What runs only because of ``--trust``, as far as it is known before."""
    values = variables.resolve(job.pipeline.envs, job.pipeline.secrets)
    hidden = {*job.pipeline.secrets, *values.secrets}
    context = context_of(job, values.envs, hidden, config.container_defaults())
    for step, configuration in configurations(job, context):
        for one in lifted(configuration, trusted(config.policy), config.limits):
            note(f"--trust allows {step}: {one.message} ({one.rule})")
