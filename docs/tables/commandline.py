"""The commands and their options, from click."""

from __future__ import annotations

import re

import click

from gamepipeline_engine.cli.app import COMMANDS, root
from tables.markdown import code, table


def overview() -> str:
    """One line for each command."""
    return table(("command", "does"), ((f"[{name}](#gamepipeline-{name})", one.help) for name, one in COMMANDS.items()))


def reference() -> str:
    """Usage, help and options of each command."""
    context = click.Context(root, info_name="gamepipeline")
    parts = [f"## gamepipeline\n{_help(root)}\n\n{_options(root, context)}"]
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        parts += _sections(command, name, context)
    return "\n".join(parts)


def _sections(command: click.Command, name: str, parent: click.Context) -> list[str]:
    """One section for a command, and one for each below it."""
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    parts = [f"## {context.command_path}\n```\n{usage}\n```\n{_help(command)}\n\n{_options(command, context)}"]
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            parts += _sections(found, inner, context)
    return parts


def _help(command: click.Command) -> str:
    text = (command.help or "").split("\f")[0]
    joined = re.sub(r"(?<!\n)\n(?!\n)", " ", "\n".join(line.strip() for line in text.strip().splitlines()))
    # Outside of `code`, these two would be read as markup.
    parts = joined.split("`")
    return "`".join(part if at % 2 else re.sub(r"([<*])", r"\\\1", part) for at, part in enumerate(parts))


def _options(command: click.Command, context: click.Context) -> str:
    rows = []
    for one in command.get_params(context):
        record = one.get_help_record(context)
        if isinstance(one, click.Option) and not one.hidden and record is not None:
            rows.append((code(record[0]), record[1]))
    return table(("option", "what"), rows)


REGIONS = {"cli-commands": overview, "cli": reference}
