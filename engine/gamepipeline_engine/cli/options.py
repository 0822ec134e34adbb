"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

TABLE, JSON, YAML, NDJSON = "table", "json", "yaml", "ndjson"


@dataclass
class Settings:
    """What global options say. ``nats``: the address given by ``--nats``, before or after the command."""

    nats: str | None = None

    @staticmethod
    def current() -> Settings:
        """The settings of the call that is being served."""
        return click.get_current_context().find_object(Settings) or Settings()


def _remember_nats(ctx: click.Context, param: click.Parameter, value: str | None) -> None:  # noqa: ARG001
    if value:
        settings = ctx.find_object(Settings)
        if settings is not None:
            settings.nats = value


nats_option = click.option(
    "--nats",
    metavar="URL",
    expose_value=False,
    callback=_remember_nats,
    help="NATS to use (else NATS_URL, NATS_CONTEXT, the configuration, an own server).",
)


def output_option(function: F) -> F:
    """``-o``, the same forms for every command that shows a document."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice((TABLE, JSON, YAML, NDJSON)),
        default=TABLE,
        show_default=True,
        help="Form of what is written to stdout.",
    )(function)


def parse_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Callback: seconds of a duration such as 1h30m; a bare number is seconds."""
    if value is None:
        return None
    from gamepipeline_events.values import seconds

    try:
        return seconds(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}", ctx, param) from error


def parse_instant(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Callback: a wire time, from a duration before now such as 1h30m or from an RFC 3339 time."""
    if value is None:
        return None
    from datetime import UTC, datetime, timedelta

    from gamepipeline_events import BadInput
    from gamepipeline_events.times import moment, timestamp
    from gamepipeline_events.values import seconds

    try:
        return timestamp(moment(value))
    except BadInput:
        pass
    try:
        return timestamp(datetime.now(UTC) - timedelta(seconds=seconds(value)))
    except ValueError as error:
        message = f"{value!r} is neither a duration such as 1h30m nor a time such as 2026-11-24T18:00:00Z"
        raise click.BadParameter(message, ctx, param) from error


def parse_pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Callback: ``K=V`` options as a mapping; a key given twice is an error."""
    from gamepipeline_events.ids import is_name

    pairs: dict[str, str] = {}
    for value in values:
        key, separator, text = value.partition("=")
        if not separator:
            raise click.BadParameter(f"{value!r} is not of the form KEY=VALUE", ctx, param)
        if not is_name(key):
            raise click.BadParameter(f"{key!r} is no name: use letters, digits and _", ctx, param)
        if key in pairs:
            raise click.BadParameter(f"{key} is given twice", ctx, param)
        pairs[key] = text
    return pairs


def parse_text(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Callback: text that can be stored; bytes that are no UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("it is not UTF-8", ctx, param) from error
    return value


def reason_option(function: F) -> F:
    """``--reason R``."""
    return click.option(
        "--reason", required=True, metavar="R", callback=parse_text, help="Why; it stays in the history."
    )(function)


def args_option(function: F) -> F:
    """``--arg K=V``, repeatable, as the mapping ``args``."""
    return click.option(
        "--arg",
        "args",
        multiple=True,
        metavar="K=V",
        callback=parse_pairs,
        help="A value for an argument that the pipeline declares; repeatable.",
    )(function)


def env_options(function: F) -> F:
    """``--env K=V`` and ``--env-file F``, repeatable, as ``envs`` and ``env_files``."""
    function = click.option(
        "--env-file",
        "env_files",
        multiple=True,
        metavar="F",
        type=click.Path(exists=True, dir_okay=False),
        help="A file of K=V lines with variables; repeatable.",
    )(function)
    return click.option(
        "--env",
        "envs",
        multiple=True,
        metavar="K=V",
        callback=parse_pairs,
        help="A variable that the pipeline lists under envs or secrets; repeatable.",
    )(function)


def file_argument(function: F) -> F:
    """FILE: the pipeline file."""
    return click.argument("file", type=click.Path(dir_okay=False))(function)


def id_argument(function: F) -> F:
    """ID: a pipeline id, a unique prefix of one, or @latest."""
    return click.argument("pipeline", metavar="ID")(function)
