"""Following a run from its streams: events, log lines and pull progress into a view and onto a screen."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from gamepipeline_engine.cli.loop import end
from gamepipeline_engine.cli.render.loglines import Chunks, remark
from gamepipeline_engine.cli.render.view import RunView
from gamepipeline_engine.cli.running.screen import Screen
from gamepipeline_engine.cli.session import Session
from gamepipeline_events import ErrorLog, LogClosed, decode
from gamepipeline_projections.reading import Recorded

REDRAW = 0.125
"""Seconds between two drawings of the tree."""


PASSING = frozenset({"daemon_unreachable", "engine_error"})
"""Causes of faults that need not end the step: the others are said by its failure."""


class Follower:
    """Follows the run of ``view``."""

    def __init__(self, session: Session, view: RunView, screen: Screen) -> None:
        self._session = session
        self._view = view
        self._screen = screen
        self._chunks = Chunks()
        self._log_position = 0

    async def until_terminal(self) -> None:
        """Show everything until the run has ended and its log is read to the end."""
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(one) for one in (self._lines(), self._progress(), self._ticks())]
            await self._events()
            await end(*others)
        # Every line was stored before the last event was.
        async with aclosing(self._session.logs.read(self._view.state.id, after=self._log_position)) as records:
            async for record in records:
                self._log(record)

    async def _events(self) -> None:
        state = self._view.state
        async with aclosing(self._session.events.follow(state.id, state.head.sequence)) as records:
            async for record in records:
                event = decode(record.payload, sequence=record.sequence)
                self._view.event(event)
                self._screen.event(event)
                if self._view.state.terminal:
                    return

    async def _lines(self) -> None:
        async with aclosing(self._session.logs.follow(self._view.state.id)) as records:
            async for record in records:
                self._log(record)

    def _log(self, record: Recorded) -> None:
        if record.sequence <= self._log_position:
            return
        self._log_position = record.sequence
        data = decode(record.payload).data
        for line in self._chunks.lines(data):
            self._view.line(line.step, line.text)
            self._screen.line(line)
        if isinstance(data, LogClosed):
            self._screen.closed(data.step, data.attempt)
        text = None if isinstance(data, ErrorLog) and data.cause not in PASSING else remark(data)
        if text is not None:
            self._screen.say(text)

    async def _progress(self) -> None:
        subjects = self._session.topology.subjects
        any_step = subjects.progress(self._view.state.id, "any").removesuffix("any") + "*"
        subscription = await self._session.client.subscribe(any_step)
        async for message in subscription.messages:
            self._view.progress(message.subject.rpartition(".")[2], message.data)

    async def _ticks(self) -> None:
        while True:
            self._screen.tick()
            await asyncio.sleep(REDRAW)
