"""The table of commands and the one place where a call begins and ends."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from gamepipeline_engine.cli.exits import Exit
from gamepipeline_engine.cli.known import KNOWN
from gamepipeline_engine.cli.options import Settings, nats_option
from gamepipeline_engine.cli.output import silence


class Entry(NamedTuple):
    """A command: the module below ``cli`` that holds it as ``command``, and its line in ``--help``."""

    module: str
    help: str


COMMANDS: dict[str, Entry] = {
    "run": Entry("running.run", "Run a pipeline here and show its progress."),
    "validate": Entry("offline.validate", "Check a pipeline file; report every problem in it."),
    "plan": Entry("offline.plan", "Show the order of the steps and their final containers."),
    "submit": Entry("acting.submit", "Hand a pipeline to the engines of a pool; print its id."),
    "rerun": Entry("acting.rerun", "Run a pipeline once more, whole or from a step on."),
    "engine": Entry("running.engine", "Serve pools of pipelines on this node."),
    "agent": Entry("running.agent", "Keep a model of every pipeline, and answer questions about them."),
    "status": Entry("reading.status", "Show one pipeline."),
    "why": Entry("reading.why", "Say why a pipeline or a step is as it is."),
    "list": Entry("reading.list", "List pipelines, newest first."),
    "logs": Entry("reading.logs", "Print what the steps wrote."),
    "events": Entry("reading.events", "Print events exactly as stored, one JSON object a line."),
    "cancel": Entry("acting.cancel", "End a pipeline."),
    "stop": Entry("acting.stop", "Stop services that a pipeline left running."),
    "services": Entry("reading.services", "List running services and where they answer."),
    "artifacts": Entry("reading.artifacts", "List and fetch the files that steps kept."),
    "audit": Entry("reading.audit", "Check stored histories against every rule there is."),
    "doctor": Entry("doctor.command", "Check Docker, NATS, the streams and the configuration."),
    "schema": Entry("offline.schema", "Print the JSON Schema of the pipeline file."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called, not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, loaded now; None for one that does not exist."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"gamepipeline_engine.cli.{entry.module}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table, without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001, FBT001
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"gamepipeline {version('gamepipeline-engine')}")
        ctx.exit()


@click.group(
    "gamepipeline",
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@nats_option
def root() -> None:
    """Run pipelines of container steps on Docker, with every transition kept as an event.

    stdout is data, stderr is progress. With no --nats, NATS_URL or NATS context, an own NATS
    server of this user is started and shared by all calls.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """One call of ``gamepipeline``; its exit code. Prints one line for whatever goes wrong."""
    try:
        code = _call(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        return _broken_pipe()
    except OSError as error:  # a full disk behind stdout
        silence(sys.stdout)
        return _failed(error)
    return code


def _call(arguments: Sequence[str] | None) -> int:
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        # Not root.main(): it would turn a broken pipe into an exit of its own.
        with root.make_context("gamepipeline", given, obj=Settings()) as context:
            result: Any = root.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return Exit.LET_GO
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BaseException as error:  # noqa: BLE001 - a traceback is no answer to whoever typed the command
        return _failed(error)
    return int(result) if isinstance(result, int) else Exit.OK


def _failed(error: BaseException) -> int:
    from gamepipeline_engine.cli.failures import explain, leaves

    if any(isinstance(one, BrokenPipeError) for one in leaves(error)):
        raise BrokenPipeError from error
    code, line = explain(error)
    _say(line)
    return code


def _say(line: str) -> None:
    if line:
        click.echo(KNOWN.text(f"error: {line}"), err=True)


def _broken_pipe() -> int:
    """Whoever read has had enough: nothing is wrong, and nobody is there to be told more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            silence(stream)
    return Exit.OK
