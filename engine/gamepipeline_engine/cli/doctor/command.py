"""``gamepipeline doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gamepipeline_engine.cli.exits import Exit
from gamepipeline_engine.cli.options import TABLE, Settings, nats_option, output_option

if TYPE_CHECKING:
    from gamepipeline_engine.cli.doctor.checks import Finding


@click.command("doctor")
@click.option("--failpoints", is_flag=True, help="List the points where a test can kill the engine, and end.")
@click.option("--orphans", is_flag=True, help="List what is left on Docker that nobody wants and why; removes nothing.")
@output_option
@nats_option
def command(output: str, *, failpoints: bool, orphans: bool) -> None:
    """Check Docker, NATS, the streams and the configuration; say how to mend what is wrong.

    Exit code 3 when something keeps pipelines from running.
    """
    from gamepipeline_engine.cli.loop import run_async
    from gamepipeline_engine.cli.output import emit

    if failpoints:
        _failpoints(output)
        return
    if orphans:
        _orphans(output)
        return
    findings = run_async(_findings(Settings.current()))
    healthy = all(one.status != "fail" for one in findings)
    if output == TABLE:
        click.echo(text(findings), nl=False)
    else:
        emit({"healthy": healthy, "checks": findings}, output)
    if not healthy:
        raise click.exceptions.Exit(Exit.INFRASTRUCTURE)


async def _findings(settings: Settings) -> list[Finding]:
    from gamepipeline_engine.cli.doctor import checks

    found = [checks.configuration(), checks.state_writable(), *await checks.docker(), *await checks.registries()]
    return [*found, *await checks.nats(settings)]


def text(findings: list[Finding]) -> str:
    """A table, and below it what to do."""
    from gamepipeline_engine.cli.output import clean, columns

    rows = ((one.check, one.status, one.detail) for one in findings)
    fixes = [f"{one.check}: {clean(one.fix)}\n" for one in findings if one.fix]
    return columns(("CHECK", "STATUS", "DETAIL"), rows) + ("\n" + "".join(fixes) if fixes else "")


def _orphans(output: str) -> None:
    from gamepipeline_engine.cli.doctor import orphans
    from gamepipeline_engine.cli.loop import run_async
    from gamepipeline_engine.cli.output import emit

    found = run_async(orphans.find(Settings.current()))
    if output == TABLE:
        click.echo(orphans.text(found), nl=False)
    else:
        emit(found, output)


def _failpoints(output: str) -> None:
    from gamepipeline_engine.cli.output import emit
    from gamepipeline_engine.failpoints import POINTS

    if output == TABLE:
        width = max(map(len, POINTS))
        for name, meaning in POINTS.items():
            click.echo(f"{name:<{width}}  {meaning}")
    else:
        emit([{"name": name, "meaning": meaning} for name, meaning in POINTS.items()], output)
