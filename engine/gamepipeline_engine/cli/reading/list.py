"""``gamepipeline list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.options import (
    NDJSON,
    TABLE,
    Settings,
    nats_option,
    output_option,
    parse_instant,
)

if TYPE_CHECKING:
    from gamepipeline_engine.cli.session import Session
    from gamepipeline_projections import PipelineStatus
    from gamepipeline_projections.readmodel import Listed, Query, ReadModel

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
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Only these; repeatable.")
@click.option("--name", multiple=True, metavar="NAME", help="Only pipelines of this name; repeatable.")
@click.option("--model", multiple=True, metavar="MODEL", help="Only pipelines of this model; repeatable.")
@click.option("--node", multiple=True, metavar="NODE", help="Only what this node has or had; repeatable.")
@click.option("--pool", multiple=True, metavar="POOL", help="Only what was handed to this pool; repeatable.")
@click.option(
    "--since", metavar="WHEN", callback=parse_instant, help="Only what was submitted since: 2h (ago), or a time."
)
@click.option(
    "--until", metavar="WHEN", callback=parse_instant, help="Only what was submitted before: 2h (ago), or a time."
)
@click.option("--search", "text", metavar="TEXT", help="Only with this text in id, name, arguments, reason or errors.")
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="At most so many; 0: all.")
@click.option("--after", metavar="ID", help="The next page: only what comes behind this pipeline in the list.")
@click.option("--watch", is_flag=True, help="Go on, and show what changes (table or ndjson).")
@output_option
@nats_option
def command(*, watch: bool, output: str, **conditions: Any) -> None:
    """List pipelines, newest first.

    All conditions must hold; of several values of one, any. Times are UTC such as 2026-11-24T18:00:00Z.
    """
    from gamepipeline_engine.cli.loop import run_async

    if watch and output not in {TABLE, NDJSON}:
        raise click.UsageError(f"--watch has no end, so it cannot be one {output} document: use -o table or -o ndjson")
    run_async(_list(Settings.current(), conditions, output, watching=watch))


async def _list(settings: Settings, conditions: dict[str, Any], output: str, *, watching: bool) -> None:
    from gamepipeline_engine.cli.output import emit
    from gamepipeline_engine.cli.reading.watching import watch
    from gamepipeline_engine.cli.render.tables import list_text
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_projections.readmodel import Query

    query, warned = Query(**conditions), set[str]()
    async with open_session(settings) as session:
        if watching:
            await watch(lambda: look(session, query, warned), row, output)
        found = await look(session, query, warned)
    if output == TABLE:
        click.echo(list_text(found), nl=False)
    else:
        emit([row(one) for one in found], output)


async def look(session: Session, query: Query, warned: set[str]) -> list[Listed]:
    """Those asked for now. Histories that are broken are told once: ``warned`` has those that were."""
    from gamepipeline_engine.cli.lookup import queued_states
    from gamepipeline_engine.cli.output import note
    from gamepipeline_engine.cli.reading.readmodel import consult

    queued = await queued_states(session)

    def read(model: ReadModel) -> tuple[list[Listed], dict[str, str]]:
        waiting = query.select(state for state in queued.values() if not model.knows(state.id))
        return _page(model, query, waiting), model.broken()

    found, broken = await consult(session, read)
    for pipeline_id, why in broken.items():
        if pipeline_id not in warned:
            note(f"warning: {pipeline_id} is left out, its history cannot be read: {why}")
            warned.add(pipeline_id)
    return found


def _page(model: ReadModel, query: Query, waiting: list[Listed]) -> list[Listed]:
    """What waits for an engine is newest; behind it comes what the read model has."""
    import msgspec

    ids = [one.id for one in waiting]
    if query.after in ids:
        waiting = waiting[ids.index(query.after) + 1 :]
        query = msgspec.structs.replace(query, after=None)
    elif query.after is not None:
        if not model.knows(query.after):
            raise CliError(
                Exit.NOT_FOUND, f"--after: no pipeline {query.after!r:.80}", "give the last id of the page before"
            )
        waiting = []
    found = waiting + model.listed(query)
    return found[: query.limit] if query.limit else found


def row(one: PipelineStatus | Listed) -> dict[str, Any]:
    """The summary of one pipeline."""
    return {field: getattr(one, field) for field in FIELDS}
