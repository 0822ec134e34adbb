"""``gamepipeline audit``: the history checker over what is stored."""

from __future__ import annotations

import click

from gamepipeline_engine.cli.options import Settings, nats_option, output_option


@click.group("audit")
def command() -> None:
    """Check stored histories against every rule there is."""


@command.command("verify")
@click.argument("pipeline", metavar="[ID]", required=False)
@output_option
@nats_option
def verify(pipeline: str | None, output: str) -> int:
    """Check one pipeline, or the whole stream: hashes, transitions, ownership, retries, logs.

    Exit code 0 when everything holds; 8 with one line for each place where it does not: the
    pipeline, the event, the rule, and what is wrong. Changes nothing.
    """
    from gamepipeline_engine.cli.auditing.stored import verify_stored
    from gamepipeline_engine.cli.loop import run_async

    report = run_async(verify_stored(Settings.current(), pipeline))
    report.show(output)
    return report.exit
