"""Playing what happened at another speed: a clock of the past, and who shows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from datetime import datetime, timedelta

from gamepipeline_engine.cli.render.loglines import Line
from gamepipeline_engine.cli.render.timeline import Closed, Happening, Remark
from gamepipeline_engine.cli.render.view import RunView
from gamepipeline_engine.cli.running.following import REDRAW
from gamepipeline_engine.cli.running.screen import Screen
from gamepipeline_engine.clock import Clock
from gamepipeline_events import Event
from gamepipeline_events.times import moment


class PastClock:
    """Begins at ``start`` and runs ``speed`` times as fast as the world; None: whoever sleeps is there at once."""

    def __init__(self, start: datetime, speed: float | None) -> None:
        self._speed = speed
        self._start = start
        self._began: float | None = None
        self._jumped = timedelta()

    def now(self) -> datetime:
        """The time that is played."""
        if self._speed is None:
            return self._start + self._jumped
        world = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = world
        return self._start + timedelta(seconds=(world - self._began) * self._speed)

    async def sleep(self, seconds: float) -> None:
        """Wait until that much of the played time has gone by."""
        if self._speed is None:
            self._jumped += timedelta(seconds=seconds)
        else:
            await asyncio.sleep(max(0.0, seconds) / self._speed)


async def play(happenings: AsyncIterable[Happening], view: RunView, screen: Screen, clock: Clock, frame: float) -> None:
    """Show each thing when its time has come; at least every ``frame`` played seconds the screen moves."""
    async for happening in happenings:
        while (left := (moment(happening.time) - clock.now()).total_seconds()) > 0:
            await clock.sleep(min(left, frame))
            screen.tick()
        _show(happening.what, view, screen)


def frame_of(speed: float | None) -> float:
    """Played seconds between two drawings."""
    return float("inf") if speed is None else REDRAW * speed


def _show(what: Event | Line | Closed | Remark, view: RunView, screen: Screen) -> None:
    match what:
        case Line():
            view.line(what.step, what.text)
            screen.line(what)
        case Closed():
            screen.closed(what.step, what.attempt)
        case Remark():
            screen.say(what.text)
        case _:
            view.event(what)
            screen.event(what)
