"""``gamepipeline status``."""

from __future__ import annotations

import click

from gamepipeline_engine.cli.options import TABLE, Settings, id_argument, nats_option, output_option


@click.command("status")
@id_argument
@output_option
@nats_option
def command(pipeline: str, output: str) -> None:
    """Show one pipeline: its outcome, its steps, its services.

    ID is a pipeline id, a unique prefix of one, or @latest. Exit code 0 whatever became of it.
    """
    from gamepipeline_engine.cli.loop import run_async

    run_async(_status(Settings.current(), pipeline, output))


async def _status(settings: Settings, text: str, output: str) -> None:
    from gamepipeline_engine.cli.lookup import read_status, resolve_id
    from gamepipeline_engine.cli.output import emit
    from gamepipeline_engine.cli.render.status import status_text
    from gamepipeline_engine.cli.session import open_session

    async with open_session(settings) as session:
        status = await read_status(session, await resolve_id(session, text))
    if output == TABLE:
        click.echo(status_text(status), nl=False)
    else:
        emit(status, output)
