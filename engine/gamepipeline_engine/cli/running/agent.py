"""``gamepipeline agent``."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import click
import msgspec

from gamepipeline_engine.cli.options import Settings, nats_option

if TYPE_CHECKING:
    from gamepipeline_projections import GamePipelineAgent


@click.command("agent")
@click.option("--name", metavar="N", help="Name of this agent (else the host name).")
@nats_option
def command(name: str | None) -> None:
    """Keep a model of every pipeline, and answer questions about them, until SIGTERM or SIGINT.

    The models (document and status) are in the key-value bucket gamepipeline_models; the NATS micro
    service gamepipeline answers status, list and health. Needs no Docker. Any number of agents may
    run. Prints {"ready":true,...} on stdout once it answers; its log goes to stderr, as JSON lines.
    """
    from gamepipeline_engine.cli.loop import run_async
    from gamepipeline_engine.cli.running.logging import log_to_stderr

    log_to_stderr()
    run_async(_serve(Settings.current(), name))


async def _serve(settings: Settings, name: str | None) -> None:
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_projections import GamePipelineAgent

    async with open_session(settings, write=True) as session:
        agent = GamePipelineAgent(session.target, name=name)
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)  # a terminal that closes does not end a daemon
        async with agent:
            health = agent.health()
            click.echo(msgspec.json.encode({"ready": True, "agent": agent.name, "realm": health.realm}))
            await _until(asked, agent)


async def _until(asked: asyncio.Event, agent: GamePipelineAgent) -> None:
    """Until somebody asks for the end, or keeping the models fails: that is raised."""
    async with asyncio.TaskGroup() as group:
        ends = {group.create_task(asked.wait()), group.create_task(agent.serve_until_stopped())}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for one in ends:
            one.cancel()
