"""``gamepipeline list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gamepipeline_engine.cli.options import (
    TABLE,
    Settings,
    nats_option,
    output_option,
    parse_duration,
)

if TYPE_CHECKING:
    from gamepipeline_projections import PipelineStatus

STATUSES = ("not_started", "pending", "running", "completed", "failed", "canceled", "timed_out", "rejected")
FIELDS = (
    "id",
    "name",
    "model",
    "node_id",
    "pool",
    "status",
    "submitted_at",
    "start_time",
    "end_time",
    "reason",
    "error",
)
"""What `-o json` says of each pipeline."""


@click.command("list")
@click.option("--status", "wanted", multiple=True, type=click.Choice(STATUSES), help="Only these; repeatable.")
@click.option(
    "--since", metavar="DURATION", callback=parse_duration, help="Only what was submitted in the last DURATION."
)
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="At most so many; 0: all.")
@output_option
@nats_option
def command(wanted: tuple[str, ...], since: float | None, limit: int, output: str) -> None:
    """List pipelines, newest first."""
    from gamepipeline_engine.cli.loop import run_async

    run_async(_list(Settings.current(), wanted, since, limit, output))


async def _list(settings: Settings, wanted: tuple[str, ...], since: float | None, limit: int, output: str) -> None:
    from gamepipeline_engine.cli.lookup import read_states
    from gamepipeline_engine.cli.output import emit, note
    from gamepipeline_engine.cli.render.tables import list_text
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_projections import status_of

    async with open_session(settings) as session:
        states, broken = await read_states(session)
    for pipeline_id, why in broken.items():
        note(f"warning: {pipeline_id} is left out, its history cannot be read: {why}")
    found = select([status_of(state) for state in states.values()], wanted, since, limit)
    if output == TABLE:
        click.echo(list_text(found), nl=False)
    else:
        emit([row(one) for one in found], output)


def select(
    statuses: list[PipelineStatus], wanted: tuple[str, ...], since: float | None, limit: int
) -> list[PipelineStatus]:
    """Those asked for, newest first; what is not submitted yet is newest. ``limit`` 0 means all."""
    chosen = [one for one in statuses if not wanted or one.status in wanted]
    if since is not None:
        from datetime import UTC, datetime, timedelta

        from gamepipeline_events.times import timestamp

        start = timestamp(datetime.now(UTC) - timedelta(seconds=since))
        chosen = [one for one in chosen if _began(one) >= start]
    chosen.sort(key=lambda one: (_began(one), one.id), reverse=True)
    return chosen[:limit] if limit else chosen


def _began(status: PipelineStatus) -> str:
    """When it came up: what was rejected or canceled at once has only an end; what waits has no event yet."""
    return status.submitted_at or status.end_time or "9"


def row(status: PipelineStatus) -> dict[str, Any]:
    """The summary of one pipeline."""
    return {field: getattr(status, field) for field in FIELDS}
