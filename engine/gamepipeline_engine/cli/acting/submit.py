"""``gamepipeline submit``."""

from __future__ import annotations

import click

from gamepipeline_engine.cli.options import Settings, args_option, file_argument, nats_option


@click.command("submit")
@file_argument
@click.option("--pool", metavar="P", help="Pool or node that shall run it (else what the file says).")
@args_option
@click.option("--id", "given", metavar="ID", help="Id of the run; the same call again is the same run.")
@nats_option
def command(file: str, pool: str | None, args: dict[str, str], given: str | None) -> None:
    """Hand a pipeline to the engines of a pool. Prints its id, nothing else.

    The file is checked first (exit code 2). Follow the run with `gamepipeline status ID` or
    `gamepipeline logs ID -f`.
    """
    from gamepipeline_engine.cli.loop import run_async
    from gamepipeline_engine.cli.naming import check_id
    from gamepipeline_engine.cli.offline.file import load_job, refuse_secrets
    from gamepipeline_engine.cli.own import own_variables
    from gamepipeline_events.ids import ID_PATTERN, is_id

    check_id(given)
    if pool is not None and not is_id(pool):
        raise click.BadParameter(f"{pool!r:.80} is no pool: it must match {ID_PATTERN}", param_hint="--pool")
    job = load_job(file, args)
    refuse_secrets(job, own_variables())
    from gamepipeline_engine.cli.acting.publish import submit

    click.echo(run_async(submit(Settings.current(), job, given, pool)))
