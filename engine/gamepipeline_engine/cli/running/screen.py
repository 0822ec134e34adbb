"""What a run looks like while it goes on: a live tree on a terminal, plain lines elsewhere.

On stderr, where progress belongs; a run that is shown again is what was asked for, and is on stdout.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, TextIO

import click

from gamepipeline_engine.cli.known import KNOWN
from gamepipeline_engine.cli.output import is_terminal, note, silence
from gamepipeline_engine.cli.render.lines import change
from gamepipeline_engine.cli.render.loglines import Line, PrefixPrinter
from gamepipeline_engine.cli.render.view import RunView
from gamepipeline_engine.clock import Clock, SystemClock
from gamepipeline_events import Event

if TYPE_CHECKING:
    from rich.live import Live


class Screen(Protocol):
    """Shows a run. ``view`` already holds what is told."""

    def event(self, event: Event) -> None:
        """Something happened."""
        ...

    def line(self, line: Line) -> None:
        """A step wrote a line or a piece of one."""
        ...

    def closed(self, step: str, attempt: int) -> None:
        """The log of an attempt is complete."""
        ...

    def say(self, text: str) -> None:
        """A sentence of ours."""
        ...

    def tick(self) -> None:
        """Time has passed."""
        ...

    def close(self) -> None:
        """The run is over, or let go."""
        ...


def open_screen(view: RunView, steps: list[str], out: TextIO | None = None, clock: Clock | None = None) -> Screen:
    """The one that fits ``out`` (else stderr); ``clock`` says when "now" is (else the machine's)."""
    if is_terminal(out or sys.stderr):
        return LiveScreen(view, out or sys.stderr, clock or SystemClock())
    return PlainScreen(steps, out)


class PlainScreen:
    """One line for each change, and every line of the steps behind their names."""

    def __init__(self, steps: list[str], out: TextIO | None = None) -> None:
        self._printer = PrefixPrinter(steps, times=False)
        self._out = out

    def event(self, event: Event) -> None:
        """Its line, if it has one."""
        text = change(event)
        if text is not None:
            self._put(text)

    def line(self, line: Line) -> None:
        """``<step> | line``."""
        self._write(self._printer.line(line))

    def closed(self, step: str, attempt: int) -> None:
        """Its lines that never ended."""
        self._write(self._printer.closed(step, attempt))

    def say(self, text: str) -> None:
        """As it is."""
        note(text)

    def tick(self) -> None:
        """Nothing moves."""

    def close(self) -> None:
        """Lines that never ended."""
        self._write(self._printer.end())

    def _write(self, text: bytes) -> None:
        if text:
            self._put(text.decode("utf-8", "replace").removesuffix("\n"))

    def _put(self, text: str) -> None:
        if self._out is None:
            note(text)
        else:
            click.echo(KNOWN.text(text), file=self._out)


class LiveScreen:
    """A tree that is drawn again and again in its place."""

    def __init__(self, view: RunView, out: TextIO, clock: Clock) -> None:
        from rich.console import Console
        from rich.live import Live

        self._view = view
        self._clock = clock
        self._out = out
        self._hint = ""
        self._console = Console(file=out, highlight=False, markup=False, emoji=False)
        self._unicode = "utf" in (out.encoding or "").lower()
        self._live: Live | None = Live(console=self._console, auto_refresh=False, redirect_stdout=False)
        self._draw(start=True)

    def event(self, event: Event) -> None:  # noqa: ARG002 - the view has it
        """Draw."""
        self._draw()

    def line(self, line: Line) -> None:
        """The view shows the last one."""

    def closed(self, step: str, attempt: int) -> None:
        """The view has shown what there was."""

    def say(self, text: str) -> None:
        """Behind the name of the run."""
        self._hint = text
        self._draw()

    def tick(self) -> None:
        """Draw."""
        self._draw()

    def close(self) -> None:
        """Draw for the last time and leave it there."""
        self._hint = ""
        self._draw()
        live, self._live = self._live, None
        if live is not None:
            try:
                live.stop()
            except BrokenPipeError:
                silence(self._out)

    def _draw(self, *, start: bool = False) -> None:
        from gamepipeline_engine.cli.render.live import tree

        if self._live is None:
            return
        height = self._console.size.height
        picture = tree(self._view, self._clock.now(), height=height, unicode=self._unicode, hint=self._hint)
        try:
            if start:
                self._live.start()
            self._live.update(picture, refresh=True)
        except BrokenPipeError:  # nobody looks; the run goes on
            self._live = None
            silence(self._out)
