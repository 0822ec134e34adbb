"""``gamepipeline audit replay``."""

from __future__ import annotations

import math
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from gamepipeline_engine.cli.options import Settings, id_argument, nats_option

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gamepipeline_engine.cli.session import Session
    from gamepipeline_events import Event

MAX = "max"


def parse_speed(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """Callback: how many times as fast as it happened; None: without waiting."""
    if value == MAX:
        return None
    try:
        speed = float(value)
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise click.BadParameter(f"{value!r:.40} is no speed: write a number above 0, or {MAX}", ctx, param)
    return speed


@click.command("replay")
@id_argument
@click.option(
    "--speed",
    default="1",
    show_default=True,
    metavar="N",
    callback=parse_speed,
    help="N times as fast as it happened; max: without waiting.",
)
@nats_option
def command(pipeline: str, speed: float | None) -> None:
    """Play a pipeline's events and log lines as they happened: a live tree in a terminal, plain lines elsewhere.

    One that goes on is played as far as it has come. Changes nothing.
    """
    from gamepipeline_engine.cli.loop import run_async

    run_async(_replay(Settings.current(), pipeline, speed))


async def _replay(settings: Settings, text: str, speed: float | None) -> None:
    from gamepipeline_engine.cli.lookup import resolve_id
    from gamepipeline_engine.cli.output import note
    from gamepipeline_engine.cli.reading.past import read_events
    from gamepipeline_engine.cli.reading.playback import PastClock, frame_of, play
    from gamepipeline_engine.cli.render.timeline import timeline
    from gamepipeline_engine.cli.render.view import RunView
    from gamepipeline_engine.cli.running.screen import open_screen
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_events.times import moment
    from gamepipeline_projections import fold

    async with open_session(settings) as session:
        pipeline_id = await resolve_id(session, text)
        events = await read_events(session, pipeline_id)
        clock = PastClock(moment(events[0].time), speed)
        state, view = fold(events), RunView(pipeline_id)
        screen = open_screen(view, list(state.steps), sys.stdout, clock)
        try:
            async with aclosing(timeline(events, _records(session, pipeline_id))) as happenings:
                await play(happenings, view, screen, clock, frame_of(speed))
        finally:
            screen.close()
    if not state.terminal:
        note(f"{pipeline_id} has not ended: this is how far it has come")


async def _records(session: Session, pipeline_id: str) -> AsyncIterator[Event]:
    from gamepipeline_events import decode

    async with aclosing(session.logs.read(pipeline_id)) as records:
        async for record in records:
            yield decode(record.payload)
