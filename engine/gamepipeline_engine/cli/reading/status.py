"""``gamepipeline status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gamepipeline_engine.cli.options import TABLE, Settings, id_argument, nats_option, output_option
from gamepipeline_engine.cli.reading.past import parse_at

if TYPE_CHECKING:
    from gamepipeline_projections.timetravel import Place


@click.command("status")
@id_argument
@click.option(
    "--at",
    metavar="SEQ|TIME",
    callback=parse_at,
    help="As it was after its event SEQ, at TIME (RFC 3339), or a duration such as 10m ago.",
)
@output_option
@nats_option
def command(pipeline: str, at: Place | None, output: str) -> None:
    """Show one pipeline: its outcome, its steps, its services.

    ID is a pipeline id, a unique prefix of one, or @latest. Exit code 0 whatever became of it.

    SEQ counts the pipeline's own events from 1, as `version` in the JSON and `pipelineseq` in
    `gamepipeline events` do.
    """
    from gamepipeline_engine.cli.loop import run_async

    run_async(_status(Settings.current(), pipeline, at, output))


async def _status(settings: Settings, text: str, at: Place | None, output: str) -> None:
    from gamepipeline_engine.cli.lookup import read_status, resolve_id
    from gamepipeline_engine.cli.output import emit
    from gamepipeline_engine.cli.reading.past import read_past
    from gamepipeline_engine.cli.render.status import status_text
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_projections import status_of

    async with open_session(settings) as session:
        pipeline_id = await resolve_id(session, text)
        if at is None:
            status = await read_status(session, pipeline_id)
        else:
            status = status_of(await read_past(session, pipeline_id, at))
    if output == TABLE:
        click.echo(status_text(status), nl=False)
    else:
        emit(status, output)
