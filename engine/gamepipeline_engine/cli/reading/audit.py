"""``gamepipeline audit``: the history checker over what is stored, and over exports of it."""

from __future__ import annotations

from pathlib import Path

import click

from gamepipeline_engine.cli.options import Settings, nats_option, output_option
from gamepipeline_engine.cli.reading.replay import command as replay


@click.group("audit")
def command() -> None:
    """Check stored histories against every rule there is."""


@command.command("verify")
@click.argument("what", metavar="[ID|FILE]", required=False)
@output_option
@nats_option
def verify(what: str | None, output: str) -> int:
    """Check one pipeline, the whole stream, or an export: hashes, transitions, ownership, retries, logs.

    FILE is the folder of an export, its manifest, or one of its files; then no server is asked.
    Exit code 0 when everything holds; 8 with one line for each place where it does not: the
    pipeline or the line, the event, the rule, and what is wrong. Changes nothing.
    """
    from gamepipeline_engine.cli.auditing.offline import export_named, verify_export

    path = export_named(what) if what is not None else None
    if path is not None:
        report = verify_export(path)
    else:
        from gamepipeline_engine.cli.auditing.stored import verify_stored
        from gamepipeline_engine.cli.loop import run_async

        report = run_async(verify_stored(Settings.current(), what))
    report.show(output)
    return report.exit


@command.command("export")
@click.argument("pipeline", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="Every pipeline there is.")
@click.option(
    "-o",
    "to",
    metavar="PLACE",
    type=click.Path(path_type=Path),
    help="A folder, or FILE.ndjson with the other files named after it (else gamepipeline-audit-ID).",
)
@click.option("--logs", is_flag=True, help="With what the steps wrote.")
@click.option("--force", is_flag=True, help="Replace an export that is there.")
@nats_option
def export(pipeline: str | None, to: Path | None, *, everything: bool, logs: bool, force: bool) -> int:
    """Write one pipeline, or everything, to files that `audit verify FILE` can check anywhere.

    One line of JSON for each event, its payload exactly as stored, and a manifest with the hash of
    each file, written last. stdout is the path of the manifest.
    """
    from gamepipeline_engine.cli.auditing import export as exporting
    from gamepipeline_engine.cli.exits import Exit
    from gamepipeline_engine.cli.loop import run_async

    if everything == (pipeline is not None):
        raise click.UsageError("name one pipeline, or give --all")
    click.echo(run_async(exporting.export(Settings.current(), pipeline, to, logs=logs, force=force)))
    return Exit.OK


command.add_command(replay)


@command.command("rebuild")
@click.option("--check", is_flag=True, help="Only compare: nothing is thrown away.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@output_option
@nats_option
def rebuild(output: str, *, check: bool, yes: bool) -> int:
    """Throw away everything that is derived from the events, make it anew, and prove that it is the same.

    The read model behind `list` of this user, the snapshots, and the models that agents keep. Each
    document is compared with what its events come to, before and after. Exit code 8 with one line for
    each pipeline of which something differs. Engines and agents may run meanwhile.
    """
    from gamepipeline_engine.cli.auditing import rebuild as rebuilding
    from gamepipeline_engine.cli.auditing.asking import confirm
    from gamepipeline_engine.cli.loop import run_async

    if not check and not yes:
        confirm("Throw the read model, the snapshots and the models away and make them anew from the events?")
    done = run_async(rebuilding.rebuild(Settings.current(), replace=not check))
    done.show(output)
    return done.exit
