"""``gamepipeline events``."""

from __future__ import annotations

import re
import sys
from contextlib import aclosing

import click

from gamepipeline_engine.cli.options import Settings, nats_option

_NAME = re.compile(r"^gamepipeline\.|\.v[0-9]+$")
"""What an event's ``type`` has around the name."""


@click.command("events")
@click.argument("pipeline", metavar="[ID]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with new events until interrupted.")
@click.option("--type", "types", multiple=True, metavar="T", help="Only events of this type; repeatable.")
@nats_option
def command(pipeline: str | None, types: tuple[str, ...], *, follow: bool) -> None:
    """Print events exactly as stored, one JSON object a line, so that their hashes can be checked.

    Without ID those of all pipelines, in the order in which they were stored.
    """
    from gamepipeline_engine.cli.loop import run_async

    names = frozenset(_NAME.sub("", one) for one in types)
    run_async(_events(Settings.current(), pipeline, names, follow=follow))


async def _events(settings: Settings, text: str | None, types: frozenset[str], *, follow: bool) -> None:
    from gamepipeline_engine.cli.lookup import resolve_id
    from gamepipeline_engine.cli.session import open_session

    _check_types(types)
    stdout = sys.stdout.buffer
    async with open_session(settings) as session:
        pipeline_id = None if text is None else await resolve_id(session, text)
        parse = session.topology.subjects.parse_event
        if follow:
            records = session.events.follow(pipeline_id)
        elif pipeline_id is None:
            records = session.events.read_all()
        else:
            records = session.events.read(pipeline_id)
        async with aclosing(records):
            async for record in records:
                if not types or parse(record.subject).event_type in types:
                    stdout.write(record.payload + b"\n")
                    if follow:
                        stdout.flush()
    stdout.flush()


def _check_types(types: frozenset[str]) -> None:
    """A type nobody knows may come from a newer version; more likely it is misspelt."""
    from gamepipeline_engine.cli.output import note
    from gamepipeline_events import STATE_EVENTS
    from gamepipeline_events.ids import is_token

    known = {one.__name__ for one in STATE_EVENTS}
    for name in sorted(types - known):
        if not is_token(name):
            raise click.BadParameter(f"{name!r} is no event type", param_hint="--type")
        note(f"warning: no event type {name} is known here; known are {', '.join(sorted(known))}")
