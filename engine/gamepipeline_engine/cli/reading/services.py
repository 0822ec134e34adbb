"""``gamepipeline services``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gamepipeline_engine.cli.options import TABLE, Settings, nats_option, output_option

if TYPE_CHECKING:
    from gamepipeline_projections import PipelineStatus

LIVE = frozenset({"starting", "ready", "stopping", "unknown"})
"""States of a service in which its container is, or may be, there."""


@click.command("services")
@output_option
@nats_option
def command(output: str) -> None:
    """List running services of all pipelines, and where they answer.

    On the own server of this user an engine is started to watch them, when none is there.
    """
    from gamepipeline_engine.cli.loop import run_async

    run_async(_services(Settings.current(), output))


async def _services(settings: Settings, output: str) -> None:
    from gamepipeline_engine.cli.lookup import read_states
    from gamepipeline_engine.cli.output import emit, note
    from gamepipeline_engine.cli.render.tables import services_text
    from gamepipeline_engine.cli.running.background import ensure_engine
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_projections import status_of

    async with open_session(settings) as session:
        states, broken = await read_states(session)
        rows = [one for state in states.values() for one in live_services(status_of(state))]
        if rows:
            await ensure_engine(session, settings)
    for pipeline_id, why in broken.items():
        note(f"warning: {pipeline_id} is left out, its history cannot be read: {why}")
    if output == TABLE:
        click.echo(services_text(rows), nl=False)
    else:
        emit(rows, output)


def live_services(status: PipelineStatus) -> list[dict[str, Any]]:
    """One row for each service of a pipeline that is, or may be, there."""
    return [
        {
            "id": status.id,
            "step": step.id,
            "status": step.service.status,
            "endpoints": step.service.endpoints,
            "restart_count": step.service.restart_count,
            "observed_at": step.service.observed_at,
            "node_id": status.node_id,
            "pipeline_status": status.status,
            "container_id": step.container_id,
            "image": step.image,
        }
        for step in status.steps
        if step.service is not None and step.service.status in LIVE
    ]
