"""What a run looks like while it goes on: a live tree on a terminal, plain lines elsewhere. On stderr."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from gamepipeline_engine.cli.output import is_terminal, note, silence
from gamepipeline_engine.cli.render.lines import change
from gamepipeline_engine.cli.render.loglines import Line, PrefixPrinter
from gamepipeline_engine.cli.render.view import RunView
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


def open_screen(view: RunView, steps: list[str]) -> Screen:
    """The one that fits stderr."""
    return LiveScreen(view) if is_terminal(sys.stderr) else PlainScreen(steps)


class PlainScreen:
    """One line for each change, and every line of the steps behind their names."""

    def __init__(self, steps: list[str]) -> None:
        self._printer = PrefixPrinter(steps, times=False)

    def event(self, event: Event) -> None:
        """Its line, if it has one."""
        text = change(event)
        if text is not None:
            note(text)

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
            note(text.decode("utf-8", "replace").removesuffix("\n"))


class LiveScreen:
    """A tree that is drawn again and again in its place."""

    def __init__(self, view: RunView) -> None:
        from rich.console import Console
        from rich.live import Live

        self._view = view
        self._hint = ""
        self._console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
        self._unicode = "utf" in (sys.stderr.encoding or "").lower()
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
                silence(sys.stderr)

    def _draw(self, *, start: bool = False) -> None:
        from gamepipeline_engine.cli.render.live import tree

        if self._live is None:
            return
        height = self._console.size.height
        picture = tree(self._view, datetime.now(UTC), height=height, unicode=self._unicode, hint=self._hint)
        try:
            if start:
                self._live.start()
            self._live.update(picture, refresh=True)
        except BrokenPipeError:  # nobody looks; the run goes on
            self._live = None
            silence(sys.stderr)
